//! The task that drives the machines.
//!
//! Everything that changes what this node thinks of the table happens here, one thing at a time. What takes time is a
//! task beside it, whose result comes back as [`News`].

use std::collections::BTreeSet;
use std::time::Duration;

use antiphon_core::dht::Realm;
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::dht::hybrid::{Cause, End as Ended, Health, Input as Heard, Operation, Output as Decided};
use antiphon_protocol::dht::publish::{self, Item};
use antiphon_protocol::dht::upkeep::{self, Intervals};
use antiphon_protocol::dht::{Backend, Choice, Hybrid, Publisher, Upkeep};
use antiphon_store::{DhtItem, DhtWaiting};
use antiphon_vault::random;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{Context, Setup};
use crate::api::Error;
use crate::clock::{has_come, now};
use crate::inputs::Command;
use crate::tasks::Tasks;

/// How often it is looked whether what is known of this node has changed, in milliseconds.
const INTRODUCE_MS: u64 = 5_000;
/// How often what is over is dropped, in milliseconds.
const SWEEP_MS: u64 = 10 * 60_000;
/// Longest sleep, so that a clock that was set back is noticed, in milliseconds.
const SLEEP_MS_MAX: u64 = 1_000;
/// No wake-up is further away, in milliseconds: what is published stands for half a day.
const WAKE_MS_MAX: u64 = 24 * 60 * 60_000;
/// Most records of others that wait to be kept on disk.
const HEARD_MAX: usize = 1_024;

/// What happened.
pub(crate) enum News {
    /// An operation of a backend is over.
    Ended { backend: Backend, operation: Operation, end: Ended },
    /// Something is to be published, or has changed.
    Waits(DhtItem),
    /// Something is not to be published any more.
    Dropped(DhtItem),
    /// What is known of this node has changed.
    Changed,
    /// This node was given a record to hold.
    Heard { key: Vec<u8>, value: Vec<u8> },
    /// A person chose a backend.
    Choose { choice: Choice, reply: oneshot::Sender<()> },
    /// A person wants to enter the network; told how many members are known then.
    Bootstrap(oneshot::Sender<Option<usize>>),
    /// Shows how it goes.
    Show(oneshot::Sender<Shown>),
    /// An attempt to publish is over.
    Published { item: DhtItem, end: publish::End },
    /// An attempt to enter the network is over.
    Bootstrapped { attempt: u64, entered: Option<usize> },
    /// These are there.
    Found(Vec<NodeId>),
    /// What was to be said of this node is said.
    Introduced,
    /// Records of others are on disk.
    HeardKept,
}

/// How it goes.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) choice: Choice,
    pub(crate) using: Backend,
    pub(crate) local: Health,
    pub(crate) kad: Health,
    pub(crate) bootstrapped: bool,
    pub(crate) attempts: u64,
    pub(crate) items: usize,
    pub(crate) waiting: usize,
    pub(crate) under_way: usize,
    pub(crate) next_due: Option<UnixMillis>,
    /// Members that were heard of, and when.
    pub(crate) seen: Vec<(NodeId, UnixMillis)>,
}

/// See the module.
pub(crate) struct Keeper {
    at: Context,
    news: mpsc::Receiver<News>,
    commands: mpsc::Sender<Command>,
    /// Members to begin with, as they are set.
    bootstrap: Vec<String>,
    using: watch::Sender<Backend>,
    every: Intervals,
    hybrid: Hybrid,
    publisher: Publisher,
    upkeep: Upkeep,
    /// When each of the machines wants to be woken: the order is that of [`Machine`].
    wakes: [Option<UnixMillis>; 3],
    /// Whose table it was when the loop last showed it.
    realm: Realm,
    /// Members that were connected then.
    present: BTreeSet<NodeId>,
    /// Whoever waits for the next attempt to enter.
    entering: Vec<oneshot::Sender<Option<usize>>>,
    /// Records of others that are to be kept on disk, and whether some are being kept.
    heard: Vec<(Vec<u8>, Vec<u8>)>,
    keeping: bool,
    /// Whether this node is being introduced, and whether that is to be done again.
    introducing: bool,
    introduce_again: bool,
    sweep_at: UnixMillis,
    tasks: Tasks,
}

#[derive(Clone, Copy)]
enum Machine {
    Hybrid = 0,
    Publisher = 1,
    Upkeep = 2,
}

impl Keeper {
    pub(super) fn new(
        at: Context,
        news: mpsc::Receiver<News>,
        setup: Setup,
    ) -> Result<(Self, watch::Receiver<Backend>), Error> {
        let (time, realm) = (now(), at.sight.borrow().realm.clone());
        let hybrid = Hybrid::new(setup.choice, time);
        let (using, using_out) = watch::channel(hybrid.using());
        let seed = u64::from_be_bytes(random::bytes()?);
        let keeper = Self {
            at,
            news,
            commands: setup.commands,
            bootstrap: setup.bootstrap,
            using,
            every: setup.intervals,
            hybrid,
            publisher: Publisher::new(seed, setup.republish_ms),
            upkeep: Upkeep::new(setup.intervals, time),
            wakes: [None; 3],
            realm,
            present: BTreeSet::new(),
            entering: Vec::new(),
            heard: Vec::new(),
            keeping: false,
            introducing: false,
            introduce_again: false,
            sweep_at: time.after(SWEEP_MS),
            tasks: Tasks::default(),
        };
        Ok((keeper, using_out))
    }

