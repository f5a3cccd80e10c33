//! One of five nodes is lost, and with it a third of all copies: how long it takes until everything is as safe as before,
//! and how fast the copies are made, beside the same bytes copied over TCP.
//!
//! The team is built once. Each round begins with copies of its homes, so that every round repairs the same. The node
//! dies by SIGKILL; the grace period begins when its connections break, and time runs from the end of that. What is
//! copied plainly are the files of the very ciphertexts that the lost node held, in turn with the repairs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use antiphon_core::ids::Hash;
use futures::future::try_join_all;

use super::ledger::{Ledger, copies};
use super::team::{LOOK, Member, PATIENCE, Team, patience};
use super::{home, plain};
use crate::Outcome;
use crate::figures::{Aim, aimed, median, row};
use crate::wire::Wire;

const NODES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const COPIES: usize = 3;
const ROUNDS: usize = 5;
/// How long a holder may be away. The ten minutes that are usual change only how long one waits before.
const GRACE: Duration = Duration::from_secs(5);
/// How many documents of which size; each node holds about three fifths of their 1.68 GiB.
const SIZES: [(usize, u64); 6] =
    [(60, 16 << 10), (80, 256 << 10), (120, 1 << 20), (90, 4 << 20), (40, 16 << 20), (9, 64 << 20)];
const GIB: f64 = (1_u64 << 30) as f64;
/// How long it is waited for copies that are too many to go.
const TRIMMING: Duration = Duration::from_secs(180);

pub async fn run() -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let whole = dir.path().join("whole");
    let documents = build(&whole).await?;
    let lost = Lost::choose(&whole)?;
    let (mut repairs, mut plains) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Whoever comes second finds the disk busy with what the first one left.
        for repairs_now in [round % 2 == 0, round % 2 != 0] {
            if repairs_now {
                repairs.push(repair(dir.path(), &whole, &lost, documents).await?);
            } else {
                plains.push(plain::copy(lost.files.clone(), &dir.path().join("plain")).await?);
                eprintln!("copied plainly in {:.2} s", plains.last().copied().unwrap_or_default());
            }
        }
    }
    print(&lost, &repairs, &mut plains);
    Ok(())
}

