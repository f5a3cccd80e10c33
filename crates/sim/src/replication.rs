//! Worlds of copies: members that keep each other's documents while everything breaks.
//!
//! The machine that decides which copies are missing, who makes them and which may go is the real one, one for every
//! member; so are the proofs of possession and the machines by which blocks move. What is made up is what lies around
//! them: disks that lose and damage blocks, links, people, clocks, and members that lie. A member that crashes keeps what
//! is on its disk and in its database and forgets the rest.
//!
//! | file | what is in it |
//! |---|---|
//! | `plan.rs` | what a seed says |
//! | `library.rs`, `disk.rs` | documents, what is to be kept, and where they stand |
//! | `network.rs` | links, letters, and streams of blocks |
//! | `keeper.rs` | what lies around the machine of a member |
//! | `talk.rs` | questions, proofs and offers |
//! | `fetching.rs`, `owing.rs` | blocks that move, and what is completed |
//! | `faults.rs`, `people.rs` | what happens from outside |
//! | `verdict.rs` | the laws |

mod disk;
mod faults;
mod fetching;
mod keeper;
mod library;
mod network;
mod owing;
mod people;
mod plan;
mod talk;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::serve;

use self::disk::Disk;
use self::fetching::Moved;
use self::keeper::{Note, Up};
use self::library::{Library, News, View};
use self::network::{Frame, Network};
use self::plan::{Act, Character, Fault, Honesty, Plan};
use self::talk::Letter;
use crate::exercised::Class;
use crate::failure::{Broken, Failure, Law, Step};
use crate::options::{Options, Sabotage};
use crate::random::Random;
use crate::trace::Trace;
use crate::world::Summary;

/// Sets the worlds of copies apart from the others of their seeds.
const STREAM: u64 = 0x636f_7069_6573_2121;
/// When every world begins, by a clock that is right, in milliseconds.
const BEGIN_MS: u64 = 1_800_000_000_000;
/// How often a member looks after itself, in milliseconds.
const HOUSE_MS: u64 = 60_000;
/// Most steps of a world; one that takes more is busy for ever.
const STEPS_MAX: u64 = 2_000_000;

/// Something that will happen.
#[derive(Debug, Clone)]
enum Event {
    /// A node becomes a member.
    Begin(usize),
    Fault(Fault),
    Act(Act),
    /// Two members find each other, if they can.
    Meet(usize, usize),
    /// The link between two is found dead, if it is that one.
    Lose {
        a: usize,
        b: usize,
        life: Option<u64>,
    },
    Letter {
        from: usize,
        to: usize,
        life: u64,
        letter: Letter,
    },
    Frame(Frame),
    /// Something inside a member, unless it goes down before.
    Inside {
        node: usize,
        life: u64,
        what: Inside,
    },
    /// Nothing more happens from outside.
    Calm,
}

/// Something inside a member.
#[derive(Debug, Clone)]
enum Inside {
    House,
    /// The machine asked to be woken at this time of its member's clock.
    Wake(UnixMillis),
    /// A question or an offer got no answer.
    Timeout(u64),
    /// What the database was given is on the disk.
    Noted(Note),
    /// A stream that was to be opened stands, or does not.
    Open {
        root: Hash,
        peer: NodeId,
        stream: Option<u64>,
    },
    /// Somebody opened a stream.
    Opened(u64),
    /// The asker of a stream is gone.
    HungUp(u64),
    /// A stream broke under its asker.
    Broke {
        root: Hash,
        peer: NodeId,
        stream: u64,
    },
    Loaded(u64, serve::Job),
    /// A copy is dropped that may go.
    Trim(Hash),
    /// A copy that is not whole is to be completed.
    Complete(Hash),
    WakeFetch(Hash),
    WakeServe(u64),
}

/// Whether a member is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is not a member yet.
    Before,
    Up,
    Down,
    /// It went for good, with its disk.
    Gone,
}

/// A member and all that it has.
#[derive(Debug)]
struct Member {
    id: NodeId,
    character: Character,
    state: State,
    /// Counts its starts, so that nothing of a life reaches the next one.
    life: u64,
    // What outlives a crash.
    disk: Disk,
    news: BTreeSet<usize>,
    view: View,
    notes: BTreeMap<(Hash, NodeId), Note>,
    /// When others were there last, by its own clock.
    seen: BTreeMap<usize, UnixMillis>,
    offers: bool,
    quota_bytes: u64,
    /// What its own people got from others, or what was completed.
    got: BTreeSet<Hash>,
    announced: library::Offer,
    cleaned_at: u64,
    /// What does not.
    up: Option<Up>,
}

