//! A world: the nodes of one seed, their network and their time.

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::MODERATE_RETRIES_MAX;
use antiphon_protocol::outbox::schedule::{JITTER_PER_CENT, PAUSE_MS_MAX};
use antiphon_protocol::reason::Reason;
use antiphon_vault::{NodeKey, Phrase};
use tempfile::TempDir;

use crate::agenda::{Agenda, Event, Inside};
use crate::backups::Backups;
use crate::contents::Contents;
use crate::equivocator::Twin;
use crate::exercised::{Class, Exercised};
use crate::failure::{Broken, Failure, Law, Step};
use crate::jobs::Done;
use crate::keyring::Keys;
use crate::model::Model;
use crate::network::{Body, Network, Packet, Protocol, Sent};
use crate::node::{Node, Up};
use crate::options::{Drawing, Options, Sabotage};
use crate::outbox::Outboxes;
use crate::plan::Plan;
use crate::random::Random;
use crate::swarm::Swarm;
use crate::trace::Trace;

/// Names of the nodes; the last one is the stranger's.
const NAMES: [&str; 12] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj"];
/// Time between two looks whether all is quiet, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// Sets the stream of what happens to the charter apart from the others of a seed.
const TRUST_STREAM: u64 = 0x6b65_7973_2121_2121;
/// Longest time from the calm until all must be quiet, in milliseconds.
const HEAL_MS_MAX: u64 = 20 * 60 * 1_000;
/// Longest time until what is kept in memory for somebody out of reach is given up: every try of it after a longest pause.
const GIVEN_UP_MS_MAX: u64 = (MODERATE_RETRIES_MAX as u64 + 1) * (PAUSE_MS_MAX + PAUSE_MS_MAX * JITTER_PER_CENT / 100);
/// Where a salt changes a seed.
const SALT_BITS: u32 = 40;
/// Most steps of a world; one that takes more is busy for ever.
const STEPS_MAX: u64 = 3_000_000;

/// What happened in a world that kept every law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Worlds that are summed up.
    pub worlds: u64,
    /// A number over everything that happened.
    pub trace: u64,
    /// Steps that were taken.
    pub steps: u64,
    /// Virtual time it took, in milliseconds.
    pub lasted_ms: u64,
    /// Nodes of the team.
    pub nodes: u64,
    /// Drafts that clients gave.
    pub writes: u64,
    /// Drafts that were acknowledged.
    pub acknowledged: u64,
    /// Drafts that were refused.
    pub refused: u64,
    /// Events that nodes took in from others.
    pub applied: u64,
    /// Handshakes that ended well, counted on both sides.
    pub handshakes: u64,
    /// Answers that made somebody a member.
    pub joined: u64,
    /// Sync sessions, counted on both sides.
    pub sessions: u64,
    /// Faults from outside.
    pub faults: u64,
    /// Nodes that were killed.
    pub crashes: u64,
    /// Nodes that were killed in the middle of a write.
    pub torn: u64,
    /// Messages that were lost, doubled or overtaken.
    pub hurt: u64,
    /// What the stranger and the thief tried.
    pub attempts: u64,
    /// Handshakes of members whose genomes were not equal.
    pub out_of_step: u64,
    /// Charter records that stewards wrote, but for grants to who joins.
    pub charter: u64,
    /// What was sealed for a role.
    pub sealed: u64,
    /// What was not sealed, since no key excluded everybody who is out.
    pub unsealed: u64,
    /// Members that got the key of a role later than they might have.
    pub wrapped_later: u64,
    /// Times a node took an honest member for removed, because it lacked part of what the remover had seen.
    pub early_removals: u64,
    /// Removals of which the removed member was shown the record.
    pub shown_removals: u64,
    /// Worlds of five members to whom everything happens.
    pub federations: u64,
    /// Worlds of copies.
    pub copies: u64,
    /// Worlds with some features and not others.
    pub swarms: u64,
    /// Bytes that were missing where copies were made.
    pub missing_bytes: u64,
    /// Bytes that moved for them.
    pub moved_bytes: u64,
    /// What faults really happened.
    pub exercised: Exercised,
    /// Which features were drawn, where they were.
    pub swarm: Option<Swarm>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    /// Decides what happens to the charter.
    pub(crate) trust_random: Random,
    pub(crate) keys: Keys,
    /// Virtual time, in milliseconds since the world began.
    pub(crate) at: u64,
    pub(crate) agenda: Agenda,
    pub(crate) network: Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) index: BTreeMap<NodeId, usize>,
    pub(crate) model: Model,
    pub(crate) tally: Summary,
    trace: Trace,
    /// Whether everything has healed.
    pub(crate) calm: bool,
    /// Whether a node came back with an older disk.
    pub(crate) restored: bool,
    /// A request of a member that the stranger heard somehow.
    pub(crate) overheard: Option<Vec<u8>>,
    /// The second side of the equivocator.
    pub(crate) twin: Twin,
    /// Lengths of the write-ahead logs, for a sabotage.
    pub(crate) marks: BTreeMap<usize, Vec<u64>>,
    /// What waits for members that cannot be reached.
    pub(crate) outbox: Outboxes,
    /// Documents.
    pub(crate) contents: Contents,
    /// What members keep for each other.
    pub(crate) backups: Backups,
    pub(crate) dir: TempDir,
}

