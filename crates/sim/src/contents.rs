//! Documents that members store, keep for each other, read and take away, in the worlds in which everything else breaks.
//!
//! What the other members know of a document is an entry of the index: an event of the author's log, which travels,
//! forks, is cut and is withheld like all others. Its ciphertext is encrypted for roles by the keys that the charter
//! says, lies in the real store of its member beside the real database, and is what crashes, full disks, older copies
//! and damage meet. The machines that decide about copies, prove possession and move blocks are the real ones, and what
//! a node does around them is done here step for step.
//!
//! All of it is drawn from a stream of its own and travels over lanes of its own, so a world without documents is the
//! world that its seed meant before there were any. Where there are some, a federation has role keys.
//!
//! | file | what is in it |
//! |---|---|
//! | `plan.rs` | what a seed says |
//! | `books.rs` | documents are stored and read |
//! | `ledger.rs` | what must be true of every document |
//! | `shelf.rs` | what a running member has in memory |
//! | `keeper.rs` | what lies around the machine that counts copies |
//! | `taking.rs` | offers, and copies that go or are completed |
//! | `lanes.rs` | streams, and who may open one |
//! | `talk.rs`, `claims.rs` | questions, proofs and offers |
//! | `fetching.rs`, `serving.rs` | blocks that move |
//! | `presence.rs` | who is there, and what members say of their room |
//! | `liar.rs` | the equivocator, who boasts, and the stranger |
//! | `acts.rs` | what happens to disks and quotas, and crashes |
//! | `verdict.rs` | the laws |

mod acts;
mod books;
mod claims;
mod fetching;
mod keeper;
mod lanes;
mod ledger;
mod liar;
mod plan;
mod presence;
mod serving;
mod shelf;
mod taking;
mod talk;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::possession::Challenge;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::serve;
use antiphon_store::{Db, Finished};

use self::lanes::Lane;
use self::ledger::Ledger;
use self::plan::{Act, Plan};
use self::presence::Room;
use self::shelf::Shelf;
use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::Step;
use crate::network::{Network, Packet};
use crate::node::BEGINNING;
use crate::options::Options;
use crate::plan::Plan as WorldPlan;
use crate::random::Random;
use crate::trace::Trace;
use crate::world::World;

/// Sets this stream apart from the others of a seed.
const STREAM: u64 = 0x636f_6e74_656e_7473;
/// Longest sleep of a member, in milliseconds.
const TICK_MS: u64 = 1_000;

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A message arrives.
    Arrive(Packet),
    /// Something inside a member, unless it goes down before.
    Inside { node: usize, life: u64, what: Inside },
    /// A member looks what is due.
    Tick(usize),
    /// Something is done to documents or disks.
    Act(Act),
}

/// Something inside a member.
#[derive(Debug, Clone)]
pub(crate) enum Inside {
    /// What was learnt of copies is written.
    Notes,
    /// A stream was not accepted.
    OpenTimeout { stream: u64 },
    /// A conversation about copies asked to be woken then.
    WakeTalk { stream: u64, at: UnixMillis },
    /// So did whoever fetches blocks.
    WakeFetch { root: Hash, at: UnixMillis },
    /// So did whoever serves them.
    WakeServe { stream: u64, at: UnixMillis },
    /// What is held of these is found out.
    Look { stream: u64, challenges: Vec<Challenge> },
    /// Something is read to be sent.
    Load { stream: u64, job: serve::Job },
    /// A copy goes that is too much.
    Trim(Hash),
    /// What a fetch wrote is noted, and it is over.
    Fetched { root: Hash, number: u64, ended: Ended },
}

/// Why a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Whole,
    Full,
    Failed,
}

/// The documents of a world, and what is kept beside them.
#[derive(Debug)]
pub(crate) struct Contents {
    plan: Option<Plan>,
    random: Random,
    /// What stands in documents, and the keys they are encrypted with.
    paper: Random,
    lanes: Network,
    pub(crate) trace: Trace,
    ledger: Ledger,
    /// What runs.
    shelves: BTreeMap<usize, Shelf>,
    /// What members say of their room, and know of each other's; it outlives crashes.
    rooms: BTreeMap<usize, Room>,
    /// What each stream is for.
    streams: BTreeMap<u64, Lane>,
    /// Ciphertexts that are written and whose events are not.
    finished: BTreeMap<(usize, Hash), Finished>,
    /// Disks that are full.
    full: BTreeSet<usize>,
    /// When the last of them were written.
    last_at: Option<u64>,
    /// Counts names of questions and fetches.
    named: u64,
}

