//! The first sync: a fresh machine joins and gets 10,000 facts, between two processes on loopback. The time runs from
//! the moment it begins to join, so it includes connecting, the grant and the handshake.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::figures::{median, row, thousands};
use crate::Outcome;

const ROUNDS: usize = 5;
const FACTS: u64 = 10_000;

/// A node in another process.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(home: &Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(home).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        Ok(Self { child, input, output })
    }

    async fn ask(&mut self, line: &str) -> Outcome<String> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(self.output.next_line().await?.ok_or("the node went away")?)
    }

    async fn quit(mut self) -> Outcome<()> {
        self.input.write_all(b"quit\n").await?;
        self.child.wait().await?;
        Ok(())
    }
}

pub async fn run() -> Outcome<()> {
    let (mut rates, mut searchable, mut wire, mut memory) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        let mut alice = Peer::start(&dir.path().join("alice"))?;
        alice.ask(&format!("fill {FACTS}")).await?;
        let ticket = alice.ask("invite").await?;
        let mut bob = Peer::start(&dir.path().join("bob"))?;
        bob.ask(&format!("join {ticket}")).await?;
        let durable: f64 = bob.ask(&format!("wait {FACTS}")).await?.parse()?;
        let indexed: f64 = bob.ask("flush").await?.parse()?;
        rates.push(FACTS as f64 / durable);
        searchable.push(FACTS as f64 / (durable + indexed));
        let stats = |text: String| text.split(' ').filter_map(|word| word.parse().ok()).collect::<Vec<f64>>();
        let (at_alice, at_bob) = (stats(alice.ask("stats").await?), stats(bob.ask("stats").await?));
        wire.push((at_bob[0] + at_bob[1]) / FACTS as f64);
        memory.push(at_alice[2].max(at_bob[2]) / 1024.0);
        bob.quit().await?;
        alice.quit().await?;
    }
    let measured = format!(
        "{} facts/s durable, {} facts/s searchable, {:.0} wire bytes per fact, {:.0} MiB peak RSS (the larger side)",
        thousands(median(&mut rates)),
        thousands(median(&mut searchable)),
        median(&mut wire),
        median(&mut memory),
    );
    row("first sync of 10,000 facts of 300 bytes", &measured, "iroh-docs 0.101 on this kind of machine: 2,400 to 3,800 entries/s");
    Ok(())
}
