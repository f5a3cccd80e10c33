//! The machine that keeps count of copies, by itself: 100,000 ciphertexts among 12 members, without disk and network.
//!
//! It runs in a process of its own, so that its memory can be told. Whoever it asks answers at once, as members would
//! that hold what is theirs to hold; only the time inside the machine counts.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{FACTOR, GRACE_MS, History, Priority, REPROVIDE_MS, Settings, place};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::replication::manager::{Evidence, Input, Manager, Member, Output};
use antiphon_protocol::replication::{Answer, Depth, Outcome as Offered};

use crate::Outcome;
use crate::figures::{row, thousands};
use crate::peer::Peer;

const KEYS: u64 = 100_000;
const MEMBERS: u64 = 12;
const LENGTH: u64 = 1 << 20;
/// Calls with nothing to do that are timed.
const IDLE: u32 = 10_000;
const MINUTE_MS: u64 = 60_000;

/// Starts the process and prints what it says.
pub async fn run() -> Outcome<()> {
    let mut peer = Peer::again(&["replication-manager"])?;
    loop {
        let line = peer.ask("next").await?;
        let Some((work, measured)) = line.split_once('|') else { break };
        let work = format!("{} ciphertexts, {MEMBERS} members, the machine alone: {work}", thousands(KEYS as f64));
        row(&work, measured, "");
    }
    peer.quit().await
}

/// The process.
pub fn alone() -> Outcome<()> {
    let mut play = Play::new();
    // What this needs to play all others is not the machine's.
    let before = rss_mib()?;
    play.load();
    println!("all known|{}, {:.1} MiB RSS", play.spent(), rss_mib()? - before);
    play.settle(MINUTE_MS);
    println!("the first minute|{}", play.spent());
    println!("a wake with nothing to do|{}", play.idle(|_| Input::Wake));
    println!("members told again unchanged|{}", play.idle(|play| Input::Members(play.members.clone())));
    let gone = play.members[1].node;
    play.moved(gone, false);
    println!("a member goes|{}", play.spent());
    play.settle(GRACE_MS - 1);
    println!("its grace period|{}", play.spent());
    play.settle(MINUTE_MS);
    play.take_over();
    play.settle(4 * MINUTE_MS);
    println!("the five minutes after that|{}", play.spent());
    play.moved(gone, true);
    println!("it comes back|{}", play.spent());
    play.settle(5 * MINUTE_MS);
    println!("the five minutes after that|{}", play.spent());
    play.settle(REPROVIDE_MS);
    println!("twelve hours, in which all is proved anew|{}", play.spent());
    println!("memory at the end|{:.1} MiB RSS", rss_mib()? - before);
    println!("end");
    // Whoever reads takes a line for every line it writes.
    for line in std::io::stdin().lines() {
        if line? == "quit" {
            break;
        }
    }
    Ok(())
}

/// What the machine spent and wanted since it was last asked.
#[derive(Default)]
struct Spent {
    time: Duration,
    longest: Duration,
    calls: u64,
    asks: u64,
    asked: usize,
    offers: u64,
    trims: u64,
    notes: u64,
}

struct Play {
    machine: Manager,
    now: UnixMillis,
    members: Vec<Member>,
    places: Vec<(Hash, NodeId)>,
    roots: Vec<Hash>,
    /// What the own node holds.
    held: BTreeSet<Hash>,
    todo: VecDeque<Output>,
    wake: Option<UnixMillis>,
    spent: Spent,
}

impl Play {
    fn new() -> Self {
        let node = |number: u64| NodeId(Hash::of(&number.to_be_bytes()).0);
        let now = UnixMillis(1_700_000_000_000);
        let member =
            |node: NodeId| Member { node, offers: true, free_bytes: Some(1 << 40), connected: true, away_since: now };
        let mut play = Self {
            machine: Manager::new(node(0), Settings::default()),
            now,
            members: (0..MEMBERS).map(|number| member(node(number))).collect(),
            places: (0..MEMBERS).map(node).map(|node| (place(&node), node)).collect(),
            roots: (0..KEYS).map(|number| Hash::of(&number.to_le_bytes())).collect(),
            held: BTreeSet::new(),
            todo: VecDeque::new(),
            wake: None,
            spent: Spent::default(),
        };
        let own = play.members[0].node;
        play.held = play.roots.iter().filter(|root| play.holders(root).contains(&own)).copied().collect();
        play
    }

