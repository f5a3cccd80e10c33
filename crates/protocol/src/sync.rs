//! Syncing: two verified nodes bring each other up to date.
//!
//! Sending everything on every connection costs with the size of the log, and asking "what is new since noon" trusts
//! clocks. Logs make it simple: each is a chain, so "how far" is one number and one hash per log. Both sides say how
//! far they hold every log, and each sends what the other lacks, log by log, in order. What arrives is verified
//! against what is held, handed out to be stored, and acknowledged only once it is durable. New events, own and
//! relayed, are pushed at once to a peer whose clock lacks them; whoever already has them is never sent them.
//!
//! - **Charter first.** No shared event is sent before the charter logs that both sides know of have been exchanged,
//!   so that a removal always travels ahead of what the removed node would like to see.
//! - **Back-pressure.** At most [`PAGES_UNACKED_MAX`] pages are under way, and at most [`PAGES_QUEUED_MAX`] wait here.
//! - **A bad log stalls only itself.** A page that does not verify is refused by name; its log waits for the next
//!   exchange of clocks, all others go on.
//! - **Nothing is assumed to have arrived.** Every 30 s the sides compare one hash of their clocks, and the clocks
//!   themselves if it differs. What was lost is sent again, what came twice is skipped.
//! - **Forks.** Where two clocks contradict each other the log is not synced with this peer; the sides find the first
//!   event that differs and show each other their signed events from there, so that both can prove the equivocation.
//!   Who has the proof says so in its clock and shows it to whoever lacks it. See `forks.rs`.
//! - **Who holds what.** Payloads that did not come along are asked for once the headers are equal, see `wants.rs`;
//!   both sides sign what they hold, see `custody.rs`.
//!
//! The rule that authors and stores keep for this: an author signs at least every [`PAGE_EVENTS_MAX`] events and
//! every [`PAGE_BYTES_MAX`] bytes of a log, so that every page can end with a signed event.

mod check;
mod custody;
mod forks;
mod inbox;
mod message;
mod outbox;
mod parts;
mod session;
mod talk;
mod timer;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::charter::Membership;
use antiphon_core::event::{Event, Verified};
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::time::UnixMillis;

pub use check::{Check, Checked};
pub use custody::{
    Answer, Ask, RECEIPT_BYTES_PER_WAIT, RECEIPT_EVERY_MS, RECEIPTS_LISTED_MAX, RECEIPTS_SENT_MAX, ReceiptList,
};
pub use message::{Clock, Message, Page};
pub use session::Session;
pub use talk::{TALKS_EVERY_MS, TALKS_MAX};
pub use wants::{Item, MISSING_READ_MAX, WANTED_MAX, WANTS_ANSWERED_MAX, WANTS_PER_PERIOD_MAX};

use crate::reason::{About, Reason};

/// Most events of one page.
pub const PAGE_EVENTS_MAX: usize = 512;
/// Most bytes of one page: headers, payloads and signatures. A single longer event makes a page of its own. A longer
/// page is refused: whoever stored one under a single signature could not hand it on in pages that others take.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Most pages that are under way without an acknowledgement.
pub const PAGES_UNACKED_MAX: usize = 4;
/// Most pages that wait while another one is being stored; a peer that sends more is not ours.
pub const PAGES_QUEUED_MAX: usize = 2 * PAGES_UNACKED_MAX;
/// Most pages of branches of one log that are taken in from a peer in [`FORKS_EVERY_MS`].
pub const BRANCH_PAGES_MAX: u32 = 4;
/// Most events that one trace of a branch names.
pub const TRACE_POINTS_MAX: usize = 34;
/// Most traces of one log that are begun or answered in [`FORKS_EVERY_MS`].
pub const TRACES_MAX: u32 = 16;
/// Most logs about whose branches something is done in [`FORKS_EVERY_MS`].
pub const FORKS_AT_ONCE_MAX: usize = 8;
/// Time after which what could not be settled about a forked log is tried again, in milliseconds; that happens when
/// clocks are compared.
pub const FORKS_EVERY_MS: u64 = COMPARE_EVERY_MS / 2;
/// Most logs of one clock: charter and shared of 4,096 stores.
pub const LOGS_MAX: usize = 8_192;
/// Time between two comparisons of clocks, in milliseconds.
pub const COMPARE_EVERY_MS: u64 = 30_000;
/// Most that is added to [`COMPARE_EVERY_MS`], so that sessions do not all speak at once, in milliseconds.
pub const COMPARE_JITTER_MS: u64 = 6_000;
/// Time without an acknowledgement after which what is under way counts as lost, in milliseconds.
pub const STALL_MS: u64 = 60_000;
/// Time without any message after which the peer counts as gone, in milliseconds.
pub const IDLE_MS: u64 = 120_000;

