//! What 100,000 documents cost a node that keeps count of their copies: a start, memory, rest, and proving all anew.
//!
//! Three nodes hold all of them, so that every copy is there to be proved. The documents are put into their homes behind
//! their backs (see [`super::fill`]), and so is what they know of each other's copies; the index reaches two by sync.

use std::path::Path;
use std::time::{Duration, Instant};

use super::team::{LOOK, Member, Team, patience};
use super::{fill, home};
use crate::Outcome;
use crate::figures::{row, thousands};

const NODES: [&str; 3] = ["alice", "bob", "carol"];
const KEYS: u64 = 100_000;
/// How long a node is watched that has nothing to do.
const REST: Duration = Duration::from_secs(40);
/// How soon all is proved anew where that is what is measured.
const ANEW: &str = "reprovide_ms=30000";
/// How long it is left alone before.
const SETTLING: Duration = Duration::from_secs(10);

pub async fn run() -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    build(dir.path()).await?;
    let name = |what: &str| format!("{} documents, 3 copies, one here: {what}", thousands(KEYS as f64));
    // The index reaches the others.
    let mut team = Team::start(dir.path(), &NODES, &[])?;
    for member in &mut team.0 {
        counted(member).await?;
    }
    team.quit().await?;
    let (alice, text) = start(dir.path(), &[]).await?;
    row(&name("start"), &text, "");
    let mut team = Team(vec![alice]);
    for other in &NODES[1..] {
        team.0.push(Member::start(dir.path(), other, &[])?);
    }
    team.connected().await?;
    team.healthy(KEYS).await?;
    row(&name("at rest, connected with two"), &rest(&team.0[0]).await?, "");
    let others = team.0.split_off(1);
    team.quit().await?;
    let (mut alice, _) = start(dir.path(), &[ANEW]).await?;
    row(&name("while all is proved anew"), &anew(&mut alice).await?, "");
    alice.peer.quit().await?;
    Team(others).quit().await
}

/// Three nodes that know each other, and what they hold.
async fn build(dir: &Path) -> Outcome<()> {
    // Files that somebody else cannot lose need not wait for the disk one by one.
    let quick = Path::new("/dev/shm");
    let quick = if quick.is_dir() { tempfile::tempdir_in(quick)? } else { tempfile::tempdir()? };
    let mut team = Team::found(quick.path(), &NODES, &[]).await?;
    let role = team.0[0].peer.ask("role").await?;
    team.quit().await?;
    let began = Instant::now();
    let nodes: Vec<_> = NODES.iter().map(|name| fill::node(&quick.path().join(name))).collect::<Outcome<_>>()?;
    for (at, name) in NODES.into_iter().enumerate() {
        let (home, role) = (quick.path().join(name), (at == 0).then(|| role.clone()));
        let mut others = nodes.clone();
        others.remove(at);
        tokio::task::spawn_blocking(move || fill::fill(&home, KEYS, role.as_deref(), &others)).await??;
        home::copy(&quick.path().join(name), &dir.join(name))?;
    }
    eprintln!("filled in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Starts the first node alone; says how long it took.
async fn start(dir: &Path, settings: &[&str]) -> Outcome<(Member, String)> {
    let began = Instant::now();
    let mut alice = Member::start(dir, NODES[0], settings)?;
    alice.peer.ask("role").await?;
    let answers = began.elapsed().as_secs_f64();
    counted(&mut alice).await?;
    let counted = began.elapsed().as_secs_f64();
    let used = alice.peer.processor_ms()? / 1e3;
    let text = format!("answers after {answers:.2} s, has counted all after {counted:.2} s; {used:.1} s of processors");
    let text = format!("{text}, {}", memory(&alice)?);
    Ok((alice, text))
}

/// Waits until a node knows of all.
async fn counted(member: &mut Member) -> Outcome<()> {
    let began = Instant::now();
    loop {
        let health = member.health().await?;
        if health.critical + health.degraded + health.healthy == KEYS {
            return Ok(());
        }
        patience(began, || format!("the node counts {health:?}"))?;
        tokio::time::sleep(LOOK).await;
    }
}

async fn rest(member: &Member) -> Outcome<String> {
    tokio::time::sleep(SETTLING).await;
    let before = member.peer.processor_ms()?;
    tokio::time::sleep(REST).await;
    let used = (member.peer.processor_ms()? - before) / (REST.as_secs_f64() * 1e3);
    Ok(format!("{}, {:.2} % of a processor", memory(member)?, used * 100.0))
}

/// What proving costs: a member answers for so many blocks in a second and no more, so a while of it is enough.
async fn anew(member: &mut Member) -> Outcome<String> {
    let began = Instant::now();
    while member.peer.numbers("proofs").await?[1] < 1.0 {
        patience(began, || "nothing is proved".to_owned())?;
        tokio::time::sleep(LOOK).await;
    }
    // What may be asked at once has been asked.
    tokio::time::sleep(SETTLING).await;
    let (used, proofs, began) = (member.peer.processor_ms()?, member.peer.numbers("proofs").await?[1], Instant::now());
    tokio::time::sleep(REST).await;
    let took = began.elapsed().as_secs_f64();
    let rate = (member.peer.numbers("proofs").await?[1] - proofs) / took;
    let used = (member.peer.processor_ms()? - used) / (took * 1e3);
    Ok(format!("{rate:.0} proofs/s of two members, {:.1} % of a processor, {}", used * 100.0, memory(member)?))
}

fn memory(member: &Member) -> Outcome<String> {
    let (now, most) = member.peer.memory()?;
    Ok(format!("{now:.0} MiB RSS, at most {most:.0}"))
}
