//! What 100,000 documents cost a node that keeps count of their copies: a start, memory, rest, and proving all anew.
//!
//! Three nodes hold all of them, so that every copy is there to be proved. The documents are put into their homes behind
//! their backs (see [`super::fill`]); the index reaches the others by sync, and nobody knows of any copy but its own.

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
    let name = |what: &str| format!("{} documents, all held: {what}", thousands(KEYS as f64));
    let (alice, text) = start(dir.path(), &[]).await?;
    row(&name("first start"), &text, "");
    let began = Instant::now();
    let used = alice.peer.processor_ms()?;
    let mut team = Team(vec![alice]);
    for other in &NODES[1..] {
        team.0.push(Member::start(dir.path(), other, &[])?);
    }
    team.0[0].healthy(KEYS).await?;
    let alice = &team.0[0];
    row(
        &name("until two others have the index, and have proved all their copies"),
        &format!(
            "{:.1} s, {:.1} s of processors, {}",
            began.elapsed().as_secs_f64(),
            (alice.peer.processor_ms()? - used) / 1e3,
            memory(alice)?
        ),
        "",
    );
    row(&name("at rest, connected with two"), &rest(alice).await?, "");
    team.0.remove(0).peer.quit().await?;
    let (mut alice, text) = start(dir.path(), &[]).await?;
    row(&name("start when all is known"), &text, "");
    alice.healthy(KEYS).await?;
    row(&name("at rest after that"), &rest(&alice).await?, "");
    alice.peer.quit().await?;
    let (mut alice, _) = start(dir.path(), &[ANEW]).await?;
    alice.healthy(KEYS).await?;
    row(&name("all proved anew"), &anew(&mut alice).await?, "");
    team.0.push(alice);
    team.quit().await
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
    for name in NODES {
        let (home, role) = (quick.path().join(name), (name == NODES[0]).then(|| role.clone()));
        tokio::task::spawn_blocking(move || fill::fill(&home, KEYS, role.as_deref())).await??;
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
    loop {
        let health = alice.health().await?;
        if health.critical + health.degraded + health.healthy == KEYS {
            break;
        }
        patience(began, || format!("the node counts {health:?}"))?;
        tokio::time::sleep(LOOK).await;
    }
    let counted = began.elapsed().as_secs_f64();
    let used = alice.peer.processor_ms()? / 1e3;
    let text = format!("answers after {answers:.2} s, has counted all after {counted:.2} s; {used:.1} s of processors");
    let text = format!("{text}, {}", memory(&alice)?);
    Ok((alice, text))
}

async fn rest(member: &Member) -> Outcome<String> {
    tokio::time::sleep(SETTLING).await;
    let before = member.peer.processor_ms()?;
    tokio::time::sleep(REST).await;
    let used = (member.peer.processor_ms()? - before) / (REST.as_secs_f64() * 1e3);
    Ok(format!("{}, {:.2} % of a processor", memory(member)?, used * 100.0))
}

/// Waits until all copies were proved again because it was time.
async fn anew(member: &mut Member) -> Outcome<String> {
    let (used, began) = (member.peer.processor_ms()?, Instant::now());
    let (mut first, proofs) = (None, member.peer.numbers("proofs").await?[1]);
    loop {
        let numbers = member.peer.numbers("proofs").await?;
        if numbers[0] > 0.0 && first.is_none() {
            first = Some(Instant::now());
        }
        if numbers[0] >= KEYS as f64 {
            let took = first.unwrap_or(began).elapsed().as_secs_f64();
            let proofs = numbers[1] - proofs;
            let used = (member.peer.processor_ms()? - used) / 1e3;
            return Ok(format!(
                "{} proofs in {took:.1} s, {used:.1} s of processors, {}",
                thousands(proofs),
                memory(member)?
            ));
        }
        patience(began, || format!("proved are {numbers:?}"))?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn memory(member: &Member) -> Outcome<String> {
    let (now, most) = member.peer.memory()?;
    Ok(format!("{now:.0} MiB RSS, at most {most:.0}"))
}
