//! What members put down for each other while they cannot reach each other.
//!
//! Every member hands in items for others, from the first moment until everything has healed. The rows lie in the real
//! database, sealed with the real key; who is tried when, how a delivery goes and what is kept in memory decide the real
//! machines; what was taken is noted by the real database. What a node does around them is done here step for step.
//!
//! All of it is drawn from a stream of its own and travels over lanes of its own, which lose and delay as the network
//! does, so that a seed means what it meant before anything was put down.
//!
//! | file | what is in it |
//! |---|---|
//! | `hand.rs` | who hands in what, and when |
//! | `sending.rs`, `taking.rs` | the two sides of a delivery |
//! | `work.rs` | what the databases are given to do |
//! | `kill.rs` | what crashes, restarts and older disks do to it |
//! | `ledger.rs` | what must be true of every item |
//! | `sealer.rs` | the key, watched |
//! | `verdict.rs` | when it has come to rest, and what must be true then |

mod hand;
mod kill;
mod ledger;
mod sealer;
mod sending;
mod taking;
mod verdict;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Bounds;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::{Message, Moderate, Schedule, Source, delivery, reception, schedule};

use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::network::{Body, Network, Packet, Sent};
use crate::node::TeamState;
use crate::options::Sabotage;
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;
use crate::trim::Kind;
use crate::world::World;

pub(crate) use hand::Hand;
pub(crate) use kill::holds;
use ledger::Ledger;
use sealer::Watched;
use sending::Sending;
use taking::Receiving;
pub(crate) use work::Work;

/// Sets this stream apart from the others of a seed.
const STREAM: u64 = 0x6f75_7462_6f78_2121;
/// Stands in every item, and in no file of any member.
const CANARY: &str = "nobody reads this while it waits";
/// Time between two looks of a node at what waits, in milliseconds.
const TICK_MS: u64 = 500;
/// A wake-up that is further away than this comes from a clock that was set back, in milliseconds.
const WAKE_MS_MAX: u64 = 15 * 60 * 1_000;

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A message arrives.
    Arrive(Packet),
    /// Something inside a node, unless it goes down before.
    Inside { node: usize, life: u64, what: Inside },
    /// A node looks what is due.
    Tick(usize),
    /// Somebody hands something in.
    Hand(Hand),
}

/// Something inside a node.
#[derive(Debug, Clone)]
pub(crate) enum Inside {
    /// The database gets to something.
    Work(Work),
    /// A delivery hears what it asked for.
    Sender { peer: usize, epoch: u64, input: delivery::Input },
    /// A reception hears what it asked for.
    Receiver { peer: usize, epoch: u64, input: reception::Input },
    /// Whoever handed in items is told that they are durable.
    Put(Vec<usize>),
    /// An opened stream was not accepted.
    OpenTimeout { peer: usize, stream: u64 },
}

/// The outboxes of a world, and what is kept beside them.
#[derive(Debug)]
pub(crate) struct Outboxes {
    random: Random,
    pub(crate) lanes: Network,
    pub(crate) trace: Trace,
    ledger: Ledger,
    sealers: BTreeMap<usize, Arc<Watched>>,
    bounds: Bounds,
    /// Pause after the first failure, in milliseconds.
    retry_ms: u64,
    /// Longest time that a database needs for something, in milliseconds.
    slow_ms: u64,
}

/// The outbox of a running node.
#[derive(Debug)]
pub(crate) struct Outbox {
    schedule: Schedule,
    moderate: Moderate,
    sending: BTreeMap<usize, Sending>,
    receiving: BTreeMap<usize, Receiving>,
    /// When the schedule wants to be woken.
    wake_at: Option<UnixMillis>,
    /// When the database is done with what it was given.
    free_at: u64,
    /// Counts the conversations of this life.
    epochs: u64,
}

impl Outboxes {
    /// The outboxes of a seed.
    pub(crate) fn new(seed: u64, plan: &Plan, verbose: bool) -> Self {
        let mut random = Random::new(seed ^ STREAM);
        let lanes = Network::new(random.fork(), plan.loss, plan.delay_max_ms, plan.hostile);
        let bounds = Bounds {
            items_per_peer: random.between(8, 40),
            bytes_per_peer: random.between(4, 40) << 10,
            bytes_in_all: random.between(30, 90) << 10,
        };
        let (retry_ms, slow_ms) = (random.between(1_000, 15_000), random.pick(&[20, 100, 400]).unwrap_or(20));
        let (trace, ledger) = (Trace::new(verbose), Ledger::default());
        Self { random, lanes, trace, ledger, sealers: BTreeMap::new(), bounds, retry_ms, slow_ms }
    }
}

