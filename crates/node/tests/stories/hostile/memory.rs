//! What attacks cost a victim in memory. The victim is a process of its own, this very program told to be one, so that
//! nothing else is measured.
// The victim tells its tormentors over its standard output.
#![allow(clippy::print_stdout)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::mallory::{
    BACKUP, BLOCKS, COPIES, HANDSHAKE, JOIN, Mallory, OUTBOX, QUERY, SYNC, address_of, keypair, patiently, send,
};
use crate::blocks::Eve;
use crate::common::{Machine, until};
use antiphon_core::custody::Holding;
use antiphon_core::ids::{Hash, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_net::{Multiaddr, StreamKind};
use antiphon_protocol::frame;
use antiphon_protocol::sync::{Clock, LOGS_MAX, Message};
use futures::AsyncWriteExt as _;
use tokio::sync::mpsc;

/// Tells the program that it is the victim of the story that its arguments name.
const VICTIM: &str = "ANTIPHON_STORY_VICTIM";
/// Most bytes by which a victim may grow under any of these attacks.
const GROWTH_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes that clocks may cost of which only the last is remembered: a few at a time are read, compared and dropped.
const ONE_CLOCK_BYTES_MAX: u64 = 48 * 1024 * 1024;

/// The victim, as its tormentors see it.
struct Victim {
    process: Child,
    say: ChildStdin,
    said: mpsc::UnboundedReceiver<String>,
    address: Multiaddr,
}

/// Is the victim: prints where it is, and a ticket for each line that it reads, until there are no more.
async fn suffer() {
    let mut alice = Machine::start("alice").await;
    println!("at {}", address_of(&alice).await);
    let (asks, mut asked) = mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| asks.send(line)));
    while asked.recv().await.is_some() {
        println!("ticket {}", alice.handle.invite("observer", 600_000).await.unwrap().ticket);
    }
    alice.stop().await;
}

fn is_victim() -> bool {
    std::env::var_os(VICTIM).is_some()
}