    /// Runs until the node stops, which ends it with everything that it began.
    pub(crate) async fn run(mut self) {
        self.begin().await;
        let mut sight = self.at.sight.clone();
        let mut tick = interval(Duration::from_millis(INTRODUCE_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.next_wake();
            tokio::select! {
                Some(news) = self.news.recv() => self.on_news(news),
                Ok(()) = sight.changed() => self.look(),
                _ = tick.tick() => self.introduce(),
                () = sleep_until(wake) => self.wake(),
                () = self.tasks.reap() => {}
            }
        }
    }

    /// Takes up what is to be published, and gives the network what it held.
    async fn begin(&mut self) {
        self.load().await;
        for address in std::mem::take(&mut self.bootstrap) {
            let peer = address.rsplit_once("/p2p/").and_then(|(_, peer)| peer.parse().ok());
            let Some(peer) = peer else {
                tracing::warn!(%address, "this is no address of a member to begin with");
                continue;
            };
            let _stopping = self.commands.send(Command::Meet { peer, addresses: vec![address] }).await;
        }
        self.tasks.spawn(self.at.clone().give_back());
        self.publish(publish::Input::Online(self.hybrid.using() == Backend::Kad));
        self.decide(Heard::Wake);
        self.keep_up(upkeep::Input::Wake);
        self.look();
    }

    async fn load(&mut self) {
        match self.at.store.read(|reader| reader.dht_waiting()).await {
            Ok(waiting) => waiting.into_iter().for_each(|one| self.put(one)),
            Err(error) => tracing::error!(%error, "what is to be published cannot be read"),
        }
    }

    fn put(&mut self, one: DhtWaiting) {
        self.publish(publish::Input::Put { item: Item(one.item.number()), expires: one.expires });
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Ended { backend, operation, end } => self.decide(Heard::Ended { backend, operation, end }),
            News::Waits(item) => {
                let expires = matches!(item, DhtItem::Record(_)).then(|| now().after(antiphon_core::dht::LIFE_MS));
                self.publish(publish::Input::Put { item: Item(item.number()), expires });
            }
            News::Dropped(item) => {
                let item = Item(item.number());
                // If it was being published, that is over.
                self.publish(publish::Input::Drop(item));
                self.publish(publish::Input::Ended { item, end: publish::End::Failed });
            }
            News::Published { item, end } => {
                self.publish(publish::Input::Ended { item: Item(item.number()), end });
            }
            News::Changed => self.introduce(),
            News::Heard { key, value } => self.hear(key, value),
            News::HeardKept => {
                self.keeping = false;
                self.keep_heard();
            }
            News::Choose { choice, reply } => {
                self.decide(Heard::Choose(choice));
                let _gone = reply.send(());
            }
            News::Bootstrap(reply) => {
                self.entering.push(reply);
                self.keep_up(upkeep::Input::Bootstrap);
            }
            News::Bootstrapped { attempt, entered } => self.bootstrapped(attempt, entered),
            News::Found(nodes) => nodes.into_iter().for_each(|node| self.keep_up(upkeep::Input::Seen(node))),
            News::Introduced => {
                self.introducing = false;
                if std::mem::take(&mut self.introduce_again) {
                    self.introduce();
                }
            }
            News::Show(reply) => drop(reply.send(self.show())),
        }
    }

    fn show(&self) -> Shown {
        Shown {
            choice: self.hybrid.choice(),
            using: self.hybrid.using(),
            local: self.hybrid.health(Backend::Local),
            kad: self.hybrid.health(Backend::Kad),
            bootstrapped: self.upkeep.is_bootstrapped(),
            attempts: self.upkeep.attempts(),
            items: self.publisher.items(),
            waiting: self.publisher.waiting(),
            under_way: self.publisher.under_way(),
            next_due: self.publisher.next_due(),
            seen: self.upkeep.peers().collect(),
        }
    }

    /// The loop shows something new: who is connected, who belongs to the team, where this node listens.
    fn look(&mut self) {
        let (present, realm, gone_for_good) = {
            let sight = self.at.sight.borrow();
            let gone: Vec<NodeId> =
                self.upkeep.peers().map(|(node, _)| node).filter(|node| !sight.is_member(node)).collect();
            (sight.present.clone(), sight.realm.clone(), gone)
        };
        if std::mem::replace(&mut self.realm, realm.clone()) != realm {
            self.tasks.spawn(self.at.clone().rename(realm.prefix));
        }
        let before = std::mem::replace(&mut self.present, present.clone());
        for node in before.difference(&present) {
            self.keep_up(upkeep::Input::Gone(*node));
        }
        if present.is_empty() && !before.is_empty() {
            self.decide(Heard::Doubt(Backend::Kad));
        }
        for node in present.difference(&before) {
            self.keep_up(upkeep::Input::Connected(*node));
            self.decide(Heard::Hope(Backend::Kad));
        }
        gone_for_good.into_iter().for_each(|node| self.keep_up(upkeep::Input::Removed(node)));
        self.introduce();
    }