impl World {
    /// Whether a node puts things down for others and takes what they put down.
    fn has_outbox(&self, node: usize) -> bool {
        self.plan.outbox && node < self.plan.nodes && !self.is_equivocator(node)
    }

    /// What a node is in the team that all of them come to.
    pub(crate) fn in_acme(&self, node: usize) -> Option<&TeamState> {
        let acme = self.model.acme;
        self.team(node).filter(|team| Some(team.own.team) == acme)
    }

    fn outbox_of(&mut self, node: usize) -> Option<&mut Outbox> {
        self.nodes[node].up.as_mut()?.outbox.as_deref_mut()
    }

    fn note_item(&mut self, node: usize, what: &str, bytes: &[u8], words: impl FnOnce() -> String) {
        self.outbox.trace.note(self.at, node, what, bytes, words);
    }

    fn exercise(&mut self, class: Class, times: u64) {
        self.tally.exercised.add(class, times);
    }

    /// Schedules everything that is known before the world begins.
    pub(crate) fn schedule_outbox(&mut self) {
        let hands = hand::draw(&mut self.outbox.random, &self.plan);
        let (plan, trim) = (self.plan.outbox, self.options.trim);
        let hands = hands
            .into_iter()
            .enumerate()
            .filter(|(place, (_, hand))| plan && (hand.last || !trim.drops(Kind::Hand, *place)));
        hands.map(|(_, hand)| hand).for_each(|(at, hand)| self.agenda.put(at, Event::Outbox(Happening::Hand(hand))));
    }

    pub(crate) fn outbox_happens(&mut self, happening: Happening) -> Step {
        match happening {
            Happening::Arrive(packet) => self.item_packet(packet),
            Happening::Inside { node, life, what } if self.nodes[node].life == life => match what {
                Inside::Work(work) => self.do_work(node, work),
                Inside::Sender { peer, epoch, input } => self.drive_sender(node, peer, epoch, input),
                Inside::Receiver { peer, epoch, input } => self.drive_receiver(node, peer, epoch, input),
                Inside::Put(items) => self.put_down(node, &items),
                Inside::OpenTimeout { peer, stream } => self.lane_not_opened(node, peer, stream),
            },
            Happening::Inside { .. } => Ok(()),
            Happening::Tick(node) => self.tend_outbox(node),
            Happening::Hand(hand) => self.hand_in(hand),
        }
    }

    /// A node was switched on: its outbox begins an era, and looks for what waits.
    pub(crate) fn start_outbox(&mut self, node: usize) -> Step {
        if !self.has_outbox(node) {
            return Ok(());
        }
        let (now, retry_ms) = (self.nodes[node].clock(self.at), self.outbox.retry_ms);
        let random = &mut self.outbox.random;
        let (disk, memory, seed) = (Source::Disk.era(random.next()), Source::Memory.era(random.next()), random.next());
        let sabotage = self.options.sabotage;
        if !self.outbox.sealers.contains_key(&node) {
            let sealer = Watched::new(&self.nodes[node].key, sabotage)?;
            self.outbox.sealers.insert(node, Arc::new(sealer));
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        up.db.begin_era(disk, now)?;
        up.outbox = Some(Box::new(Outbox {
            schedule: Schedule::new(seed, retry_ms),
            moderate: Moderate::new(memory),
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            wake_at: None,
            free_at: 0,
            epochs: 0,
        }));
        self.check_disk(node)?;
        self.rescan(node)
    }

    /// Sets the ticks of a node going, which never end.
    pub(crate) fn begin_outbox(&mut self, node: usize) -> Step {
        if self.has_outbox(node) {
            self.agenda.put(self.at + TICK_MS, Event::Outbox(Happening::Tick(node)));
        }
        self.start_outbox(node)
    }

    /// Lets everything go on whose time has come.
    fn tend_outbox(&mut self, node: usize) -> Step {
        self.agenda.put(self.at + TICK_MS, Event::Outbox(Happening::Tick(node)));
        let now = self.nodes[node].clock(self.at);
        let due = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now || at.since(now) > WAKE_MS_MAX);
        let Some(outbox) = self.outbox_of(node) else { return Ok(()) };
        let scheduled = due(outbox.wake_at);
        let sending: Vec<(usize, u64)> =
            outbox.sending.iter().filter_map(|(peer, sending)| sending.due(*peer, due)).collect();
        let receiving = outbox.receiving.iter().filter(|(_, live)| due(live.wake_at));
        let receiving: Vec<(usize, u64)> = receiving.map(|(peer, live)| (*peer, live.epoch)).collect();
        if scheduled {
            outbox.wake_at = None;
            self.plan_delivery(node, schedule::Input::Wake)?;
        }
        for (peer, epoch) in sending {
            self.drive_sender(node, peer, epoch, delivery::Input::Wake)?;
        }
        for (peer, epoch) in receiving {
            self.drive_receiver(node, peer, epoch, reception::Input::Wake)?;
        }
        Ok(())
    }

