//! What the machine is told, what it wants done, and what it answers.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Health, History, Priority, Settings};
use antiphon_core::time::UnixMillis;

use crate::replication::{Answer, Depth, Outcome};

/// A member, as this node sees it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Who; the own node is one of them.
    pub node: NodeId,
    /// Whether it offers to keep what is not its own.
    pub offers: bool,
    /// Bytes that it said are free for others, if it said so.
    pub free_bytes: Option<u64>,
    /// Whether it is connected and verified now; without meaning for the own node.
    pub connected: bool,
    /// Since when it is away if it is; a member that was never seen is away since the beginning of time.
    pub away_since: UnixMillis,
}

/// What is known of a node and a ciphertext, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It answered a challenge that could be checked.
    Proved(UnixMillis),
    /// It signed that it holds all of it.
    Claimed(UnixMillis),
    /// It said that it does not hold it.
    Missing(UnixMillis),
    /// It answered a challenge wrongly: it lied, or what it holds is damaged.
    Wrong(UnixMillis),
}

impl Evidence {
    /// When it was given.
    pub const fn at(self) -> UnixMillis {
        match self {
            Self::Proved(at) | Self::Claimed(at) | Self::Missing(at) | Self::Wrong(at) => at,
        }
    }

    /// The same, given at another time.
    pub(super) fn moved(self, to: impl FnOnce(UnixMillis) -> UnixMillis) -> Self {
        match self {
            Self::Proved(at) => Self::Proved(to(at)),
            Self::Claimed(at) => Self::Claimed(to(at)),
            Self::Missing(at) => Self::Missing(to(at)),
            Self::Wrong(at) => Self::Wrong(to(at)),
        }
    }

    /// Whether it speaks for a copy.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Proved(_) | Self::Claimed(_))
    }

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proved(_) => "proved",
            Self::Claimed(_) => "claimed",
            Self::Missing(_) => "missing",
            Self::Wrong(_) => "wrong",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A ciphertext is needed, or something about it changed.
    Key {
        /// Which.
        root: Hash,
        /// Its bytes.
        length: u64,
        /// How soon its copies are made.
        priority: Priority,
        /// Whether an agent of this node stored a version that needs it.
        own: bool,
        /// Whether a version that stands for its document needs it.
        current: bool,
    },
    /// Nobody needs a ciphertext any more.
    Gone {
        /// Which.
        root: Hash,
    },
    /// This node holds all of a ciphertext, or not. Of one that is not needed this is ignored: [`Input::Key`] comes first.
    Held {
        /// Which.
        root: Hash,
        /// Whether all of it is here.
        whole: bool,
    },
    /// All members as they are now, the own node among them; replaces what was said before. Who is not named is no member.
    Members(Vec<Member>),
    /// What was known before the restart, after [`Input::Key`] of the same root.
    Known {
        /// Of which ciphertext.
        root: Hash,
        /// Of whom.
        node: NodeId,
        /// What it showed last.
        evidence: Evidence,
        /// When it first held it, if it ever did.
        added_at: Option<UnixMillis>,
        /// How it did so far.
        history: History,
    },
    /// What an [`Output::Ask`] came to. Each root of it must come back, as [`Answer::Failed`] if nothing else.
    Answered {
        /// Who was asked.
        peer: NodeId,
        /// What it said of each.
        answers: Vec<(Hash, Answer)>,
    },
    /// What an [`Output::Offer`] came to. Every offer must come back, as [`Outcome::Failed`] if nothing else.
    Offered {
        /// To whom.
        peer: NodeId,
        /// What was offered.
        root: Hash,
        /// What became of it.
        outcome: Outcome,
    },
    /// A taking that [`super::Manager::take`] allowed is over.
    Took {
        /// Which.
        root: Hash,
        /// Whether all of it is here and durable.
        ok: bool,
    },
    /// What an [`Output::Trim`] came to.
    Trimmed {
        /// Which.
        root: Hash,
        /// Whether it is gone; otherwise it is in use, or the disk would not.
        ok: bool,
    },
    /// A person set something.
    Settings(Settings),
    /// A person wants missing copies found and made now, whatever the settings say: of one, or of all.
    Run {
        /// Which.
        root: Option<Hash>,
    },
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
}

