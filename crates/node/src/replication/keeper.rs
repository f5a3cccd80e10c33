//! The task that drives the machine.
//!
//! Everything that changes what this node thinks of copies happens here, one thing at a time. What takes time is a task
//! beside it, whose result comes back as [`News`].

use std::time::Duration;

use antiphon_core::announce::QUOTA_BYTES_MAX;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::Settings;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::replication::manager::{Input, Manager, Output, Taking};
use antiphon_protocol::replication::{Answer, Outcome};
use antiphon_store::{Error as StoreError, Held, ReplicaNote, ReplicationKey};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::asking::Asker;
use super::known::{self, Reading, Step};
use super::notes::{self, Note, Notes};
use super::owing::{self, Owing};
use super::presence::Presence;
use super::taking::{self, Proposal};
use super::{Care, garbage, trimming};
use crate::announce::Ask;
use crate::clock::now;
use crate::inputs::Command;
use crate::tasks::Tasks;

/// How often it is looked whether something changed in the database that no commit of events told of, in milliseconds.
const LOOK_MS: u64 = 500;
/// Shortest time from one look that a commit asks for to the next, in milliseconds: most commits change nothing here.
const LOOK_AGAIN_MS: u64 = 20;
/// Longest sleep, so that a clock that was set back is noticed, in milliseconds.
const SLEEP_MS_MAX: u64 = 1_000;
/// How long changes are gathered before members are told how much is stored here, in milliseconds.
const COUNT_MS: u64 = 1_000;
/// Wait before that is tried again which is not needed and was in use, in milliseconds.
const CLEAN_AGAIN_MS: u64 = 10_000;
/// Wait after a removal before what it left is cleared away, in milliseconds: the next one may follow it.
const CLEAN_SOON_MS: u64 = 500;

/// Something that is asked of the machine.
pub(crate) type Look = Box<dyn FnOnce(&mut Manager, UnixMillis) + Send>;

/// What happened.
pub(crate) enum News {
    /// A member was asked.
    Answered { peer: NodeId, answers: Vec<(Hash, Answer)> },
    /// A member was offered something.
    Offered { peer: NodeId, root: Hash, outcome: Outcome },
    /// A member offers something.
    Proposed(Box<Proposal>),
    /// Something that was offered here was fetched, or not.
    Took { root: Hash, ok: bool },
    /// A copy was to be dropped.
    Trimmed { root: Hash, ok: bool },
    /// A person wants copies looked after now.
    Run { root: Option<Hash> },
    /// A person set something otherwise.
    Settings(Settings),
    /// Somebody asks.
    With(Look),
    /// The database was asked what changed.
    Changed { keys: Vec<ReplicationKey>, more: bool },
    /// It could not be.
    Unread(StoreError),
    /// Notes were written, or lost.
    Noted,
    /// A copy that was not whole was completed, or not.
    Completed { root: Hash, ok: bool },
    /// What is stored here was counted.
    Counted,
    /// What nobody needs was cleared away, or some of it stays because it is in use.
    Cleaned { busy: bool },
}

/// See the module.
pub(crate) struct Keeper {
    care: Care,
    asker: Asker,
    news: mpsc::Receiver<News>,
    manager: Manager,
    /// When the machine wants to be woken.
    wake_at: Option<UnixMillis>,
    /// What the clock showed last.
    clock: UnixMillis,
    notes: Notes,
    owing: Owing,
    /// The database is being asked what changed, and must be asked again.
    looking: bool,
    look_again: bool,
    /// When it was asked last, and when it is asked because of a commit.
    looked_at: Instant,
    look_at: Option<Instant>,
    /// When members are told how much is stored here; whether it is being counted.
    count_at: Option<Instant>,
    counting: bool,
    /// When what nobody needs is cleared away next; whether that is under way.
    clean_at: Instant,
    cleaning: bool,
    tasks: Tasks,
}

impl Keeper {
    pub(crate) fn new(care: Care, asker: Asker, news: mpsc::Receiver<News>) -> Self {
        let manager = Manager::new(care.own, care.settings());
        let clean_at = Instant::now() + Duration::from_millis(care.settings().cleanup_ms);
        Self {
            care,
            asker,
            news,
            manager,
            wake_at: None,
            clock: now(),
            notes: Notes::default(),
            owing: Owing::default(),
            looking: false,
            look_again: false,
            looked_at: Instant::now(),
            look_at: None,
            count_at: Some(Instant::now()),
            counting: false,
            clean_at,
            cleaning: false,
            tasks: Tasks::default(),
        }
    }