/// Runs the world of a seed to its end.
///
/// # Errors
/// [`Failure`] with the law that was broken.
pub fn run(options: Options) -> Result<Summary, Failure> {
    if options.is_replication() {
        return crate::replication::run(options);
    }
    let seed = options.seed;
    let early = |Broken(law, detail)| Failure { seed, at_ms: 0, law, detail };
    let mut world = World::new(options).map_err(early)?;
    match world.live_through() {
        Ok(()) => Ok(world.summary()),
        Err(Broken(law, detail)) => Err(Failure { seed, at_ms: world.at, law, detail }),
    }
}

/// What the seed of these options plans.
pub(crate) fn planned(options: Options) -> Plan {
    plan(options, &mut Random::new(options.seed))
}

fn plan(options: Options, random: &mut Random) -> Plan {
    let plan = match options.drawing {
        Drawing::Swarm => Plan::swarm(options.seed, Swarm::draw(options.seed).minus(options.trim.off)).0,
        Drawing::Full if options.is_federation() => Plan::federation(options.seed),
        Drawing::Full => Plan::draw(random, options.seed, options.forks),
    };
    let stranger = plan.stranger || options.sabotage == Some(Sabotage::TrustStranger);
    Plan { stranger, ..plan }.trimmed(&options.trim)
}

impl World {
    fn new(options: Options) -> Step<Self> {
        let mut random = Random::new(options.seed);
        let mut plan = plan(options, &mut random);
        if options.trim.salt != 0 {
            random = Random::new(options.seed ^ options.trim.salt.rotate_left(SALT_BITS));
        }
        let network = Network::new(random.fork(), plan.loss, plan.delay_max_ms, plan.hostile);
        let dir = crate::fresh::dir()?;
        let outbox = Outboxes::new(options.seed, &plan, options.verbose);
        // What a lost disk means for the documents on it is not modelled.
        let documents = options.documents && plan.documents && plan.lost.is_none();
        let contents = Contents::new(&Options { documents, ..options }, &plan);
        plan.trust.keyed |= contents.are_stored();
        let backups = Backups::new(options.seed, &plan);
        let mut world = Self {
            options,
            plan,
            random,
            trust_random: Random::new(options.seed ^ TRUST_STREAM),
            keys: Keys::default(),
            at: 0,
            agenda: Agenda::default(),
            network,
            nodes: Vec::new(),
            index: BTreeMap::new(),
            model: Model::default(),
            tally: Summary::default(),
            trace: Trace::new(options.verbose),
            calm: false,
            restored: false,
            overheard: None,
            twin: Twin::default(),
            marks: BTreeMap::new(),
            outbox,
            contents,
            backups,
            dir,
        };
        let swarm = world.plan.swarm;
        world.note(0, "plan", &[], || swarm.map_or_else(String::new, |swarm| format!("has {swarm}")));
        let all = world.plan.nodes + usize::from(world.plan.stranger);
        (0..all).try_for_each(|node| world.make(node))?;
        world.schedule();
        Ok(world)
    }

    fn make(&mut self, node: usize) -> Step {
        let phrase = Phrase::from_entropy(&self.random.bytes());
        let key = phrase
            .map_err(|error| error.to_string())
            .and_then(|phrase| NodeKey::from_phrase(&phrase).map_err(|error| error.to_string()));
        let key = Arc::new(key.map_err(|error| Broken(Law::StoreWorks, error))?);
        let stranger = !self.is_member(node);
        let name = if stranger { "eve" } else { NAMES.get(node).copied().unwrap_or("somebody") }.to_owned();
        let dir = self.dir.path().join(format!("n{node}-0"));
        let skew = self.plan.skews.get(node).copied().unwrap_or(0);
        self.index.insert(key.node_id(), node);
        let id = key.node_id();
        self.nodes.push(Node { skew, ..Node::new(key, id, name, dir) });
        Ok(())
    }

