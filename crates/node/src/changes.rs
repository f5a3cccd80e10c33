//! What has changed on a node, for whoever shows it: pages, agents that subscribed, scripts.
//!
//! Whoever shows something must know when to look again, and asking every second does not scale with the number of
//! those who show. So one task watches, and they wait for its word. The word is only a [`Topic`]: what is new is read
//! where it is always read, so a word too many costs a look and shows nothing wrong, and several changes of one topic
//! are one word.
//!
//! Commits and messages announce themselves. Some things do not: how far a peer is behind, when the outbox tries next,
//! how copies stand. These the task looks at itself, once a [`LOOK_MS`]. It does so only while somebody is subscribed;
//! with nobody there it sleeps, and what changed meanwhile is named when somebody comes.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Weak;
use std::time::Duration;

use antiphon_store::{Committed, Since, TrailFilter};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::{Error, PeerView};
use crate::handle::{Handle, Shared};
use crate::inputs::Command;
use crate::outbox::ask::Ask;

/// How often it is looked at what does not announce itself, in milliseconds.
pub const LOOK_MS: u64 = 1_000;
/// Shortest time between two words, in milliseconds: what changes meanwhile is named in the next one.
pub const COALESCE_MS: u64 = 250;

/// Something that can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Facts, and whether they are diverged.
    Facts,
    /// Incidents, and whether they are diverged.
    Incidents,
    /// Documents and their versions.
    Contents,
    /// How many copies of documents there are.
    Copies,
    /// Members, roles and genes.
    Charter,
    /// Messages, and how far they have come.
    Messages,
    /// What waits for peers.
    Outbox,
    /// Peers: who is there, how far they are trusted, how far sync has come.
    Peers,
    /// What was refused, and who read which document.
    Audit,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 9] = [
        Self::Facts,
        Self::Incidents,
        Self::Contents,
        Self::Copies,
        Self::Charter,
        Self::Messages,
        Self::Outbox,
        Self::Peers,
        Self::Audit,
    ];

    /// Its name, which does not change.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Incidents => "incidents",
            Self::Contents => "contents",
            Self::Copies => "copies",
            Self::Charter => "charter",
            Self::Messages => "messages",
            Self::Outbox => "outbox",
            Self::Peers => "peers",
            Self::Audit => "audit",
        }
    }
}

/// How often each topic was named so far.
type Counts = [u64; Topic::ALL.len()];

/// Tells what has changed since it was last asked.
#[derive(Debug)]
pub struct Changes {
    counts: watch::Receiver<Counts>,
    seen: Counts,
}

impl Changes {
    /// Waits until something has changed, and says what: at least one topic, each once. `None` when the node stops.
    /// A topic may be named though nothing about it looks different.
    pub async fn next(&mut self) -> Option<BTreeSet<Topic>> {
        loop {
            self.counts.changed().await.ok()?;
            let now = *self.counts.borrow_and_update();
            let pairs = Topic::ALL.into_iter().zip(now.iter().zip(&self.seen));
            let topics: BTreeSet<Topic> =
                pairs.filter(|(_, (now, seen))| now != seen).map(|(topic, _)| topic).collect();
            self.seen = now;
            if !topics.is_empty() {
                return Some(topics);
            }
        }
    }
}

/// Where subscriptions are made.
#[derive(Debug)]
pub(crate) struct Board {
    counts: watch::Receiver<Counts>,
    /// Wakes the task that watches.
    wake: mpsc::Sender<()>,
}

impl Board {
    /// What changes from now on.
    pub(crate) fn subscribe(&self) -> Changes {
        let counts = self.counts.clone();
        let seen = *counts.borrow();
        // If a wake-up waits already, that one is enough.
        let _woken = self.wake.try_send(());
        Changes { counts, seen }
    }
}

