//! Sealed copies that members keep for each other, and the return of one whose disk is gone.
//!
//! Members leave what is private with others, who cannot read it: parts of their local logs, made and opened by the real
//! vault, kept by the real database, asked for in the words of the real protocol. One member loses its disk with all
//! that was on it. Its owner has the words of its phrase, begins anew, asks some member for the place in the team, and
//! takes back what others keep. Some of those give damaged parts, parts of others, old ones, or none.
//!
//! What a node does around it is done here step for step: whom it asks and when, and what it believes.
//!
//! It all travels over lanes of its own and is drawn from a stream of its own.
//!
//! | file | what is in it |
//! |---|---|
//! | `plan.rs` | what a seed says |
//! | `leaving.rs` | an owner leaves its parts |
//! | `keeping.rs` | a holder answers, or lies |
//! | `losing.rs` | a disk is lost, and its member comes back |
//! | `taking.rs` | parts are taken back |
//! | `verdict.rs` | what must be true |

mod keeping;
mod leaving;
mod losing;
mod plan;
mod taking;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::charter::Membership;
use antiphon_core::ids::{Hash, StoreId};
use antiphon_protocol::backup::{Request, Response};

use crate::agenda::Event;
use crate::failure::Step;
use crate::network::{Body, Network, Packet, Protocol, Sent};
use crate::plan::Plan;
use crate::random::Random;
use crate::world::World;

use leaving::Leaving;
pub(crate) use losing::Lost;
pub(crate) use plan::{BackupPlan, Lie};
use taking::Taking;

/// Sets this stream apart from the others of a seed.
const STREAM: u64 = 0x6261_636b_7570_2121;
/// How often a node looks what is to be done, in milliseconds.
const TICK_MS: u64 = 1_500;
/// Time after which a request counts as unanswered, in milliseconds.
const TIMEOUT_MS: u64 = 6_000;
/// How long a member that took nothing is left alone, in milliseconds. A node waits ten minutes.
const REFUSED_MS: u64 = 15_000;

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A message arrives.
    Arrive(Packet),
    /// A node looks what is to be done.
    Tick(usize),
    /// An owner chooses who is to keep its parts.
    Choose { owner: usize, holders: Vec<usize> },
    /// A holder has done what it was asked, and says so unless it goes down before.
    Answer { node: usize, life: u64, packet: Packet },
    /// A request got no answer.
    Timeout { node: usize, life: u64, request: u64 },
}

/// What a running node is at.
#[derive(Debug, Default)]
pub(crate) struct Backing {
    /// Requests that wait for an answer, with whom they were sent to.
    asked: BTreeMap<u64, usize>,
    leaving: Option<Leaving>,
    taking: Option<Taking>,
    /// Until when members that took nothing are left alone.
    left_alone: BTreeMap<usize, u64>,
    /// Connected members that were asked whether they keep something of a former store.
    heard: BTreeSet<usize>,
    /// Members as of the last look.
    members: Option<Arc<Membership>>,
}

impl Backing {
    /// Whether copies of those who are no members by this were dropped.
    fn is_settled(&self, members: &Arc<Membership>) -> bool {
        self.members.as_ref().is_some_and(|last| Arc::ptr_eq(last, members))
    }
}

/// Parts by holder, owner, store and first event, with their last event.
type FirstParts = BTreeMap<(usize, usize, StoreId, u64), (u64, Vec<u8>)>;

/// The copies of a world, and what is kept beside them.
#[derive(Debug)]
pub(crate) struct Backups {
    random: Random,
    pub(crate) lanes: Network,
    /// What owners were told that holders keep: owner, holder, store, and up to which event.
    kept: BTreeMap<(usize, usize), BTreeMap<StoreId, u64>>,
    /// The first parts that liars were given, which they give for ever.
    old: FirstParts,
    /// The disk that was lost.
    pub(crate) lost: Option<Lost>,
    /// Local logs as their owner wrote them, by the hashes of their events.
    logs: BTreeMap<StoreId, Vec<Hash>>,
    asked: u64,
}

impl Backups {
    /// The copies of a seed.
    pub(crate) fn new(seed: u64, plan: &Plan) -> Self {
        let mut random = Random::new(seed ^ STREAM);
        let lanes = Network::new(random.fork(), plan.loss, plan.delay_max_ms, None);
        let (kept, old, logs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { random, lanes, kept, old, lost: None, logs, asked: 0 }
    }
}

impl World {
    /// Whether a node leaves parts with others and keeps theirs.
    fn has_backups(&self, node: usize) -> bool {
        node < self.plan.nodes && !self.is_equivocator(node) && self.plan.backups.is_some()
    }

