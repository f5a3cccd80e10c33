//! What a fetch knows of one provider.

use std::collections::BTreeSet;

use antiphon_core::time::UnixMillis;

use super::ASK_AGAIN_MS;
use super::plan::Piece;
use crate::reason::Reason;

/// Why nothing more is asked of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// It sent something else than what was asked for.
    #[error("sent other bytes than {0}")]
    Lied(Piece),
    /// It has nothing of what is missing.
    #[error("holds nothing of what is missing")]
    Lacks,
    /// It did not send what was asked for.
    #[error("sent nothing for {0} ms")]
    Stalled(u64),
    /// It had too much to do, again and again.
    #[error("has too much to do")]
    Busy,
    /// It said goodbye, again and again.
    #[error("said goodbye")]
    Left,
    /// It could not be reached, or its stream broke, again and again.
    #[error("could not be reached: {0}")]
    Unreachable(Reason),
    /// It broke the rules of the conversation.
    #[error("broke a rule: {0}")]
    Violation(&'static str),
}

/// What a provider did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Bytes of blocks that were taken from it.
    pub bytes: u64,
    /// Blocks that were taken from it.
    pub blocks: u64,
    /// Bytes of blocks that another had sent before.
    pub spare_bytes: u64,
    /// Times that it sent something else than it was asked for.
    pub lies: u64,
    /// Blocks and manifests that it said it lacks.
    pub missing: u64,
    /// Times that it did not send what it was asked for in time.
    pub stalls: u64,
    /// Times that it had too much to do.
    pub busy: u64,
    /// Times that its stream ended early, or could not be opened.
    pub broken: u64,
    /// Why it is asked no more.
    pub gone: Option<Gone>,
}

/// How things stand with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It was not needed yet.
    Spare,
    /// It is left alone until then.
    Resting(UnixMillis),
    /// A stream is being opened.
    Opening,
    /// A stream stands.
    Open,
    /// It is asked nothing any more.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provider {
    /// How many were named before it: the likeliest come first.
    pub(super) rank: usize,
    pub(super) state: State,
    /// What was asked of it and has not come, what another has sent meanwhile included.
    pub(super) asked: BTreeSet<Piece>,
    /// Most bytes that this may be.
    pub(super) asked_bytes: u64,
    /// What it said it lacks, of what is still missing.
    pub(super) lacks: BTreeSet<Piece>,
    /// When it last said something, or was asked while it owed nothing.
    pub(super) heard_at: UnixMillis,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) unknown: u32,
    pub(super) account: Account,
}

impl Provider {
    pub(super) fn new(rank: usize) -> Self {
        Self {
            rank,
            state: State::Spare,
            asked: BTreeSet::new(),
            asked_bytes: 0,
            lacks: BTreeSet::new(),
            heard_at: UnixMillis(0),
            failures: 0,
            unknown: 0,
            account: Account::default(),
        }
    }

    /// Notes that it was asked for something.
    pub(super) fn ask(&mut self, piece: Piece, bytes: u64, now: UnixMillis) {
        if self.asked.is_empty() {
            self.heard_at = now;
        }
        if self.asked.insert(piece) {
            self.asked_bytes += bytes;
        }
    }

    /// Whether it was asked for this; it is not any more.
    pub(super) fn answered(&mut self, piece: Piece, bytes: u64) -> bool {
        let asked = self.asked.remove(&piece);
        if asked {
            self.asked_bytes = self.asked_bytes.saturating_sub(bytes);
        }
        asked
    }

    /// Whether it could be asked for this.
    pub(super) fn may_have(&self, piece: &Piece) -> bool {
        !self.asked.contains(piece) && !self.lacks.contains(piece)
    }

    /// Whether something may still come of it.
    pub(super) const fn is_hope(&self) -> bool {
        matches!(self.state, State::Spare | State::Resting(_) | State::Opening)
    }

    /// Whether it uses a stream, or is about to.
    pub(super) const fn is_active(&self) -> bool {
        matches!(self.state, State::Opening | State::Open)
    }

    /// Whether something is waited for that could have come by now.
    pub(super) fn is_late(&self, now: UnixMillis) -> bool {
        let waits = self.state == State::Opening || !self.asked.is_empty();
        waits && now >= self.heard_at.after(ASK_AGAIN_MS)
    }
}