/// The task that watches.
pub(crate) struct Watcher {
    counts: watch::Sender<Counts>,
    woken: mpsc::Receiver<()>,
    commits: watch::Receiver<Committed>,
    /// Something was committed since it was last looked.
    committed: bool,
    letters: watch::Receiver<u64>,
    seen: Seen,
}

/// What was there when it was last looked.
#[derive(Debug, Default)]
struct Seen {
    pos: u64,
    charter: u64,
    messages: u64,
    outbox: u64,
    peers: u64,
    copies: u64,
    audit: u64,
}

/// The two ends.
pub(crate) fn board(commits: watch::Receiver<Committed>, letters: watch::Receiver<u64>) -> (Board, Watcher) {
    let (counts, seen) = watch::channel(Counts::default());
    let (wake, woken) = mpsc::channel(1);
    let committed = *commits.borrow();
    let at_start = Seen { pos: committed.pos, charter: committed.charter, ..Seen::default() };
    (Board { counts: seen, wake }, Watcher { counts, woken, commits, committed: false, letters, seen: at_start })
}

impl Watcher {
    /// Watches until the node is gone.
    pub(crate) async fn run(mut self, node: Weak<Shared>) {
        while self.is_wanted().await {
            let Some(shared) = node.upgrade() else { return };
            match self.look(&Handle { shared }).await {
                Ok(topics) => self.name(&topics),
                Err(Error::Stopped) => return,
                Err(error) => tracing::warn!(%error, "what has changed could not be read; it is looked at again"),
            }
            if !self.pause().await {
                return;
            }
        }
    }

    /// Waits for a subscriber. One receiver is the board's own, from which the others are made.
    async fn is_wanted(&mut self) -> bool {
        while self.counts.receiver_count() <= 1 {
            if self.woken.recv().await.is_none() {
                return false;
            }
        }
        true
    }

    /// Waits a little, so that what follows at once becomes one word, then for whatever comes first.
    async fn pause(&mut self) -> bool {
        let again = Instant::now() + Duration::from_millis(LOOK_MS);
        sleep(Duration::from_millis(COALESCE_MS)).await;
        tokio::select! {
            changed = self.commits.changed() => {
                self.committed = true;
                changed.is_ok()
            }
            changed = self.letters.changed() => changed.is_ok(),
            woken = self.woken.recv() => woken.is_some(),
            () = sleep_until(again) => true,
        }
    }

    fn name(&self, topics: &BTreeSet<Topic>) {
        if topics.is_empty() {
            return;
        }
        self.counts.send_modify(|counts| {
            for (topic, count) in Topic::ALL.iter().zip(counts.iter_mut()) {
                *count += u64::from(topics.contains(topic));
            }
        });
    }

    async fn look(&mut self, node: &Handle) -> Result<BTreeSet<Topic>, Error> {
        let mut topics = self.look_at_commits(node).await?;
        let mut compare = |seen: &mut u64, now: u64, topic| {
            if *seen != now {
                *seen = now;
                topics.insert(topic);
            }
        };
        compare(&mut self.seen.messages, messages(node).await?, Topic::Messages);
        compare(&mut self.seen.outbox, outbox(node).await?, Topic::Outbox);
        compare(&mut self.seen.peers, peers(node).await?, Topic::Peers);
        compare(&mut self.seen.copies, copies(node).await?, Topic::Copies);
        compare(&mut self.seen.audit, audit(node).await?, Topic::Audit);
        Ok(topics)
    }

    async fn look_at_commits(&mut self, node: &Handle) -> Result<BTreeSet<Topic>, Error> {
        let committed = *self.commits.borrow_and_update();
        let from = self.seen.pos;
        let mut since = node.store().read(move |reader| reader.since(from)).await?;
        // A charter that changes has everything judged again, and a text may come after its header, both without a new
        // event.
        let without_event = std::mem::take(&mut self.committed) && since.pos == from;
        if committed.charter != self.seen.charter || without_event {
            since = since.everything();
        }
        (self.seen.pos, self.seen.charter) = (since.pos, committed.charter);
        Ok(topics_of(&since))
    }
}