/// What a session begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// This node.
    pub own: NodeId,
    /// Heads of every log held here; logs of the local stream are left out by the session.
    pub clock: NodeClock,
    /// Keys of the stores whose logs are held.
    pub keys: BTreeMap<StoreId, NodeId>,
    /// Logs that can be proved to have branches, with the last event that these share.
    pub partings: NodeClock,
    /// Who may have written logs.
    pub authors: Authors,
    /// What may flow.
    pub mode: Mode,
    /// Makes the jitter of the timers.
    pub seed: u64,
}

/// Who may have written logs, by the charter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authors {
    /// Keys that it grants or ever granted something.
    pub members: BTreeSet<NodeId>,
    /// Keys that were ever named as stewards: only they have charter logs.
    pub stewards: BTreeSet<NodeId>,
}

impl Authors {
    /// The authors that a membership allows.
    pub fn of(membership: &Membership) -> Self {
        Self { members: membership.ever_members().clone(), stewards: membership.ever_stewards().clone() }
    }

    /// Whether `key` may have written `log`.
    pub fn may_write(&self, key: &NodeId, log: LogId) -> bool {
        let keys = if log.stream == Stream::Charter { &self.stewards } else { &self.members };
        keys.contains(key)
    }
}

/// What may flow in the shared stream. The charter always flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Whether we send shared events.
    pub sends: bool,
    /// Whether we take shared events.
    pub takes: bool,
}

impl Mode {
    /// Both ways.
    pub const BOTH: Self = Self { sends: true, takes: true };
    /// The charter alone: between members whose genomes are not equal yet.
    pub const CHARTER: Self = Self { sends: false, takes: false };
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The stream to the verified peer stands. Always the first input.
    Opened(Opened),
    /// A message came; [`crate::frame::decode`] made it.
    Message(Message),
    /// Logs grew here, by own writes or by what another peer sent.
    LocalClock {
        /// The logs that changed, with their new heads.
        heads: NodeClock,
        /// Keys of stores that are new here.
        keys: BTreeMap<StoreId, NodeId>,
    },
    /// Answers [`Output::LoadPage`]; an empty page says that there is nothing.
    Page {
        /// The log.
        log: LogId,
        /// The sequence number after which was read.
        after: u64,
        /// Consecutive events.
        events: Vec<Event<Verified>>,
    },
    /// Answers [`Output::Verify`].
    Checked(Checked),
    /// Answers [`Output::Store`]: the log is now held durably up to `head`.
    ///
    /// Where the events changed the charter, [`Input::Authors`] comes first.
    Stored {
        /// The log.
        log: LogId,
        /// Its head now.
        head: Head,
    },
    /// Answers [`Output::Store`]: the events were not stored.
    StoreFailed {
        /// The log.
        log: LogId,
        /// Why.
        reason: Reason,
    },
    /// Answers [`Output::Branch`].
    Branched {
        /// The log.
        log: LogId,
        /// What the branch turned out to be.
        branching: Branching,
    },
    /// Logs were found to have branches, by what another peer sent: each with the last event that these share.
    Partings(NodeClock),
    /// Answers [`Output::LoadHeads`].
    Heads {
        /// The log.
        log: LogId,
        /// The places that were asked for.
        seqs: Vec<u64>,
        /// What is held there.
        heads: Vec<Head>,
    },
    /// Answers [`Output::LoadProof`].
    Proof {
        /// The log.
        log: LogId,
        /// Its branches, each from where they part up to a signature; none when there is no proof.
        branches: Vec<Vec<Event<Verified>>>,
    },
    /// Answers [`Output::Custody`], or tells what has changed about it.
    Custody(Answer),
    /// The charter changed.
    Authors(Authors),
    /// What may flow changed.
    Mode(Mode),
    /// Somebody asks how far both sides are: clocks are exchanged now.
    Compare,
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
    /// Say goodbye.
    Close,
}