    fn next_wake(&self) -> Instant {
        let time = now();
        let next = self.wakes.iter().flatten().min();
        let within = next.map_or(SLEEP_MS_MAX, |at| at.since(time).min(SLEEP_MS_MAX));
        Instant::now() + Duration::from_millis(within)
    }

    fn wake(&mut self) {
        let time = now();
        let mut due = |machine: Machine| {
            let wake = &mut self.wakes[machine as usize];
            wake.take_if(|at| has_come(*at, time, WAKE_MS_MAX)).is_some()
        };
        let [hybrid, publisher, upkeep] = [Machine::Hybrid, Machine::Publisher, Machine::Upkeep].map(&mut due);
        if hybrid {
            self.decide(Heard::Wake);
        }
        if publisher {
            self.publish(publish::Input::Wake);
        }
        if upkeep {
            self.keep_up(upkeep::Input::Wake);
        }
        if has_come(self.sweep_at, time, SWEEP_MS) {
            self.sweep_at = time.after(SWEEP_MS);
            self.tasks.spawn(self.at.clone().sweep());
        }
    }

    fn decide(&mut self, input: Heard) {
        for output in self.hybrid.handle(input, now()) {
            match output {
                Decided::Check(backend) => self.tasks.spawn(self.at.clone().check(backend)),
                Decided::WakeAt(at) => self.wakes[Machine::Hybrid as usize] = Some(at),
                Decided::Use { backend, cause } => {
                    match cause {
                        Cause::Failed if self.present.is_empty() => {
                            tracing::info!("no member is connected; the database answers, and what is said waits");
                        }
                        Cause::Failed => tracing::warn!(
                            "the hash table's network fails; the database answers, and what is said waits"
                        ),
                        Cause::Recovered => tracing::info!("the hash table's network is back"),
                        Cause::Chosen => {
                            tracing::info!(backend = backend.name(), "the backend of the hash table was chosen")
                        }
                    }
                    self.using.send_replace(backend);
                    self.publish(publish::Input::Online(backend == Backend::Kad));
                    // Whoever entered while the network was not relied on has not asked yet who else is there.
                    if self.upkeep.is_bootstrapped() {
                        self.discover();
                    }
                }
            }
        }
    }

    fn publish(&mut self, input: publish::Input) {
        for output in self.publisher.handle(input, now()) {
            match output {
                publish::Output::Publish { item, renew } => {
                    self.tasks.spawn(self.at.clone().publish(DhtItem::of(item.0), renew));
                }
                publish::Output::WakeAt(at) => self.wakes[Machine::Publisher as usize] = Some(at),
            }
        }
    }

    fn keep_up(&mut self, input: upkeep::Input) {
        for output in self.upkeep.handle(input, now()) {
            match output {
                upkeep::Output::Bootstrap { attempt } => self.bootstrap(attempt),
                upkeep::Output::Discover => self.discover(),
                upkeep::Output::Forget(node) => self.tasks.spawn(self.at.clone().forget(node)),
                upkeep::Output::WakeAt(at) => self.wakes[Machine::Upkeep as usize] = Some(at),
            }
        }
    }

    fn discover(&mut self) {
        if self.hybrid.using() == Backend::Kad {
            self.tasks.spawn(self.at.clone().discover(self.commands.clone()));
        }
    }

    fn bootstrap(&mut self, attempt: u64) {
        let (at, news, within) = (self.at.clone(), self.at.news.clone(), self.every.bootstrap_timeout_ms);
        let left_alone = self.hybrid.choice() == Choice::Local;
        self.tasks.spawn(async move {
            if left_alone {
                let _stopping = news.send(News::Bootstrapped { attempt, entered: None }).await;
            } else {
                at.bootstrap(attempt, within).await;
            }
        });
    }

    fn bootstrapped(&mut self, attempt: u64, entered: Option<usize>) {
        for reply in std::mem::take(&mut self.entering) {
            let _gone = reply.send(entered);
        }
        self.keep_up(upkeep::Input::Bootstrapped { attempt, entered: entered.is_some() });
        if entered.is_some() {
            self.decide(Heard::Hope(Backend::Kad));
        }
    }

    fn introduce(&mut self) {
        if std::mem::replace(&mut self.introducing, true) {
            self.introduce_again = true;
        } else {
            self.tasks.spawn(self.at.clone().introduce());
        }
    }

    fn hear(&mut self, key: Vec<u8>, value: Vec<u8>) {
        // What the disk misses is told again; the network holds it meanwhile.
        if self.heard.len() < HEARD_MAX {
            self.heard.push((key, value));
        }
        self.keep_heard();
    }

    fn keep_heard(&mut self) {
        if !self.keeping && !self.heard.is_empty() {
            self.keeping = true;
            let heard = std::mem::take(&mut self.heard);
            self.tasks.spawn(self.at.clone().keep_heard(heard));
        }
    }
}