/// What is going to happen, in the order of virtual time.
#[derive(Debug, Default)]
struct Agenda {
    events: BTreeMap<(u64, u64), Event>,
    decided: u64,
}

impl Agenda {
    fn put(&mut self, at: u64, event: Event) {
        self.decided += 1;
        self.events.insert((at, self.decided), event);
    }
}

/// A world; see the module.
#[derive(Debug)]
struct Copies {
    options: Options,
    plan: Plan,
    random: Random,
    /// What stands in documents.
    paper: Random,
    at: u64,
    agenda: Agenda,
    network: Network,
    library: Library,
    members: Vec<Member>,
    index: BTreeMap<NodeId, usize>,
    tally: Summary,
    trace: Trace,
    calm: bool,
    /// What moved, by taker and document.
    moved: BTreeMap<(usize, Hash), Moved>,
    /// When a copy of a document was last destroyed from outside.
    hurt_at: BTreeMap<Hash, u64>,
    /// When blocks last moved or a copy was last trimmed.
    last_moved: u64,
    /// Since when everything is as it must be.
    rested_since: Option<u64>,
}

/// Runs the world of a seed to its end.
pub(crate) fn run(options: Options) -> Result<Summary, Failure> {
    let mut world = Copies::new(options);
    match world.live_through() {
        Ok(()) => Ok(world.summary()),
        Err(Broken(law, detail)) => Err(Failure { seed: options.seed, at_ms: world.at, law, detail }),
    }
}

impl Copies {
    fn new(options: Options) -> Self {
        let mut random = Random::new(options.seed ^ STREAM);
        let plan = Plan::draw(&mut random);
        let network = Network::new(random.fork(), plan.loss, plan.delay_max_ms);
        let paper = random.fork();
        let mut world = Self {
            options,
            random,
            paper,
            at: 0,
            agenda: Agenda::default(),
            network,
            library: Library::default(),
            members: Vec::new(),
            index: BTreeMap::new(),
            tally: Summary::default(),
            trace: Trace::new(options.verbose),
            calm: false,
            moved: BTreeMap::new(),
            hurt_at: BTreeMap::new(),
            last_moved: 0,
            rested_since: None,
            plan,
        };
        for character in world.plan.members.clone() {
            world.make(character);
        }
        world.schedule();
        world
    }

    fn make(&mut self, character: Character) {
        let id = NodeId(self.random.bytes());
        self.index.insert(id, self.members.len());
        self.members.push(Member {
            id,
            character,
            state: State::Before,
            life: 1,
            disk: Disk::new(),
            news: BTreeSet::new(),
            view: View::default(),
            notes: BTreeMap::new(),
            seen: BTreeMap::new(),
            offers: character.offers,
            quota_bytes: character.quota_bytes,
            got: BTreeSet::new(),
            announced: library::Offer::default(),
            cleaned_at: 0,
            up: None,
        });
    }

    fn schedule(&mut self) {
        let plan = self.plan.clone();
        for (node, character) in plan.members.iter().enumerate() {
            self.agenda.put(character.joins_at, Event::Begin(node));
        }
        plan.faults.iter().for_each(|(at, fault)| self.agenda.put(*at, Event::Fault(*fault)));
        plan.acts.iter().for_each(|(at, act)| self.agenda.put(*at, Event::Act(*act)));
        self.agenda.put(plan.calm_at, Event::Calm);
        self.tally.faults = plan.faults.len() as u64;
        if self.is_sabotaged(Sabotage::OutsideChance) {
            self.agenda.put(outside_chance(), Event::Act(Act::Put));
        }
    }

    fn live_through(&mut self) -> Step {
        let mut looked_at = self.plan.calm_at;
        while let Some(((at, _), event)) = self.agenda.events.pop_first() {
            while self.calm && at >= looked_at + HOUSE_MS {
                looked_at += HOUSE_MS;
                self.at = looked_at;
                if self.is_over()? {
                    return Ok(());
                }
            }
            self.at = at;
            if self.trace.steps() >= STEPS_MAX {
                return Err(Broken(Law::CopiesRest, format!("busy for ever; {}", self.unrest())));
            }
            self.happen(event)?;
        }
        Err(Broken(Law::CopiesRest, "nothing happens any more".to_owned()))
    }