fn topics_of(since: &Since) -> BTreeSet<Topic> {
    let all = [
        (since.facts, Topic::Facts),
        (since.incidents, Topic::Incidents),
        (since.contents, Topic::Contents),
        (since.charter, Topic::Charter),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, topic)| topic).collect()
}

/// Messages as they are counted here, and how far deliveries have come.
async fn messages(node: &Handle) -> Result<u64, Error> {
    let counts = node.store().read(|reader| reader.message_counts()).await?;
    let stats = node.shared.letters.borrow().to_owned();
    Ok(mark(&(counts.received, counts.unread, counts.sent, stats)))
}

async fn outbox(node: &Handle) -> Result<u64, Error> {
    let shown = node.ask(|reply| Command::Outbox(Ask::Show(reply))).await?;
    let summary = node.store().read(|reader| reader.outbox_peers()).await?;
    Ok(mark(&format!("{:?}{:?}{:?}{summary:?}", shown.peers, shown.memory, shown.counts)))
}

async fn peers(node: &Handle) -> Result<u64, Error> {
    let (peers, listen) = node.ask(Command::Peers).await?;
    let mode = node.node_mode().await?;
    Ok(mark(&format!("{:?}{listen:?}{mode:?}", peers.iter().map(of_peer).collect::<Vec<_>>())))
}

/// What of a peer is worth a look; when it was last seen changes all the time.
fn of_peer(peer: &PeerView) -> impl std::fmt::Debug + '_ {
    let trust = (peer.peer_id, &peer.name, peer.trust, peer.mode, &peer.roles, peer.steward);
    let sync = (peer.connected, peer.lag_events, peer.behind_events, peer.out_of_step, peer.fact_count);
    let health = (peer.reason, peer.health.consecutive_failures, &peer.agent_version, &peer.addresses);
    (trust, sync, health, &peer.storage, &peer.federation)
}

async fn copies(node: &Handle) -> Result<u64, Error> {
    let counts = node.replication_health().await?;
    Ok(mark(&(counts.healthy, counts.degraded, counts.critical)))
}

async fn audit(node: &Handle) -> Result<u64, Error> {
    let last = TrailFilter { limit: 1, ..TrailFilter::default() };
    let read = node.store().read(move |reader| {
        let refused = reader.audit(1)?.first().map(|line| line.number);
        Ok((refused, reader.trail(&last)?.first().map(|line| line.number)))
    });
    Ok(mark(&read.await?))
}

/// One number for what was seen; of two that are alike there is no word.
fn mark(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    // 0 stands for what was never looked at.
    hasher.finish().max(1)
}

impl Handle {
    /// Tells from now on what has changed.
    pub fn changes(&self) -> Changes {
        self.shared.board.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (watch::Sender<Counts>, Board) {
        let (sender, counts) = watch::channel(Counts::default());
        let (wake, _woken) = mpsc::channel(1);
        (sender, Board { counts, wake })
    }

    #[tokio::test]
    async fn several_changes_of_a_topic_are_one_word() {
        let (sender, board) = ends();
        let mut alice = board.subscribe();
        sender.send_modify(|counts| counts[0] += 1);
        sender.send_modify(|counts| {
            counts[0] += 1;
            counts[7] += 1;
        });
        assert_eq!(alice.next().await, Some(BTreeSet::from([Topic::Facts, Topic::Peers])));
        let mut bob = board.subscribe();
        sender.send_modify(|counts| counts[8] += 1);
        assert_eq!(bob.next().await, Some(BTreeSet::from([Topic::Audit])));
        assert_eq!(alice.next().await, Some(BTreeSet::from([Topic::Audit])));
        drop(sender);
        assert_eq!(alice.next().await, None);
    }

    #[test]
    fn every_topic_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Topic::ALL.iter().map(|topic| topic.name()).collect();
        assert_eq!(names.len(), Topic::ALL.len());
    }
}