/// Makes the team and its documents; says how many there are.
async fn build(whole: &Path) -> Outcome<u64> {
    let mut team = Team::found(whole, &NODES, &["cleanup_ms=2000", "proof_ms=5000"]).await?;
    let sizes: Vec<u64> = SIZES.into_iter().flat_map(|(count, bytes)| std::iter::repeat_n(bytes, count)).collect();
    let documents = sizes.len() as u64;
    let began = Instant::now();
    try_join_all(team.0.iter_mut().enumerate().map(|(at, member)| put(member, &sizes, at))).await?;
    eprintln!("{documents} documents stored in {:.1} s", began.elapsed().as_secs_f64());
    team.healthy(documents).await?;
    let (took, bytes) = (began.elapsed().as_secs_f64(), team.received().await?);
    eprintln!("all healthy after {took:.1} s, {:.2} GiB of frames of blocks received", bytes / GIB);
    // Whoever holds a copy that is not its to hold would make the loss smaller than it is.
    let (ledgers, began) = (team.ledgers()?, Instant::now());
    while copies(&ledgers)?.values().any(|copies| *copies > COPIES) && began.elapsed() < TRIMMING {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let many = copies(&ledgers)?.values().filter(|copies| **copies > COPIES).count();
    eprintln!("{many} ciphertexts have more than {COPIES} copies after {:.1} s", began.elapsed().as_secs_f64());
    team.quit().await?;
    Ok(documents)
}

/// Every fifth document.
async fn put(member: &mut Member, sizes: &[u64], at: usize) -> Outcome<()> {
    for (n, bytes) in sizes.iter().enumerate().skip(at).step_by(NODES.len()) {
        member.peer.ask(&format!("put document-{n} {bytes}")).await?;
    }
    Ok(())
}

/// Which node is going to be lost, and what with it.
struct Lost {
    node: usize,
    copies: usize,
    bytes: u64,
    /// What has to be copied, where somebody else holds it.
    files: Vec<(PathBuf, u64)>,
}

impl Lost {
    /// The node with which nearest to 1 GiB is lost.
    fn choose(whole: &Path) -> Outcome<Self> {
        let ledgers = NODES.iter().map(|name| Ledger::open(&whole.join(name))).collect::<Outcome<Vec<_>>>()?;
        let all = (0..NODES.len()).map(|node| Self::of(&ledgers, node)).collect::<Outcome<Vec<_>>>()?;
        all.into_iter().min_by_key(|lost| lost.bytes.abs_diff(1 << 30)).ok_or_else(|| "no node".into())
    }

    fn of(ledgers: &[Ledger], node: usize) -> Outcome<Self> {
        let others = || ledgers.iter().enumerate().filter(move |(at, _)| *at != node).map(|(_, ledger)| ledger);
        let mut lost = Self { node, copies: 0, bytes: 0, files: Vec::new() };
        let held: Vec<_> = others().map(Ledger::whole).collect::<Outcome<_>>()?;
        for root in ledgers[node].needed()? {
            let holders: Vec<_> = others().zip(&held).filter(|(_, held)| held.contains_key(&root)).collect();
            let (ledger, held) = holders.first().ok_or("a ciphertext is held by nobody")?;
            for _ in holders.len()..COPIES {
                lost.copies += 1;
                lost.bytes += held[&root];
                lost.files.push((ledger.file(&root), held[&root]));
            }
        }
        Ok(lost)
    }
}

/// What one repair took.
struct Repair {
    /// Seconds from the end of the grace period until every copy is there.
    copied: f64,
    /// The same until every node says that all is healthy.
    healthy: f64,
    /// Bytes of frames of blocks that were received.
    frames: f64,
    /// Bytes that the interface carried, without headers of packets.
    carried: f64,
    /// Seconds of processors, of all nodes together.
    processors: f64,
    /// Most memory of a node, in MiB.
    memory: f64,
}

async fn repair(dir: &Path, whole: &Path, lost: &Lost, documents: u64) -> Outcome<Repair> {
    let round = dir.join("round");
    home::copy(whole, &round)?;
    let grace = format!("grace_ms={}", GRACE.as_millis());
    let mut team = Team::start(&round, &NODES, &[&grace])?;
    team.connected().await?;
    team.healthy(documents).await?;
    // What a start has to do is done.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let victim = team.0.remove(lost.node);
    let ledgers = team.ledgers()?;
    let (before, wire, used) = (team.received().await?, Wire::now()?, processors(&team)?);
    let held = held(&ledgers)?;
    victim.peer.kill().await?;
    let due = Instant::now() + GRACE;
    copied(&ledgers, due, &held).await?;
    let copied = due.elapsed().as_secs_f64();
    team.healthy(documents).await?;
    let healthy = due.elapsed().as_secs_f64();
    let memory = team.0.iter().map(|member| Ok(member.peer.memory()?.1)).collect::<Outcome<Vec<_>>>()?;
    let repair = Repair {
        copied,
        healthy,
        frames: team.received().await? - before,
        carried: Wire::since(wire)?.carried(false),
        processors: processors(&team)? - used,
        memory: memory.into_iter().fold(0.0, f64::max),
    };
    team.quit().await?;
    std::fs::remove_dir_all(&round)?;
    eprintln!(
        "repaired in {copied:.2} s, everybody knows after {healthy:.2} s; {:.3} GiB of frames, {:.3} GiB carried",
        repair.frames / GIB,
        repair.carried / GIB
    );
    Ok(repair)
}

/// Waits until every ciphertext has its copies again.
async fn copied(ledgers: &[Ledger], due: Instant, before: &BTreeMap<Hash, usize>) -> Outcome<()> {
    let (began, mut first) = (Instant::now(), true);
    loop {
        let now = held(ledgers)?;
        if first && now != *before {
            first = false;
            // Before it is due nobody may do anything.
            let when = due.elapsed().as_secs_f64() - due.saturating_duration_since(Instant::now()).as_secs_f64();
            eprintln!("the first copy is there {when:.2} s after the end of the grace period");
        }
        if before.keys().all(|root| now.get(root).is_some_and(|copies| *copies >= COPIES)) {
            return Ok(());
        }
        let few = now.values().filter(|copies| **copies < COPIES).count();
        patience(began, || format!("{few} ciphertexts have too few copies after {PATIENCE:?}"))?;
        tokio::time::sleep(LOOK).await;
    }
}

/// How many copies there are of everything that the index needs.
fn held(ledgers: &[Ledger]) -> Outcome<BTreeMap<Hash, usize>> {
    let mut held = copies(ledgers)?;
    let needed = ledgers.first().ok_or("no node")?.needed()?;
    held.retain(|root, _| needed.contains(root));
    for root in needed {
        held.entry(root).or_default();
    }
    Ok(held)
}

fn processors(team: &Team) -> Outcome<f64> {
    team.0.iter().map(|member| Ok(member.peer.processor_ms()? / 1e3)).sum()
}

fn print(lost: &Lost, repairs: &[Repair], plains: &mut [f64]) {
    let bytes = lost.bytes as f64;
    let of = |what: fn(&Repair) -> f64| median(&mut repairs.iter().map(what).collect::<Vec<_>>());
    let most = |what: fn(&Repair) -> f64| repairs.iter().map(what).fold(0.0, f64::max);
    let (copied, plain) = (of(|one| one.copied), median(plains));
    let rate = |seconds: f64| bytes / seconds / 1e6;
    aimed(
        &format!("1 of {} nodes lost, {} copies of {:.2} GiB with it", NODES.len(), lost.copies, bytes / GIB),
        &format!(
            "from the end of the grace period {copied:.1} s until all are there, at most {:.1} s; {:.1} s until every \
             node says so, at most {:.1} s; {:.1} s of processors; at most {:.0} MiB RSS of a node",
            most(|one| one.copied),
            of(|one| one.healthy),
            most(|one| one.healthy),
            of(|one| one.processors),
            most(|one| one.memory),
        ),
        "",
        &[Aim::at_most(of(|one| one.healthy), 30.0, "s until healthy")],
    );
    row(
        "the same as a rate",
        &format!("{:.0} MB/s", rate(copied)),
        &format!(
            "files over TCP, synced: {plain:.1} s, {:.0} MB/s, {:.2} × as fast as it",
            rate(plain),
            plain / copied
        ),
    );
    aimed(
        "bytes moved for each byte that was missing",
        &format!(
            "{:.3} in frames of blocks, {:.3} on the interface with everything",
            of(|one| one.frames) / bytes,
            of(|one| one.carried) / bytes
        ),
        "",
        &[Aim::at_most(of(|one| one.frames) / bytes, 1.2, "×")],
    );
}