    fn happen(&mut self, event: Event) -> Step {
        match event {
            Event::Begin(node) => self.begin(node),
            Event::Fault(fault) => {
                if self.calm && !matches!(fault, Fault::Restart(_)) {
                    Ok(())
                } else {
                    self.fault(fault)
                }
            }
            Event::Act(act) => self.act(act),
            Event::Meet(a, b) => self.meet(a, b),
            Event::Lose { a, b, life } => self.lose(a, b, life),
            Event::Letter { from, to, life, letter } => {
                if self.network.link(from, to) == Some(life) {
                    self.read_letter(from, to, letter)
                } else {
                    Ok(())
                }
            }
            Event::Frame(frame) => self.frame(frame),
            Event::Inside { node, life, what }
                if self.members[node].life == life && self.members[node].up.is_some() =>
            {
                self.happen_inside(node, what)
            }
            Event::Inside { .. } => Ok(()),
            Event::Calm => self.heal(),
        }
    }

    fn happen_inside(&mut self, node: usize, what: Inside) -> Step {
        match what {
            Inside::House => self.keep_house(node),
            Inside::Wake(at) => self.wake(node, at),
            Inside::Timeout(id) => self.timeout(node, id),
            Inside::Noted(note) => {
                self.write_note(node, note);
                Ok(())
            }
            Inside::Open { root, peer, stream } => self.opened(node, root, peer, stream),
            Inside::Opened(stream) => self.begin_serving(node, stream),
            Inside::HungUp(stream) => self.serve(node, stream, serve::Input::Close),
            Inside::Broke { root, peer, stream } => self.notice_broken(node, root, peer, stream),
            Inside::Trim(root) => self.trim(node, root),
            Inside::Complete(root) => self.complete(node, root),
            Inside::Loaded(stream, job) => self.loaded(node, stream, job),
            Inside::WakeFetch(root) => self.drive(node, root, antiphon_protocol::blocks::fetch::Input::Wake),
            Inside::WakeServe(stream) => self.serve(node, stream, serve::Input::Wake),
        }
    }

    /// A node becomes a member.
    fn begin(&mut self, node: usize) -> Step {
        if self.members[node].state != State::Before {
            return Ok(());
        }
        self.start(node)?;
        self.tell_all(node, News::Joined(node))?;
        self.announce(node)
    }

    /// A member is switched on.
    fn start(&mut self, node: usize) -> Step {
        self.note(node, "start", &[], String::new);
        self.members[node].state = State::Up;
        self.start_keeper(node)?;
        let first = self.random.below(HOUSE_MS);
        self.inside(node, first, Inside::House);
        (0..self.members.len()).filter(|other| *other != node).for_each(|other| self.meet_later(node, other));
        Ok(())
    }

    fn is_there(&self, node: usize) -> bool {
        self.members[node].up.is_some()
    }

    /// Honest members that are up and offer room.
    fn honest_up(&self) -> usize {
        let counts =
            |member: &&Member| member.up.is_some() && member.character.honesty == Honesty::Honest && member.offers;
        self.members.iter().filter(counts).count()
    }

    fn meet_later(&mut self, a: usize, b: usize) {
        let delay = self.network.meet_delay();
        self.agenda.put(self.at + delay, Event::Meet(a, b));
    }

    fn lose_later(&mut self, a: usize, b: usize) {
        let delay = self.network.notice_delay();
        if let Some(life) = self.network.link(a, b) {
            self.agenda.put(self.at + delay, Event::Lose { a, b, life: Some(life) });
        }
    }

    fn meet(&mut self, a: usize, b: usize) -> Step {
        let can = self.is_there(a) && self.is_there(b) && self.network.can_meet(a, b);
        if a == b || !can {
            return Ok(());
        }
        if self.network.link(a, b).is_some() {
            // One of them came back before the other had noticed that it was gone.
            if !self.is_stale(a, b) {
                return Ok(());
            }
            self.part(a, b)?;
        }
        self.network.tie(a, b);
        self.note(a, "meet", &[], || format!("n{b}"));
        for (node, peer) in [(a, b), (b, a)] {
            self.saw(node, peer);
            if let Some(up) = self.members[node].up.as_mut() {
                up.linked.insert(peer);
            }
        }
        self.tell_rest(a, b);
        self.tell_rest(b, a);
        self.members_changed(a)?;
        self.members_changed(b)
    }

    /// Whether a link is older than one of its ends.
    fn is_stale(&self, a: usize, b: usize) -> bool {
        let knows =
            |node: usize, peer: usize| self.members[node].up.as_ref().is_some_and(|up| up.linked.contains(&peer));
        !knows(a, b) || !knows(b, a)
    }