    fn backing(&mut self, node: usize) -> Option<&mut Backing> {
        self.nodes[node].up.as_mut().map(|up| &mut up.backing)
    }

    /// Schedules everything that is known before the world begins.
    pub(crate) fn schedule_backups(&mut self) {
        let Some(plan) = self.plan.backups.clone() else { return };
        for (at, owner, holders) in plan.chosen {
            self.agenda.put(at, Event::Backup(Happening::Choose { owner, holders }));
        }
        for node in 0..self.plan.nodes {
            let at = self.plan.starts.get(node).copied().unwrap_or(0) + self.backups.random.below(TICK_MS);
            self.agenda.put(at, Event::Backup(Happening::Tick(node)));
        }
    }

    pub(crate) fn backup_happens(&mut self, happening: Happening) -> Step {
        match happening {
            Happening::Arrive(packet) => self.backup_packet(packet),
            Happening::Tick(node) => {
                self.agenda.put(self.at + TICK_MS, Event::Backup(Happening::Tick(node)));
                self.tend_copies(node)
            }
            Happening::Choose { owner, holders } => self.choose(owner, holders),
            Happening::Answer { node, life, packet } if self.nodes[node].life == life => {
                self.send_in_backup_lane(packet);
                Ok(())
            }
            Happening::Timeout { node, life, request } if self.nodes[node].life == life => {
                self.backup_answered(node, request, None)
            }
            Happening::Answer { .. } | Happening::Timeout { .. } => Ok(()),
        }
    }

    /// Looks what is to be done: one thing at a time.
    fn tend_copies(&mut self, node: usize) -> Step {
        if !self.has_backups(node) || self.in_acme_now(node).is_none() {
            return Ok(());
        }
        self.drop_strangers(node)?;
        let busy = self.backing(node).is_none_or(|backing| backing.leaving.is_some() || backing.taking.is_some());
        if busy || self.begin_taking(node)? {
            return Ok(());
        }
        self.ask_as_former(node);
        self.begin_leaving(node)
    }

    /// Whether a node is in the team that all come to.
    pub(crate) fn in_acme_now(&self, node: usize) -> Option<()> {
        let acme = self.model.acme;
        self.team(node).filter(|team| Some(team.own.team) == acme).map(|_| ())
    }

    /// Asks another member, and waits for the answer.
    fn ask_holder(&mut self, node: usize, holder: usize, request: &Request) {
        self.backups.asked += 1;
        let (id, life) = (self.backups.asked, self.nodes[node].life);
        let bytes = request.encode();
        self.note_backup(node, "asks", || format!("n{holder}: {request:?}"));
        if let Some(backing) = self.backing(node) {
            backing.asked.insert(id, holder);
        }
        let body = Body::Request { id, protocol: Protocol::Backup, bytes };
        self.send_in_backup_lane(Packet { from: node, to: holder, body });
        let timeout = Happening::Timeout { node, life, request: id };
        self.agenda.put(self.at + TIMEOUT_MS, Event::Backup(timeout));
    }

    fn send_in_backup_lane(&mut self, packet: Packet) {
        let sent = self.backups.lanes.send(self.at, packet);
        self.deliver_backups(sent);
    }

    pub(crate) fn deliver_backups(&mut self, sent: Sent) {
        for (at, packet) in sent.0 {
            self.agenda.put(at, Event::Backup(Happening::Arrive(packet)));
        }
    }

    fn backup_packet(&mut self, packet: Packet) -> Step {
        let Packet { from, to, body } = packet;
        if self.nodes[to].up.is_none() {
            return Ok(());
        }
        match body {
            Body::Request { id, bytes, .. } => self.answer_backup(to, from, id, &bytes),
            Body::Response { id, bytes } => {
                let response = Response::decode(&bytes);
                let response = response.unwrap_or(Response::Refused(antiphon_protocol::backup::Refusal::Malformed));
                self.backup_answered(to, id, Some(response))
            }
            _ => Ok(()),
        }
    }

    /// The answer to a request came, or none did.
    fn backup_answered(&mut self, node: usize, request: u64, response: Option<Response>) -> Step {
        let Some(backing) = self.backing(node) else { return Ok(()) };
        let Some(holder) = backing.asked.remove(&request) else { return Ok(()) };
        self.note_backup(node, "hears", || format!("n{holder}: {response:?}"));
        let Some(backing) = self.backing(node) else { return Ok(()) };
        if let Some(leaving) = backing.leaving.take() {
            return self.left(node, leaving, response);
        }
        match backing.taking.take() {
            Some(taking) => self.part_came(node, taking, response),
            None => Ok(()),
        }
    }

    fn note_backup(&mut self, node: usize, what: &str, words: impl FnOnce() -> String) {
        self.note(node, what, &[], words);
    }
}