    fn schedule(&mut self) {
        let plan = self.plan.clone();
        self.agenda.put(0, Event::Begin(0));
        for node in 1..self.nodes.len() {
            self.agenda.put(1 + plan.starts.get(node).copied().unwrap_or(0), Event::Begin(node));
        }
        plan.faults.iter().for_each(|(at, fault)| self.agenda.put(*at, Event::Fault(*fault)));
        plan.writes.iter().for_each(|at| self.agenda.put(*at, Event::Write));
        plan.burst.into_iter().for_each(|at| self.agenda.put(at, Event::Burst));
        plan.trust.removals.iter().for_each(|out| self.agenda.put(out.at, Event::Revoke(out.node)));
        plan.trust.acts.iter().for_each(|at| self.agenda.put(*at, Event::Act));
        plan.trust.seals.iter().for_each(|at| self.agenda.put(*at, Event::Seal));
        plan.trust.thief.into_iter().for_each(|thief| self.agenda.put(thief.at, Event::Thief));
        let doubles = plan.equivocator.iter().flat_map(|liar| &liar.at);
        doubles.for_each(|at| self.agenda.put(*at, Event::Equivocate));
        if plan.trust.has_keys() {
            self.agenda.put(plan.calm_at / 8, Event::Steward);
        }
        if plan.stranger {
            self.agenda.put(self.plan.calm_at / 8, Event::Stranger);
        }
        self.agenda.put(plan.calm_at, Event::Calm);
        self.schedule_outbox();
        self.schedule_contents();
        self.schedule_backups();
    }

    fn live_through(&mut self) -> Step {
        let mut end = self.plan.calm_at + HEAL_MS_MAX;
        let mut look = self.plan.calm_at + LOOK_MS;
        let (mut judged, mut delivered) = (false, false);
        while let Some((at, event)) = self.agenda.next() {
            while self.calm && at > look {
                self.at = look;
                look += LOOK_MS;
                if !judged && self.is_quiet()? {
                    self.judge()?;
                    self.store_last_documents()?;
                    (judged, end) = (true, self.at + GIVEN_UP_MS_MAX);
                }
                if judged && !delivered && self.outboxes_rest()? {
                    self.judge_outboxes()?;
                    (delivered, end) = (true, self.at + HEAL_MS_MAX);
                }
                if delivered && self.contents_rest()? {
                    return self.judge_contents();
                }
            }
            self.at = at;
            let steps = self.trace.steps().max(self.outbox.trace.steps()).max(self.contents.trace.steps());
            if at >= end || steps >= STEPS_MAX {
                return Err(match (judged, delivered) {
                    (_, true) => self.restless_copies(),
                    (true, false) => self.restless_items(),
                    (false, false) => Broken(self.unrest(), self.explain_unrest()),
                });
            }
            self.happen(event)?;
        }
        Err(Broken(Law::Converges, "nothing happens any more".to_owned()))
    }

    fn happen(&mut self, event: Event) -> Step {
        match event {
            Event::Arrive(packet) => self.arrive(packet),
            Event::Inside { node, life, what } if self.nodes[node].life == life => self.inside(node, what),
            Event::Inside { .. } => Ok(()),
            Event::Begin(node) => self.begin(node),
            Event::Join(node) => self.join(node),
            Event::House(node) => self.keep_house(node),
            Event::Write => self.write(),
            Event::Burst => self.burst(),
            Event::Revoke(node) => self.revoke(node),
            Event::Steward => self.look_after(),
            Event::Act => self.act(),
            Event::Thief => self.steal(),
            Event::Seal => self.seal_canary(),
            Event::Stranger => self.attempt(),
            Event::Fault(fault) => self.fault(fault),
            Event::Equivocate => self.equivocate(),
            Event::Calm => self.heal(),
            Event::Outbox(happening) => self.outbox_happens(happening),
            Event::Contents(happening) => self.contents_happen(happening),
            Event::Backup(happening) => self.backup_happens(happening),
        }
    }

    /// A node is switched on for the first time.
    fn begin(&mut self, node: usize) -> Step {
        self.nodes[node].life = self.nodes[node].life.max(1);
        self.nodes[node].up = Some(Up::start(&self.nodes[node].dir, &self.nodes[node].key)?);
        self.note(node, "begin", &[], String::new);
        self.begin_outbox(node)?;
        if node == 0 {
            self.found(0, "acme")?;
            self.invite_all()?;
        } else if !self.is_member(node) {
            return self.found(node, "evil");
        } else if self.plan.movers[node] {
            self.found(node, "alone")?;
        }
        let wait = self.random.below(if node > 0 && self.plan.movers[node] { self.plan.calm_at / 4 } else { 1_000 });
        self.agenda.put(self.at + wait, Event::Join(node));
        self.agenda.put(self.at + self.random.below(1_000), Event::House(node));
        Ok(())
    }

