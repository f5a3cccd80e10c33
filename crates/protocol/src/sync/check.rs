//! Verifying what a peer sent: work that a session hands out, because it takes longer than anything else it decides.
//!
//! A page costs one hash per event and one check per signature, and a charter page carries hundreds of signatures. In
//! the loop that drives all sessions one peer's pages would hold up everybody's acknowledgements. So the session says
//! what must be verified against what, and goes on once it hears what came of it. Only [`Check::run`] makes a
//! [`Checked`], and only that holds verified events, so nothing else can be handed in.

use antiphon_core::event::{Event, Run, Unverified, verify_run};
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::log::{Head, LogId};

use crate::reason::About;

/// Events of one log that must be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub(super) team: TeamId,
    pub(super) log: LogId,
    pub(super) key: NodeId,
    /// What the first of them must follow.
    pub(super) head: Head,
    pub(super) events: Vec<Event<Unverified>>,
    pub(super) aim: Aim,
}

/// What events are verified for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// They follow what is held.
    Extend,
    /// They came as if they followed what is held, and contradict it.
    Contradict,
    /// The peer shows them as a branch.
    Branch,
}

/// What came of a [`Check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub(super) log: LogId,
    pub(super) key: NodeId,
    pub(super) aim: Aim,
    pub(super) run: Run,
    /// The event that was refused, if one was.
    pub(super) about: Option<About>,
}

impl Check {
    /// A check of events by themselves: of a branch that follows something that need not be held.
    pub(super) fn alone(team: TeamId, log: LogId, key: NodeId, events: Vec<Event<Unverified>>, aim: Aim) -> Self {
        let first = events.first().map(Event::header);
        let head = first.map_or(Head::EMPTY, |first| Head { seq: first.seq.saturating_sub(1), hash: first.prev });
        Self { team, log, key, head, events, aim }
    }

    /// The log.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// Verifies the events. Up to a page of hashes and signatures: not for an event loop.
    pub fn run(self) -> Checked {
        let Self { team, log, key, head, events, aim } = self;
        let names: Vec<About> = events.iter().map(|event| About::of(event.header())).collect();
        let run = verify_run(&team, log, &key, head, events);
        let about = run.refused.and_then(|refused| names.get(refused.index).copied());
        Checked { log, key, aim, run, about }
    }
}