impl Contents {
    /// The documents of a seed. Without keys of roles there are none.
    pub(crate) fn new(options: &Options, world: &WorldPlan) -> Self {
        let mut random = Random::new(options.seed ^ STREAM);
        let lanes = Network::new(random.fork(), world.loss, world.delay_max_ms, world.hostile);
        let paper = random.fork();
        let may = (world.equivocator.is_some() || world.trust.rich) && !options.forks && options.documents;
        let plan = if may { Plan::draw(&mut random, world) } else { None };
        let room = |(node, (quota, offers)): (usize, (&u64, &bool))| (node, Room::new(*quota, *offers));
        let rooms = plan.iter().flat_map(|plan| plan.quotas.iter().zip(&plan.offers).enumerate().map(room)).collect();
        Self {
            plan,
            random,
            paper,
            lanes,
            trace: Trace::new(options.verbose),
            ledger: Ledger::default(),
            shelves: BTreeMap::new(),
            rooms,
            streams: BTreeMap::new(),
            finished: BTreeMap::new(),
            full: BTreeSet::new(),
            last_at: None,
            named: 0,
        }
    }

    /// Whether documents are stored in this world.
    pub(crate) const fn are_stored(&self) -> bool {
        self.plan.is_some()
    }

    /// A number over everything that happened to documents; 0 where nothing did.
    pub(crate) fn digest(&self) -> u64 {
        if self.are_stored() { self.trace.digest() } else { 0 }
    }

    fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }
}

impl World {
    /// Schedules everything that is known before the world begins.
    pub(crate) fn schedule_contents(&mut self) {
        let Some(plan) = &self.contents.plan else { return };
        for (at, act) in plan.acts.clone() {
            self.agenda.put(at, Event::Contents(Happening::Act(act)));
        }
        for node in 0..self.plan.nodes {
            self.agenda.put(TICK_MS, Event::Contents(Happening::Tick(node)));
        }
    }

    pub(crate) fn contents_happen(&mut self, happening: Happening) -> Step {
        match happening {
            Happening::Arrive(packet) => self.lane_packet(packet),
            Happening::Inside { node, life, what } if self.shelf_of(node).is_some_and(|shelf| shelf.life == life) => {
                self.happens_in_shelf(node, what)
            }
            Happening::Inside { .. } => Ok(()),
            Happening::Tick(node) => self.tick_shelf(node),
            Happening::Act(act) => self.act_on_contents(act),
        }
    }

    fn happens_in_shelf(&mut self, node: usize, what: Inside) -> Step {
        match what {
            Inside::Notes => self.write_notes(node),
            Inside::OpenTimeout { stream } => self.open_timed_out(node, stream),
            Inside::WakeTalk { stream, at } => self.wake_talk(node, stream, at),
            Inside::WakeFetch { root, at } => self.wake_fetch(node, root, at),
            Inside::WakeServe { stream, at } => self.wake_serving(node, stream, at),
            Inside::Look { stream, challenges } => self.look_at(node, stream, &challenges),
            Inside::Load { stream, job } => self.loaded(node, stream, job),
            Inside::Trim(root) => self.trim(node, root),
            Inside::Fetched { root, number, ended } => self.fetched(node, root, number, ended),
        }
    }

    fn shelf_of(&self, node: usize) -> Option<&Shelf> {
        self.contents.shelves.get(&node).filter(|_| self.nodes[node].up.is_some())
    }

    fn shelf(&mut self, node: usize) -> Option<&mut Shelf> {
        let up = self.nodes[node].up.is_some();
        self.contents.shelves.get_mut(&node).filter(|_| up)
    }

    fn contents_db(&mut self, node: usize) -> Option<&mut Db> {
        self.nodes[node].up.as_mut().map(|up| &mut up.db)
    }

    /// Something happens in a member a little later, unless it goes down before.
    fn in_shelf(&mut self, node: usize, wait_ms: u64, what: Inside) {
        let life = self.nodes[node].life;
        self.agenda.put(self.at + wait_ms, Event::Contents(Happening::Inside { node, life, what }));
    }

    /// The same at a time of the clock that nobody sets.
    fn in_shelf_at(&mut self, node: usize, at: UnixMillis, what: Inside) {
        let wait = at.since(self.steady());
        self.in_shelf(node, wait, what);
    }

    /// A clock that goes forward only, by which conversations are timed.
    fn steady(&self) -> UnixMillis {
        BEGINNING.after(self.at)
    }

    fn note_content(&mut self, node: usize, what: &str, root: &Hash, words: impl FnOnce() -> String) {
        self.contents.trace.note(self.at, node, what, &root.0, words);
    }

    fn met(&mut self, class: Class, times: u64) {
        self.tally.exercised.add(class, times);
    }

    /// The number of a member.
    fn member_number(&self, id: &NodeId) -> Option<usize> {
        self.index.get(id).copied().filter(|node| *node < self.plan.nodes)
    }

    /// Whether a member keeps documents as it should; the equivocator lies about them.
    fn keeps_documents(&self, node: usize) -> bool {
        self.contents.are_stored() && node < self.plan.nodes && !self.is_equivocator(node)
    }
}