impl Victim {
    async fn of(story: &str) -> Self {
        let name = format!("hostile::memory::{story}");
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([name.as_str(), "--exact", "--nocapture", "--test-threads=1"])
            .env(VICTIM, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (say, stdout) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let (says, mut said) = mpsc::unbounded_channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| says.send(line)));
        let address = word(&mut said, "at ").await.parse().unwrap();
        Self { process, say, said, address }
    }

    async fn ticket(&mut self) -> String {
        self.say.write_all(b"\n").unwrap();
        self.say.flush().unwrap();
        word(&mut self.said, "ticket ").await
    }

    /// An honest member of the victim's team.
    async fn honest(&mut self) -> Machine {
        let bob = Machine::start("bob").await;
        bob.handle.join(&self.ticket().await, None, None).await.unwrap();
        bob.trusts("alice", antiphon_node::Trust::Verified).await;
        bob
    }

    /// Bytes of memory that it has now, and the most that it ever had.
    fn resident(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        (1024 * kib("VmRSS:"), 1024 * kib("VmHWM:"))
    }

    /// What the attack has cost at its worst; the honest member is served after it.
    async fn has_grown(&self, what: &str, before: u64, bob: &Machine) {
        self.has_grown_by(GROWTH_BYTES_MAX, what, before, bob).await;
    }

    /// The same, of an attack that may cost only so many bytes.
    async fn has_grown_by(&self, most: u64, what: &str, before: u64, bob: &Machine) {
        let peak = self.resident().1.saturating_sub(before);
        eprintln!("figure: {what}: at most {} KiB more", peak / 1024);
        assert!(peak <= most, "{what}: {peak} bytes");
        let fact = bob.remember("what bob found out").await;
        until("the victim acknowledges it", async || {
            let told = bob.handle.fact_receipts(fact).await.unwrap();
            told.members.into_iter().any(|told| told.name == "alice" && told.holding == Some(Holding::Whole))
        })
        .await;
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Its own end waits for nobody, and one that was killed before is no news.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn word(lines: &mut mpsc::UnboundedReceiver<String>, begins: &str) -> String {
    let read = async {
        loop {
            let line = lines.recv().await.expect("the victim lives");
            if let Some((_, rest)) = line.split_once(begins) {
                break rest.to_owned();
            }
        }
    };
    patiently("the victim's word", read).await
}

/// So much of a frame or request that all but its last byte is there.
async fn begin(stream: &mut libp2p::Stream, length: usize) -> bool {
    let length_bytes = u32::try_from(length).unwrap().to_be_bytes();
    let sent = async {
        stream.write_all(&length_bytes).await?;
        stream.write_all(&vec![0xa5; length - 1]).await?;
        stream.flush().await
    };
    sent.await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_with_half_requests_costs_bounded_memory() {
    if is_victim() {
        return suffer().await;
    }
    let mut victim = Victim::of("a_crowd_with_half_requests_costs_bounded_memory").await;
    let bob = victim.honest().await;
    let before = victim.resident().0;
    let mut crowd = Vec::new();
    for _ in 0..96 {
        let mallory = Mallory::stranger(&victim.address).await;
        for (protocol, length) in [(HANDSHAKE, 128 * 1024), (JOIN, 16 * 1024)] {
            for _ in 0..10 {
                let Some(mut stream) = mallory.open(protocol).await else { break };
                if begin(&mut stream, length).await {
                    crowd.push((None, stream));
                }
            }
        }
        let Some(stream) = mallory.open(HANDSHAKE).await else { continue };
        crowd.push((Some(mallory), stream));
    }
    victim.has_grown("96 strangers with 20 half requests each", before, &bob).await;
}

async fn member(victim: &mut Victim) -> (Mallory, Eve, Machine) {
    // She joins through bob's eyes like anybody else; only then she speaks for herself.
    let bob = victim.honest().await;
    let ticket = victim.ticket().await;
    let eve = Eve::joins_by(&ticket).await;
    let connected = async {
        loop {
            if let Some(mallory) = Mallory::dials(keypair(&eve.key), &victim.address).await
                && mallory.greets(&eve.local).await
            {
                break mallory;
            }
        }
    };
    (patiently("mallory is let in", connected).await, eve, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_half_frames_on_every_stream_costs_bounded_memory() {
    if is_victim() {
        return suffer().await;
    }
    let mut victim = Victim::of("a_member_with_half_frames_on_every_stream_costs_bounded_memory").await;
    let (mallory, _eve, bob) = member(&mut victim).await;
    let before = victim.resident().0;
    let mut held = Vec::new();
    let kinds = [
        (SYNC, StreamKind::Sync.frame_bytes_max()),
        (OUTBOX, StreamKind::Outbox.frame_bytes_max()),
        (BLOCKS, StreamKind::Blocks.frame_bytes_max()),
        (COPIES, StreamKind::Replication.frame_bytes_max()),
        (BACKUP, 1024 * 1024),
        (QUERY, 16 * 1024),
    ];
    for (protocol, length) in kinds {
        for _ in 0..10 {
            let Some(mut stream) = mallory.open(protocol).await else { break };
            if begin(&mut stream, length).await {
                held.push(stream);
            }
        }
    }
    assert!(held.len() >= 10);
    victim.has_grown("half frames on every stream of a member", before, &bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_of_a_hundred_thousand_made_up_logs_cost_bounded_memory() {
    if is_victim() {
        return suffer().await;
    }
    let mut victim = Victim::of("clocks_of_a_hundred_thousand_made_up_logs_cost_bounded_memory").await;
    let (mallory, _eve, bob) = member(&mut victim).await;
    let before = victim.resident().0;
    let mut stream = mallory.opens(SYNC).await;
    for round in 0..200 {
        if send(&mut stream, &made_up(round)).await.is_err() {
            break;
        }
    }
    victim.has_grown("200 clocks of 8,192 made-up logs", before, &bob).await;
}

/// A clock of as many logs as it may name, none of which is, in each round others.
fn made_up(round: u8) -> Vec<u8> {
    let id = |n: usize| {
        let mut id = [round; 16];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        LogId::new(StoreId(id), Stream::Shared)
    };
    let heads: NodeClock = (0..LOGS_MAX).map(|n| (id(n), Head { seq: 5, hash: Hash([round; 32]) })).collect();
    frame::encode(&Message::Clock(Clock { heads, takes: true, asks: false, partings: NodeClock::new() }))
}

/// One after the other, none of them waits, and what the last one said is all that is remembered.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_says_that_it_holds_is_remembered_once() {
    if is_victim() {
        return suffer().await;
    }
    let mut victim = Victim::of("what_a_member_says_that_it_holds_is_remembered_once").await;
    let (mallory, _eve, bob) = member(&mut victim).await;
    let before = victim.resident().0;
    let mut stream = mallory.opens(SYNC).await;
    for round in 0..=255 {
        send(&mut stream, &made_up(round)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    victim.has_grown_by(ONE_CLOCK_BYTES_MAX, "256 clocks of 8,192 made-up logs, one by one", before, &bob).await;
}