    /// As at a start: everything is known from the database.
    fn load(&mut self) {
        self.tell(Input::Members(self.members.clone()));
        let at = self.now;
        for root in self.roots.clone() {
            self.tell(Input::Key { root, length: LENGTH, priority: Priority::Normal, own: false, current: true });
            for node in self.holders(&root) {
                if node == self.members[0].node {
                    self.tell(Input::Held { root, whole: true });
                } else {
                    let history = History::default().with(true);
                    self.tell(Input::Known { root, node, evidence: Evidence::Proved(at), added_at: Some(at), history });
                }
            }
        }
    }

    /// Who is to hold it: the nearest of those that are there, or not away for long.
    fn holders(&self, root: &Hash) -> Vec<NodeId> {
        let mut near: Vec<([u8; 32], NodeId)> = Vec::with_capacity(self.places.len());
        for ((place, node), member) in self.places.iter().zip(&self.members) {
            if member.connected || member.away_since.after(GRACE_MS) > self.now {
                let mut distance = place.0;
                distance.iter_mut().zip(root.0).for_each(|(byte, other)| *byte ^= other);
                near.push((distance, *node));
            }
        }
        near.sort_unstable();
        near.into_iter().take(usize::from(FACTOR)).map(|(_, node)| node).collect()
    }

    /// The own node takes what is its to hold now; others offered it meanwhile.
    fn take_over(&mut self) {
        let own = self.members[0].node;
        for root in self.roots.clone() {
            if !self.held.contains(&root) && self.holders(&root).contains(&own) {
                self.held.insert(root);
                self.tell(Input::Held { root, whole: true });
            }
        }
    }

    /// A member goes, or comes back.
    fn moved(&mut self, node: NodeId, connected: bool) {
        for member in self.members.iter_mut().filter(|member| member.node == node) {
            (member.connected, member.away_since) = (connected, self.now);
        }
        self.tell(Input::Members(self.members.clone()));
    }

    fn tell(&mut self, input: Input) {
        let began = Instant::now();
        let outputs = self.machine.handle(input, self.now);
        let took = began.elapsed();
        self.spent.time += took;
        self.spent.longest = self.spent.longest.max(took);
        self.spent.calls += 1;
        self.todo.extend(outputs);
    }

    /// Lets time pass and answers whatever is asked.
    fn settle(&mut self, ms: u64) {
        let until = self.now.after(ms);
        loop {
            while let Some(output) = self.todo.pop_front() {
                self.act(output);
            }
            match self.wake.take_if(|at| *at <= until) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.tell(Input::Wake);
                }
                None => break,
            }
        }
        self.now = until;
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Ask { peer, about } => {
                self.spent.asks += 1;
                self.spent.asked += about.len();
                let answer = |(root, depth): (Hash, Depth)| {
                    let answer = match (self.holders(&root).contains(&peer), depth) {
                        (false, _) => Answer::Missing,
                        (true, Depth::Question) => Answer::Claimed,
                        (true, Depth::Proof) => Answer::Proved,
                    };
                    (root, answer)
                };
                let answers = about.into_iter().map(answer).collect();
                self.tell(Input::Answered { peer, answers });
            }
            Output::Offer { peer, root, .. } => {
                self.spent.offers += 1;
                self.tell(Input::Offered { peer, root, outcome: Offered::Taken });
            }
            Output::Trim { root, .. } => {
                self.spent.trims += 1;
                self.held.remove(&root);
                self.tell(Input::Trimmed { root, ok: true });
                self.tell(Input::Held { root, whole: false });
            }
            Output::Note { .. } => self.spent.notes += 1,
            Output::WakeAt(at) => self.wake = Some(at),
            Output::Forget { .. } => {}
        }
    }

    fn spent(&mut self) -> String {
        let Spent { time, longest, calls, asks, asked, offers, trims, notes } = std::mem::take(&mut self.spent);
        let count = |count: u64| thousands(count as f64);
        format!(
            "{:.1} ms in {} calls, the longest {:.2} ms; {} questions about {} copies, {} offers, {} trimmed, {} notes",
            time.as_secs_f64() * 1e3,
            count(calls),
            longest.as_secs_f64() * 1e3,
            count(asks),
            thousands(asked as f64),
            count(offers),
            count(trims),
            count(notes)
        )
    }

    /// What a call costs when nothing happened, in microseconds.
    fn idle(&mut self, input: impl Fn(&Self) -> Input) -> String {
        let mut longest = Duration::ZERO;
        let began = Instant::now();
        for _ in 0..IDLE {
            self.now = self.now.after(1);
            let input = input(self);
            let began = Instant::now();
            let outputs = self.machine.handle(input, self.now);
            longest = longest.max(began.elapsed());
            self.todo.extend(outputs);
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(IDLE);
        format!("{each:.2} µs, the longest {:.1} µs", longest.as_secs_f64() * 1e6)
    }
}

/// Memory of this process now.
fn rss_mib() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