    /// A message of a lane arrives.
    fn item_packet(&mut self, packet: Packet) -> Step {
        let Packet { from, to, body } = packet;
        if self.nodes[to].up.as_ref().is_none_or(|up| up.outbox.is_none()) {
            return Ok(());
        }
        match body {
            Body::Open { stream } => self.lane_asked_for(to, from, stream),
            Body::Accept { stream } => self.lane_accepted(to, from, stream),
            Body::Refuse { stream } => self.lane_not_opened(to, from, stream),
            Body::Frame { stream, bytes } => {
                if !self.outbox.lanes.stands(stream) {
                    return Ok(());
                }
                self.note_item(to, "item frame", &[], || format!("of n{from}, {} bytes", bytes.len()));
                let message = Message::from_frame(&bytes);
                let message = message.map_err(|error| {
                    crate::failure::Broken(Law::BoundsHold, format!("n{to} cannot read a frame of n{from}: {error}"))
                })?;
                self.heard_by_sender(to, from, stream, &message)?;
                self.heard_by_receiver(to, from, stream, message)
            }
            Body::End { stream } => {
                self.outbox.lanes.drop_stream(stream);
                self.lane_ended(to, from, stream)
            }
            Body::Request { .. } | Body::Response { .. } => Ok(()),
        }
    }

    fn send_in_lane(&mut self, stream: u64, packet: Packet) {
        let sent = self.outbox.lanes.send_along(self.at, stream, packet);
        self.deliver_items(sent);
    }

    pub(crate) fn deliver_items(&mut self, sent: Sent) {
        for (at, packet) in sent.0 {
            self.agenda.put(at, Event::Outbox(Happening::Arrive(packet)));
        }
    }

    /// Tells a node something in a little while.
    fn tell_outbox(&mut self, node: usize, what: Inside) {
        let (life, at) = (self.nodes[node].life, self.at + self.outbox.random.below(10));
        self.agenda.put(at, Event::Outbox(Happening::Inside { node, life, what }));
    }

    /// The number of a member.
    fn number_of(&self, id: &NodeId) -> Option<usize> {
        self.index.get(id).copied().filter(|node| *node < self.plan.nodes)
    }

    /// Ends both conversations with a peer, as when the connection to it is closed.
    pub(crate) fn leave_lanes(&mut self, node: usize, peer: usize) -> Step {
        let keeps = self.is_sabotaged(Sabotage::ServeRemoved);
        let streams = if keeps { Vec::new() } else { self.outbox.lanes.between(node, peer) };
        for stream in streams {
            self.send_in_lane(stream, Packet { from: node, to: peer, body: Body::End { stream } });
            self.lane_ended(node, peer, stream)?;
        }
        Ok(())
    }

    /// Something was sent of which the bounds are known.
    fn check_item_frame(&self, node: usize, peer: usize, message: &Message, bytes: usize) -> Step {
        let most = antiphon_protocol::outbox::MESSAGE_BYTES_MAX;
        need(bytes <= most + 64, Law::BoundsHold, || format!("n{node} sends n{peer} {bytes} bytes of items"))?;
        let Message::Items(items) = message else { return Ok(()) };
        let fits = items.items.len() <= antiphon_protocol::outbox::ITEMS_PER_FRAME_MAX;
        need(fits, Law::BoundsHold, || format!("n{node} sends n{peer} {} items at once", items.items.len()))
    }
}