    fn lose(&mut self, a: usize, b: usize, life: Option<u64>) -> Step {
        let dead = !self.is_there(a) || !self.is_there(b) || !self.network.can_meet(a, b) || self.is_stale(a, b);
        if self.network.link(a, b) != life || life.is_none() || !dead {
            return Ok(());
        }
        self.part(a, b)?;
        self.meet_later(a, b);
        Ok(())
    }

    /// Takes a link away; both ends notice, if they are there.
    fn part(&mut self, a: usize, b: usize) -> Step {
        self.note(a, "part", &[], || format!("n{b}"));
        for (name, ends) in self.network.untie(a, b) {
            self.broke(name, &ends);
        }
        for (node, peer) in [(a, b), (b, a)] {
            if self.is_there(node) {
                self.saw(node, peer);
                if let Some(up) = self.members[node].up.as_mut() {
                    up.linked.remove(&peer);
                }
                self.fail_all(node, peer)?;
                self.members_changed(node)?;
            }
        }
        Ok(())
    }

    /// Says something that all are to know.
    fn tell_all(&mut self, node: usize, news: News) -> Step {
        let n = self.library.tell(news);
        self.learn(node, &[n])
    }

    /// A member hears of something, and passes it on.
    fn learn(&mut self, node: usize, news: &[usize]) -> Step {
        let known = &mut self.members[node].news;
        let new: Vec<usize> = news.iter().copied().filter(|n| known.insert(*n)).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.view_changed(node)?;
        for peer in self.network.linked(node) {
            let unheard: Vec<usize> = new.iter().copied().filter(|n| !self.members[peer].news.contains(n)).collect();
            if !unheard.is_empty() {
                self.send(node, peer, Letter::News(unheard));
            }
        }
        Ok(())
    }

    /// Tells another one all that it has not heard.
    fn tell_rest(&mut self, node: usize, peer: usize) {
        let rest: Vec<usize> = self.members[node].news.difference(&self.members[peer].news).copied().collect();
        if !rest.is_empty() {
            self.send(node, peer, Letter::News(rest));
        }
    }

    /// Says whether a member offers room, and how much.
    fn announce(&mut self, node: usize) -> Step {
        let offer = library::Offer { offers: self.members[node].offers, free_bytes: self.free_bytes(node) };
        self.members[node].announced = offer;
        self.tell_all(node, News::Offers { node, offers: offer.offers, free_bytes: offer.free_bytes })
    }

    fn send(&mut self, from: usize, to: usize, letter: Letter) {
        if let Some((at, event)) = self.network.send(self.at, from, to, letter) {
            self.agenda.put(at, event);
        }
    }

    /// A member notes that another one is there now.
    fn saw(&mut self, node: usize, peer: usize) {
        let now = self.now(node);
        self.members[node].seen.insert(peer, now);
    }

    /// What time it is for a member.
    fn now(&self, node: usize) -> UnixMillis {
        UnixMillis((BEGIN_MS + self.at).saturating_add_signed(self.members[node].character.skew))
    }

    fn inside(&mut self, node: usize, after_ms: u64, what: Inside) {
        let life = self.members[node].life;
        self.agenda.put(self.at + after_ms, Event::Inside { node, life, what });
    }

    /// Something inside a member at a time of its own clock.
    fn inside_at(&mut self, node: usize, at: UnixMillis, what: Inside) {
        let wait = at.since(self.now(node));
        self.inside(node, wait, what);
    }

    fn is_sabotaged(&self, sabotage: Sabotage) -> bool {
        self.options.sabotage == Some(sabotage)
    }

    fn note(&mut self, node: usize, what: &str, bytes: &[u8], words: impl FnOnce() -> String) {
        self.trace.note(self.at, node, what, bytes, words);
    }

    fn summary(&self) -> Summary {
        let mut exercised = self.tally.exercised;
        let [one_way, two_way] = self.network.kept_back;
        exercised.add(Class::CopyOneWay, one_way);
        exercised.add(Class::CopyTwoWay, two_way);
        exercised.add(Class::CopyLetterLost, self.network.lost);
        Summary {
            worlds: 1,
            copies: 1,
            trace: self.trace.digest(),
            steps: self.trace.steps(),
            lasted_ms: self.at,
            nodes: self.members.len() as u64,
            exercised,
            ..self.tally
        }
    }
}

/// A number that no seed decides.
fn outside_chance() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() % HOUSE_MS
}