/// What a branch that the peer showed turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branching {
    /// The log has branches, and this is the last event that they share.
    Parted(Head),
    /// It says the same as what is held.
    Same,
    /// It does not follow anything that is held.
    Detached,
    /// It could not be looked at.
    Failed,
}

/// What must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to the peer.
    Send(Message),
    /// Read consecutive events of a log and hand them in as [`Input::Page`]. One is asked for at a time.
    LoadPage {
        /// The log.
        log: LogId,
        /// Read what comes after this sequence number.
        after: u64,
        /// Hash of the event there as the peer holds it, if the page is to go on from that. Where another one is held
        /// here, nothing will be sent, and the first event alone, without its signature, is enough to see that.
        follows: Option<Hash>,
        /// Read at most so many events.
        max_events: usize,
        /// Stop before headers, payloads and signatures exceed so many bytes, but read at least one event.
        max_bytes: usize,
    },
    /// Verify these events beside the loop and hand in what came of it as [`Input::Checked`]. One page is asked for at
    /// a time; pages of branches come beside it, as few as [`BRANCH_PAGES_MAX`] and [`FORKS_AT_ONCE_MAX`] allow.
    Verify(Check),
    /// Store these events in one transaction, skipping those that are held by now, and answer with
    /// [`Input::Stored`] or [`Input::StoreFailed`]. One is asked for at a time.
    Store {
        /// The log.
        log: LogId,
        /// The key that signed it.
        key: NodeId,
        /// Consecutive events.
        events: Vec<Event<Verified>>,
    },
    /// A log cannot be synced with this peer for now.
    Problem {
        /// The log.
        log: LogId,
        /// Why.
        reason: Reason,
        /// The event it is about, where it is about one.
        about: Option<About>,
    },
    /// Events of a log that contradict ours may stand in the peer's branch: compare them with the held ones at the
    /// same sequence numbers, keep them as evidence from the first that differs if they follow one that is held, and
    /// answer with [`Input::Branched`].
    Branch {
        /// The log.
        log: LogId,
        /// The peer's branch, verified by itself.
        events: Vec<Event<Verified>>,
    },
    /// Read the hashes of events and hand them in as [`Input::Heads`], leaving out what is not held.
    LoadHeads {
        /// The log.
        log: LogId,
        /// Their places.
        seqs: Vec<u64>,
    },
    /// Read the branches of a log from where they part and hand them in as [`Input::Proof`].
    LoadProof {
        /// The log.
        log: LogId,
    },
    /// Read or keep what custody is about: missing payloads and receipts. Answered with [`Input::Custody`].
    Custody(Ask),
    /// Both sides hold the same, but for logs with a problem.
    CaughtUp,
    /// The peer holds these logs so far and no others, by its clock. What was told before counts no more.
    PeerHolds(NodeClock),
    /// The peer holds a log so far, since it has just shown or acknowledged something of it.
    PeerHoldsLog {
        /// The log.
        log: LogId,
        /// Its last event there.
        head: Head,
    },
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
    /// Close the stream; nothing that is handed in afterwards has an effect.
    Close(Closed),
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// One side said goodbye.
    #[error("one side said goodbye")]
    Bye,
    /// The peer was silent for too long.
    #[error("the peer was silent for {IDLE_MS} ms")]
    Idle,
    /// The peer broke the rules of the conversation.
    #[error("the peer broke a rule: {0}")]
    Violation(&'static str),
}

impl Closed {
    /// The reason for health records.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Bye => None,
            Self::Idle => Some(Reason::NetworkTimeout),
            Self::Violation(_) => Some(Reason::Other),
        }
    }
}
