//! What is going to happen, in the order of virtual time; at one time, in the order in which it was decided.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::sync;

use crate::backups;
use crate::contents;
use crate::jobs::{Done, Job};
use crate::network::Packet;
use crate::outbox;
use crate::plan::Fault;

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A message arrives.
    Arrive(Packet),
    /// Something inside a node, unless it goes down before.
    Inside { node: usize, life: u64, what: Inside },
    /// A node is switched on for the first time.
    Begin(usize),
    /// A node that is no member yet asks to become one.
    Join(usize),
    /// A node looks whom it should reach for.
    House(usize),
    /// Somebody wants something remembered.
    Write,
    /// Somebody imports a lot.
    Burst,
    /// A steward removes a member.
    Revoke(usize),
    /// Some steward looks what there is to do.
    Steward,
    /// Some steward does something of its own accord.
    Act,
    /// The thief does something.
    Thief,
    /// Somebody seals something for a role.
    Seal,
    /// The stranger tries something.
    Stranger,
    /// See [`Fault`].
    Fault(Fault),
    /// The equivocator doubles itself.
    Equivocate,
    /// Everything heals.
    Calm,
    /// Something about what waits for members.
    Outbox(outbox::Happening),
    /// Something about documents.
    Contents(contents::Happening),
    /// Something about what members keep for each other.
    Backup(backups::Happening),
}

/// Something inside a node.
#[derive(Debug, Clone)]
pub(crate) enum Inside {
    /// The database gets to a job.
    Job(Job),
    /// Whoever asked for a job hears of it.
    Done(Done),
    /// A session hears what it asked for.
    Session { peer: usize, epoch: u64, input: sync::Input },
    /// What is held is read after a commit.
    ReadCommit,
    /// A session asked to be woken at this time of its node's clock.
    Wake { peer: usize, epoch: u64, at: UnixMillis },
    /// A request got no answer.
    Timeout { request: u64 },
    /// An opened stream was not accepted.
    OpenTimeout { peer: NodeId, stream: u64 },
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    events: BTreeMap<(u64, u64), Event>,
    decided: u64,
}

impl Agenda {
    /// Puts an event down for a time.
    pub(crate) fn put(&mut self, at: u64, event: Event) {
        self.decided += 1;
        self.events.insert((at, self.decided), event);
    }

    /// Takes the next event with its time.
    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }

    /// The next thing that will be written by the database of a node.
    pub(crate) fn next_write(&self, node: usize, life: u64) -> Option<&Job> {
        self.events.values().find_map(|event| match event {
            Event::Inside { node: of, life: lived, what: Inside::Job(job) } if *of == node && *lived == life => {
                job.can_tear().then_some(job)
            }
            _ => None,
        })
    }

    /// Whether a node's database has done something that nobody has heard of.
    pub(crate) fn is_untold(&self, node: usize, life: u64) -> bool {
        let untold =
            |what: &Inside| matches!(what, Inside::Done(_) | Inside::Session { input: sync::Input::Stored { .. }, .. });
        self.events.values().any(|event| {
            matches!(event, Event::Inside { node: of, life: lived, what } if *of == node && *lived == life && untold(what))
        })
    }

    /// What is going to happen inside of a node's outbox.
    pub(crate) fn in_outbox(&self, node: usize, life: u64) -> impl Iterator<Item = &outbox::Inside> {
        self.events.values().filter_map(move |event| match event {
            Event::Outbox(outbox::Happening::Inside { node: of, life: lived, what })
                if (*of, *lived) == (node, life) =>
            {
                Some(what)
            }
            _ => None,
        })
    }

    /// Whether a node's outbox waits for its database, or somebody is still going to hand something in.
    pub(crate) fn works_in_outbox(&self) -> bool {
        let works = |event: &Event| match event {
            Event::Outbox(outbox::Happening::Inside { what, .. }) => {
                !matches!(what, outbox::Inside::OpenTimeout { .. })
            }
            Event::Outbox(outbox::Happening::Hand(_)) => true,
            _ => false,
        };
        self.events.values().any(works)
    }

    /// Whether a node waits for its own database.
    pub(crate) fn is_working(&self) -> bool {
        let works = |event: &Event| {
            matches!(event, Event::Inside { what: Inside::Job(_) | Inside::Done(_) | Inside::ReadCommit, .. })
        };
        self.events.values().any(works)
    }
}