    fn inside(&mut self, node: usize, what: Inside) -> Step {
        match what {
            Inside::Job(job) => self.work(node, job),
            Inside::Done(done) => self.done(node, done),
            Inside::Session { peer, epoch, input } => self.drive(node, peer, epoch, input),
            Inside::ReadCommit => self.read_commit(node),
            Inside::Wake { peer, epoch, at } => self.wake(node, peer, epoch, at),
            Inside::Timeout { request } => {
                if self.is_member(node) {
                    self.answered(node, request, Err(Reason::NetworkTimeout))
                } else {
                    Ok(())
                }
            }
            Inside::OpenTimeout { peer, stream } => {
                self.not_opened(node, peer, stream);
                Ok(())
            }
        }
    }

    /// Whoever gave a job hears what came of it.
    fn done(&mut self, node: usize, done: Done) -> Step {
        match done {
            Done::Authored(done) => self.authored(node, done),
            Done::AuthorFailed => Ok(()),
            Done::Granted { request, input } => self.drive_join(node, request, *input),
            Done::Adopted => {
                self.note(node, "adopted", &[], String::new);
                if let Some(up) = self.nodes[node].up.as_mut() {
                    up.sessions.clear();
                    up.read_all()?;
                }
                Ok(())
            }
            Done::WroteAgain(again) => self.wrote_again(node, again),
            Done::AdoptFailed => {
                self.model.adopting.remove(&node);
                Ok(())
            }
        }
    }

    fn arrive(&mut self, packet: Packet) -> Step {
        let from = packet.from;
        let to = self.facing(packet.to, from);
        if self.is_sabotaged(Sabotage::SkipMember) && [to, from].contains(&(self.plan.nodes - 1)) && self.calm {
            return Ok(());
        }
        if self.nodes[to].up.is_none() {
            return Ok(());
        }
        if !self.is_member(to) {
            return self.reaches_stranger(&packet);
        }
        match packet.body {
            Body::Request { id, protocol: Protocol::Handshake, bytes } => self.answer_handshake(to, from, id, bytes),
            Body::Request { id, protocol: Protocol::Join, bytes } => self.answer_join(to, from, id, bytes),
            Body::Request { protocol: Protocol::Backup, .. } => Ok(()),
            Body::Response { id, bytes } => self.answered(to, id, Ok(bytes)),
            Body::Open { stream } => self.asked_for_stream(to, from, stream),
            Body::Accept { stream } => self.accepted(to, from, stream),
            Body::Refuse { stream } => {
                self.not_opened(to, self.nodes[from].id, stream);
                Ok(())
            }
            Body::Frame { stream, bytes } => {
                if self.network.stands(stream) {
                    self.note(to, "frame", &bytes, || format!("of n{from}, {} bytes", bytes.len()));
                    self.frame(to, from, stream, &bytes)?;
                }
                Ok(())
            }
            Body::End { stream } => {
                self.stream_ended(to, from, stream);
                Ok(())
            }
        }
    }

    /// The stream that was asked for stands.
    fn accepted(&mut self, node: usize, from: usize, stream: u64) -> Step {
        let peer = self.nodes[from].id;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        if up.opening.get(&peer) != Some(&stream) {
            return Ok(());
        }
        up.opening.remove(&peer);
        self.start_session(node, from, stream)
    }

    pub(crate) fn send(&mut self, packet: Packet) {
        let packet = self.signed(packet);
        let sent = self.network.send(self.at, packet);
        self.deliver(sent);
    }

    pub(crate) fn send_along(&mut self, stream: u64, packet: Packet) {
        let packet = self.signed(packet);
        let sent = self.network.send_along(self.at, stream, packet);
        self.deliver(sent);
    }

    pub(crate) fn deliver(&mut self, sent: Sent) {
        sent.0.into_iter().for_each(|(at, packet)| self.agenda.put(at, Event::Arrive(packet)));
    }

    pub(crate) fn note(&mut self, node: usize, what: &str, bytes: &[u8], words: impl FnOnce() -> String) {
        self.trace.note(self.at, node, what, bytes, words);
    }

    fn exercised(&self) -> Exercised {
        let mut exercised = self.tally.exercised;
        let [one_way, two_way, no_link] = self.network.kept_back;
        exercised.add(Class::OneWay, one_way);
        exercised.add(Class::TwoWay, two_way);
        exercised.add(Class::NoLink, no_link);
        exercised.add(Class::Hurt, self.network.hurt);
        exercised.add(Class::Attempt, self.tally.attempts);
        exercised
    }

    fn summary(&self) -> Summary {
        Summary {
            worlds: 1,
            trace: self.trace.digest() ^ self.outbox.trace.digest() ^ self.contents.digest(),
            steps: self.trace.steps(),
            lasted_ms: self.at,
            nodes: self.plan.nodes as u64,
            hurt: self.network.hurt,
            federations: u64::from(self.plan.equivocator.is_some()),
            exercised: self.exercised(),
            swarms: u64::from(self.plan.swarm.is_some()),
            swarm: self.plan.swarm,
            ..self.tally
        }
    }
}