/// What must be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask a connected member what it holds of these, and hand in [`Input::Answered`].
    Ask {
        /// Whom.
        peer: NodeId,
        /// Of what, and how thoroughly; roots ascend.
        about: Vec<(Hash, Depth)>,
    },
    /// Offer a copy to a connected member, and hand in [`Input::Offered`].
    Offer {
        /// To whom.
        peer: NodeId,
        /// What.
        root: Hash,
        /// Its bytes.
        length: u64,
        /// How soon it is to be taken.
        priority: Priority,
    },
    /// Remove the own copy unless it is in use, and hand in [`Input::Trimmed`].
    Trim {
        /// Which.
        root: Hash,
        /// Who just proved that they hold it.
        witnesses: Vec<NodeId>,
    },
    /// Keep what was learnt of a node and a ciphertext.
    Note {
        /// Of which ciphertext.
        root: Hash,
        /// Of whom.
        node: NodeId,
        /// What it showed.
        evidence: Evidence,
        /// How it did so far, this time included.
        history: History,
    },
    /// Nothing that was noted of this ciphertext is needed any more.
    Forget {
        /// Which.
        root: Hash,
    },
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
}

/// What becomes of an offer that somebody made to this node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Taking {
    /// Fetch it, and hand in [`Input::Took`]. Its bytes are promised until then.
    Take {
        /// Its bytes, as the own index has them.
        length: u64,
        /// How soon, as the own index has it.
        priority: Priority,
        /// Connected members that are believed to hold it, who offers it first.
        from: Vec<NodeId>,
    },
    /// Nothing is fetched; this is the answer.
    Refuse(Outcome),
}

/// Whether this node may prove that it holds a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Vouch {
    /// It may, and does not trim the copy while others rely on the proof.
    Given,
    /// It may not: it does not hold it, or is about to trim it. The answer is that it is missing.
    Refused,
}

/// A node that holds a ciphertext, or held it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Provider {
    /// Who.
    pub node: NodeId,
    /// When it was first known to hold it.
    pub added_at: UnixMillis,
    /// When it last said or showed something of it.
    pub last_seen: UnixMillis,
    /// How good it is as a holder, 0 to 1.
    pub quality: f64,
    /// The exclusive or of its place and the root; the smallest is the first to hold it.
    pub distance: [u8; 32],
    /// What it showed last.
    pub evidence: Evidence,
    /// Whether it can be reached now.
    pub connected: bool,
    /// Whether it is a member.
    pub member: bool,
    /// Whether it counts as a copy now.
    pub counts: bool,
}

/// How the copies of one ciphertext stand, as far as this node knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Which.
    pub root: Hash,
    /// Copies that there should be.
    pub target: usize,
    /// Copies that there are: holders that are present, or away for less than the grace period.
    pub actual: usize,
    /// Copies that can be reached now.
    pub healthy: usize,
    /// When this node last proved all of them anew.
    pub last_reprovided: Option<UnixMillis>,
    /// When this node first heard of it since it started.
    pub created: UnixMillis,
    /// Its bytes.
    pub size: u64,
    /// How soon its copies are made.
    pub priority: Priority,
    /// How it stands.
    pub health: Health,
    /// Whether this node holds all of it.
    pub is_local: bool,
    /// Who is to hold it: the first of those that offer room, present or not.
    pub placed: Vec<NodeId>,
    /// Who holds it, held it or is wrong about it, in the order in which they are to hold it.
    pub providers: Vec<Provider>,
}

/// How many ciphertexts stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthCounts {
    /// Nobody is known to hold it.
    pub critical: usize,
    /// There are fewer copies than there should be.
    pub degraded: usize,
    /// There are as many copies as there should be.
    pub healthy: usize,
}

/// What the machine did since it started, and what it has before it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metrics {
    /// Ciphertexts that are needed.
    pub total_keys: usize,
    /// Copies of all of them.
    pub total_providers: usize,
    /// Copies of one, on average.
    pub average_replication: f64,
    /// Rounds in which the copies of one ciphertext were proved anew because it was time.
    pub reprovide_operations: u64,
    /// When the last of them was.
    pub last_reprovide: Option<UnixMillis>,
    /// Offers that were taken.
    pub successful: u64,
    /// Offers that came to nothing.
    pub failed: u64,
    /// Answers that speak for a copy.
    pub proofs: u64,
    /// Answers that were wrong.
    pub wrong: u64,
    /// Copies that this node took from others.
    pub taken: u64,
    /// Own copies that were trimmed because enough others hold it.
    pub trimmed: u64,
    /// When the last of them was.
    pub last_trim: Option<UnixMillis>,
    /// Offers that wait for their turn.
    pub offers_waiting: usize,
    /// Offers that are under way.
    pub offers_under_way: usize,
    /// Questions that wait for their turn.
    pub asks_waiting: usize,
    /// Copies that are being taken.
    pub taking: usize,
    /// Bytes that they will have.
    pub promised_bytes: u64,
}
