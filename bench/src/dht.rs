//! The hash table of 100 nodes in one process, beside libp2p's own table without members, gate and judge.
//!
//! Both teams stand at the same time, each in a process of its own since together they have more connections than a
//! process may have files, and take turns, with the same nodes, the same neighbours, the same records and the same
//! quorum. A record is signed before the clock runs, since plain records are not; that every holder checks it is in the
//! time.

mod ours;
mod plain;

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Outcome;
use crate::corpus::Random;
use crate::figures::{Aim, aimed, percentile_ms};

const NODES: usize = 100;
/// Whom each node connects with by itself; it finds the others through them.
const NEIGHBOURS: usize = 10;
const WARM_UP: usize = 50;
const ROUNDS: usize = 500;
/// Members that must have said that they hold a record.
const COPIES: usize = 3;

/// What one side took.
#[derive(Default)]
struct Times {
    put: Vec<Duration>,
    get: Vec<Duration>,
}

pub async fn run() -> Outcome<()> {
    let (mut ours, mut plain) = (Side::start("ours")?, Side::start("plain")?);
    ours.ready().await?;
    plain.ready().await?;
    let (mut times, mut beside, mut random) = (Times::default(), Times::default(), Random(11));
    for round in 0..WARM_UP + ROUNDS {
        let (putter, getter) = (below(&mut random, NODES), below(&mut random, NODES));
        // Whoever comes second finds the machine as the first has left it, so that changes.
        let first = round % 2 == 0;
        for is_ours in [first, !first] {
            let (side, times) = if is_ours { (&mut ours, &mut times) } else { (&mut plain, &mut beside) };
            let (put, get) = side.turn(round, putter, getter).await?;
            if round >= WARM_UP {
                times.put.push(put);
                times.get.push(get);
            }
        }
    }
    show("put, 3 members hold it", &mut times.put, &mut beside.put);
    show("get, the first answer", &mut times.get, &mut beside.get);
    Ok(())
}

/// One team in its own process.
struct Side {
    _process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Side {
    fn start(which: &str) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["dht-side", which])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let questions = process.stdin.take().ok_or("no pipe")?;
        let answers = BufReader::new(process.stdout.take().ok_or("no pipe")?).lines();
        Ok(Self { _process: process, questions, answers })
    }

    async fn line(&mut self) -> Outcome<String> {
        Ok(self.answers.next_line().await?.ok_or("one side ended")?)
    }

    async fn ready(&mut self) -> Outcome<()> {
        if self.line().await? == "ready" { Ok(()) } else { Err("one side did not start".into()) }
    }

    async fn turn(&mut self, round: usize, putter: usize, getter: usize) -> Outcome<(Duration, Duration)> {
        self.questions.write_all(format!("{round} {putter} {getter}\n").as_bytes()).await?;
        let line = self.line().await?;
        let times = numbers(&line).map(Duration::from_micros).collect::<Vec<_>>();
        if let [put, get] = times[..] { Ok((put, get)) } else { Err(format!("one side says {line:?}").into()) }
    }
}

fn numbers(line: &str) -> impl Iterator<Item = u64> {
    line.split(' ').filter_map(|number| number.parse().ok())
}

enum Team {
    Ours(ours::Team),
    Plain(plain::Team),
}

impl Team {
    async fn put(&self, by: usize, key: &[u8], value: &[u8]) -> Outcome<()> {
        match self {
            Self::Ours(team) => team.put(by, key, value).await,
            Self::Plain(team) => team.put(by, key, value).await,
        }
    }

    async fn get(&self, by: usize, key: &[u8]) -> Outcome<Vec<u8>> {
        match self {
            Self::Ours(team) => team.get(by, key).await,
            Self::Plain(team) => team.get(by, key).await,
        }
    }
}

/// One side: for each line of round, putter and getter, a line of microseconds.
pub async fn side(which: &str) -> Outcome<()> {
    let pairs = pairs();
    let team = match which {
        "ours" => Team::Ours(ours::Team::start(NODES, &pairs).await?),
        _ => Team::Plain(plain::Team::start(NODES, &pairs).await?),
    };
    println!("ready");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let asked: Vec<usize> = numbers(&line).filter_map(|number| usize::try_from(number).ok()).collect();
        let [round, putter, getter] = asked[..] else { return Err(format!("not a round: {line:?}").into()) };
        let (key, value) = ours::record(putter, round)?;
        let began = Instant::now();
        team.put(putter, &key, &value).await?;
        let put = began.elapsed();
        let began = Instant::now();
        let got = team.get(getter, &key).await?;
        let get = began.elapsed();
        if got != value {
            return Err("another record was found".into());
        }
        println!("{} {}", put.as_micros(), get.as_micros());
    }
    Ok(())
}

fn show(what: &str, ours: &mut [Duration], plain: &mut [Duration]) {
    ours.sort();
    plain.sort();
    let text = |sorted: &[Duration]| {
        format!("p50 {:.2} ms, p99 {:.2} ms", percentile_ms(sorted, 0.5), percentile_ms(sorted, 0.99))
    };
    let factor = percentile_ms(ours, 0.5) / percentile_ms(plain, 0.5);
    let work = format!("hash table of {NODES} nodes in one process: {what}");
    let beside = format!("plain libp2p-kad: {}, {factor:.2} ×", text(plain));
    aimed(&work, &text(ours), &beside, &[Aim::at_most(factor, 1.5, "× p50")]);
}

/// Who connects with whom: everybody with the next one, and with some others.
fn pairs() -> Vec<(usize, usize)> {
    let mut random = Random(5);
    let mut pairs = std::collections::BTreeSet::new();
    for at in 0..NODES {
        for step in 0..NEIGHBOURS {
            let other = if step == 0 { (at + 1) % NODES } else { below(&mut random, NODES) };
            if other != at {
                pairs.insert((at.min(other), at.max(other)));
            }
        }
    }
    pairs.into_iter().collect()
}

fn below(random: &mut Random, limit: usize) -> usize {
    usize::try_from(random.next() % limit as u64).unwrap_or(0)
}