    /// Runs until the node ends.
    pub(crate) async fn run(mut self) {
        let (mut presence, mut commits) = (self.care.presence.clone(), self.care.store.committed());
        if let Err(error) = self.read_all().await {
            return tracing::error!(%error, "copies are not looked after: what is known of them could not be read");
        }
        // Who is a member comes last, since the machine begins with that.
        self.meet(&presence.borrow_and_update().clone());
        let mut look = interval(Duration::from_millis(LOOK_MS));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.next_wake();
            tokio::select! {
                // The keeper holds a sender itself, so this channel never ends.
                Some(news) = self.news.recv() => self.hear(news),
                changed = presence.changed() => match changed {
                    Ok(()) => {
                        let shown = presence.borrow_and_update().clone();
                        self.meet(&shown);
                    }
                    Err(_) => return,
                },
                changed = commits.changed() => match changed {
                    Ok(()) => self.look_soon(),
                    Err(_) => return,
                },
                _ = look.tick() => self.look(),
                () = sleep_until(wake) => self.wake(),
                () = self.tasks.reap() => {}
            }
            self.keep_notes();
        }
    }

    /// Tells the machine what was known when the node last ran.
    async fn read_all(&mut self) -> Result<(), StoreError> {
        let mut reading = Reading::new(self.care.store.clone());
        while let Some(step) = reading.next().await? {
            match step {
                Step::Keys(keys) => keys.iter().for_each(|key| self.learn(key)),
                Step::Replicas(replicas) => replicas.iter().for_each(|replica| self.feed(known::of_replica(replica))),
            }
        }
        Ok(())
    }

    /// Tells the machine who is here, once the loop has shown it.
    fn meet(&mut self, presence: &Presence) {
        if presence.own.is_some() {
            self.feed(known::of_members(presence));
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Answered { peer, answers } => self.feed(Input::Answered { peer, answers }),
            News::Offered { peer, root, outcome } => self.feed(Input::Offered { peer, root, outcome }),
            News::Proposed(proposal) => self.decide(*proposal),
            News::Took { root, ok } => {
                self.feed(Input::Took { root, ok });
                self.look();
            }
            News::Trimmed { root, ok } => {
                self.feed(Input::Trimmed { root, ok });
                self.look();
            }
            News::Run { root } => self.feed(Input::Run { root }),
            News::Settings(settings) => {
                self.clean_at = self.clean_at.min(Instant::now() + Duration::from_millis(settings.cleanup_ms));
                self.feed(Input::Settings(settings));
            }
            News::With(look) => look(&mut self.manager, now()),
            News::Changed { keys, more } => {
                keys.iter().for_each(|key| self.learn(key));
                if !keys.is_empty() {
                    self.count_soon();
                }
                self.looked(more);
            }
            News::Unread(error) => {
                tracing::error!(%error, "what changed of copies could not be read");
                self.looked(false);
            }
            News::Noted => self.notes.written(),
            News::Completed { root, ok } => {
                self.owing.completed(root, ok, Instant::now());
                self.look();
            }
            News::Counted => self.counting = false,
            News::Cleaned { busy } => {
                self.cleaning = false;
                if busy {
                    self.clean_at = self.clean_at.min(Instant::now() + Duration::from_millis(CLEAN_AGAIN_MS));
                }
                self.care.cleaned();
                self.look();
            }
        }
    }

    /// A ciphertext is needed and held like this now.
    fn learn(&mut self, key: &ReplicationKey) {
        match key.needed {
            Some(need) if key.held == Held::Part => self.owing.add(key.root, need.length, need.own, Instant::now()),
            _ => self.owing.forget(&key.root),
        }
        if key.needed.is_none() && key.held != Held::Nothing {
            self.clean_at = self.clean_at.min(Instant::now() + Duration::from_millis(CLEAN_SOON_MS));
        }
        known::of_key(key).into_iter().for_each(|input| self.feed(input));
    }

    /// Takes what is offered, or refuses it.
    fn decide(&mut self, proposal: Proposal) {
        let Proposal { peer, offer, key, free, reply } = proposal;
        // The index may have said so a moment ago.
        self.learn(&key);
        let root = offer.root;
        match self.manager.take(peer, &root, free, now()) {
            // Whoever asked and has gone does not need the answer.
            Taking::Refuse(outcome) => drop(reply.send(outcome)),
            Taking::Take { length, from, .. } => self.beside(async move |care| {
                let outcome = taking::fetch(&care, root, length, from).await;
                let _ = reply.send(outcome);
                News::Took { root, ok: outcome.is_held() }
            }),
        }
    }

    /// Tells the machine something and has done what it wants.
    fn feed(&mut self, input: Input) {
        for output in self.manager.handle(input, now()) {
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Ask { peer, about } => {
                let asker = self.asker.clone();
                self.beside(async move |_| News::Answered { peer, answers: asker.ask(peer, about).await });
            }
            Output::Offer { peer, root, length, priority } => {
                let asker = self.asker.clone();
                self.beside(async move |_| {
                    let outcome = asker.offer(peer, root, length, priority).await;
                    tracing::debug!(%peer, %root, ?outcome, "a copy was offered");
                    News::Offered { peer, root, outcome }
                });
            }
            Output::Trim { root, witnesses } => {
                tracing::debug!(%root, ?witnesses, "enough others hold this content");
                self.beside(async move |care| News::Trimmed { root, ok: trimming::trim(&care, root).await });
            }
            Output::Note { root, node, evidence, history } => {
                let (evidence, at) = (known::kept(evidence), evidence.at());
                self.notes.push(Note::Learnt(ReplicaNote { root, node, evidence, at, history }));
            }
            Output::Forget { root } => self.notes.push(Note::Forget(root)),
            Output::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    /// Runs work beside the keeper and hears what came of it.
    fn beside<W: Future<Output = News> + Send + 'static>(&mut self, work: impl FnOnce(Care) -> W + Send + 'static) {
        let care = self.care.clone();
        self.tasks.spawn(async move {
            let news = work(care.clone()).await;
            // Only a stopping node does not want to know.
            let _ = care.tell(news).await;
        });
    }

    /// Asks the database what changed, unless that is under way; then once more afterwards.
    fn look(&mut self) {
        (self.look_at, self.looked_at) = (None, Instant::now());
        if std::mem::replace(&mut self.looking, true) {
            self.look_again = true;
            return;
        }
        self.beside(async move |care| match known::changed(&care.store).await {
            Ok((keys, more)) => News::Changed { keys, more },
            Err(error) => News::Unread(error),
        });
    }

    /// Does so once it was not done for a moment.
    fn look_soon(&mut self) {
        self.look_at.get_or_insert(self.looked_at + Duration::from_millis(LOOK_AGAIN_MS));
    }

    fn looked(&mut self, more: bool) {
        self.looking = false;
        if std::mem::take(&mut self.look_again) || more {
            self.look();
        }
    }

    fn keep_notes(&mut self) {
        let Some(notes) = self.notes.take() else { return };
        self.beside(async move |care| {
            if let Err(error) = notes::write(&care.store, notes).await {
                // It is learnt again.
                tracing::error!(%error, "what was learnt of copies could not be kept");
            }
            News::Noted
        });
    }

    fn next_wake(&self) -> Instant {
        let at = self.wake_at.map_or(SLEEP_MS_MAX, |at| at.since(now()).min(SLEEP_MS_MAX));
        let machine = Instant::now() + Duration::from_millis(at);
        let others = [Some(self.clean_at), self.look_at, self.count_at, self.owing.next()];
        others.into_iter().flatten().fold(machine, Instant::min)
    }

    fn wake(&mut self) {
        let clock = now();
        // What was to happen at a time of a clock that was set back may be due.
        let was_set_back = clock < std::mem::replace(&mut self.clock, clock);
        if was_set_back || self.wake_at.is_some_and(|at| at <= clock) {
            self.wake_at = None;
            self.feed(Input::Wake);
        }
        let at = Instant::now();
        if self.look_at.is_some_and(|due| due <= at) {
            self.look();
        }
        if self.count_at.is_some_and(|due| due <= at) && !self.counting {
            self.count();
        }
        if self.clean_at <= at {
            self.clean(at);
        }
        self.complete(at);
    }

    /// Members are told soon how much is stored here.
    fn count_soon(&mut self) {
        self.count_at.get_or_insert_with(|| Instant::now() + Duration::from_millis(COUNT_MS));
    }

    fn count(&mut self) {
        (self.count_at, self.counting) = (None, true);
        self.beside(async move |care| {
            match care.store.read(|reader| reader.held_for_others()).await {
                Ok(bytes) => {
                    let stored = Command::Announce(Ask::Stored { bytes: bytes.min(QUOTA_BYTES_MAX) });
                    // Only a stopping node does not want to know.
                    let _ = care.commands.send(stored).await;
                }
                Err(error) => tracing::warn!(%error, "what documents take could not be counted"),
            }
            News::Counted
        });
    }

    /// Clears away what nobody needs.
    fn clean(&mut self, at: Instant) {
        if std::mem::replace(&mut self.cleaning, true) {
            self.clean_at = at + Duration::from_millis(CLEAN_SOON_MS);
            return;
        }
        self.clean_at = at + Duration::from_millis(self.care.settings().cleanup_ms);
        self.beside(async move |care| News::Cleaned { busy: garbage::clean(&care).await });
    }

    /// Completes what is owed and due.
    fn complete(&mut self, at: Instant) {
        for due in self.owing.due(at) {
            self.beside(async move |care| News::Completed { root: due.root, ok: owing::complete(&care, due).await });
        }
    }
}
