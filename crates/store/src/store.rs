//! The asynchronous front: a handle that any task may clone.
//!
//! Behind it stand one thread that writes, one that indexes and a few that read, each with a connection of its own,
//! behind bounded channels: whoever asks faster than the disk can answer waits. Writers also wait while 2,000 of
//! this node's own events are not indexed yet, so that recall can promise to find what was just written.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::event::Event;
use antiphon_core::event::sealed::FactSeals;
use antiphon_core::ids::NodeId;
use antiphon_core::log::LogId;
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};

use crate::TAIL_EVENTS_MAX;
use crate::blobs::Blobs;
use crate::db::{Db, Options};
use crate::error::{AuthorError, Error};
use crate::pool::{Pool, Question};
use crate::purge::MainCost;
use crate::reader::Reader;
use crate::rest::Waiter;
use crate::schema;
use crate::sealed::{self, Seals};
use crate::search::{Frequencies, Indexer};
use crate::view::{Applied, Authored, Draft};
use crate::writer::{self, Job, Outlets, Progress, SharedWork, With, Work, Write, Written};

/// Most jobs that wait for the writer.
const WAITING_JOBS_MAX: usize = 1_024;

/// Where unguessable bytes come from.
pub type RandomSource = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// How to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// Whether a commit waits for the disk.
    pub durable: bool,
    /// Threads that answer questions.
    pub readers: usize,
    /// Where unguessable bytes come from.
    pub random: RandomSource,
    /// What opens and seals the facts of roles.
    pub seals: Seals,
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("StoreOptions");
        out.field("durable", &self.durable).field("readers", &self.readers).finish_non_exhaustive()
    }
}

impl StoreOptions {
    /// Durable, three readers.
    pub fn new(random: impl Fn() -> [u8; 32] + Send + Sync + 'static) -> Self {
        Self { durable: true, readers: 3, random: Arc::new(random), seals: None }
    }

    /// The same with what opens and seals the facts of roles.
    #[must_use]
    pub fn sealing(self, seals: Arc<dyn FactSeals>) -> Self {
        Self { seals: Some(seals), ..self }
    }
}

/// What was committed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Position of the last event: grows with every event that is new here, own or received.
    pub pos: u64,
    /// Counts the commits that may have changed the charter or the identity of this home.
    pub charter: u64,
}

/// Own events that the index does not have yet.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    written: VecDeque<(u64, usize)>,
    waiting: usize,
    stuck: bool,
}

impl Backlog {
    /// Counts own events, the last of which stands at or before `pos`.
    pub(crate) fn wrote(&mut self, pos: u64, events: usize) {
        self.written.push_back((pos, events));
        self.waiting += events;
    }

    /// The index is complete up to `pos`.
    pub(crate) fn indexed(&mut self, pos: u64) {
        while let Some((at, events)) = self.written.front()
            && *at <= pos
        {
            self.waiting = self.waiting.saturating_sub(*events);
            self.written.pop_front();
        }
    }

    /// Whether the indexer cannot go on; then nobody waits for it.
    pub(crate) fn set_stuck(&mut self, stuck: bool) {
        self.stuck = stuck;
    }

    /// Whether the index can wait for more: so little that nobody who writes will wait for it.
    pub(crate) const fn is_short(&self) -> bool {
        self.waiting < TAIL_EVENTS_MAX / 8
    }

    fn is_full(&self) -> bool {
        self.waiting >= TAIL_EVENTS_MAX && !self.stuck
    }
}

struct Shared {
    dir: PathBuf,
    random: RandomSource,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    readers: Pool,
    committed: watch::Receiver<Committed>,
    indexed: watch::Receiver<u64>,
    backlog: Arc<Mutex<Backlog>>,
    /// Ends when the last thread is gone.
    threads: tokio::sync::Mutex<mpsc::Receiver<()>>,
    blobs: Blobs,
}

/// See the module.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or makes the database in the directory `dir` and starts its threads. Waits for the disk.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn open(dir: &Path, options: StoreOptions, signer: Option<Arc<dyn Signer>>) -> Result<Self, Error> {
        let seals = options.seals;
        let db = Db::open_sealing(dir, Options { durable: options.durable }, signer, seals.clone())?;
        let (jobs, job_receiver) = mpsc::channel(WAITING_JOBS_MAX);
        let (committed, committed_receiver) = watch::channel(Committed { pos: db.last_pos(), charter: 0 });
        let (indexed, indexed_receiver) = watch::channel(0);
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        let backlog = Arc::new(Mutex::new(Backlog::default()));
        let (thread, threads) = mpsc::channel(1);

        let frequencies = Frequencies::default();
        let (readers, places) = Pool::new(options.readers.max(1));
        for place in places {
            let (main, search) = schema::open_readers(dir)?;
            sealed::attach(&main, &seals)?;
            let (thread, frequencies) = (thread.clone(), frequencies.clone());
            spawn(dir, "store-read", move || {
                place.work(&main, &search, &frequencies);
                drop(thread);
            })?;
        }
        let blobs = db.blobs();
        blobs.tell(damage_writer(jobs.downgrade()));
        let (indexer, main) = (Indexer::open(dir)?, schema::open_readers(dir)?.0);
        sealed::attach(&main, &seals)?;
        let cost = MainCost::default();
        let progress =
            Progress { indexed, backlog: Arc::clone(&backlog), cost: Arc::clone(&cost), jobs: jobs.downgrade() };
        let index_thread = thread.clone();
        spawn(dir, "store-index", move || {
            writer::index(indexer, &main, &woken, &progress);
            drop(index_thread);
        })?;
        let outlets = Outlets { committed, backlog: Arc::clone(&backlog), wake, cost };
        let waiter = waiter(dir)?;
        spawn(dir, "store-write", move || {
            writer::write(db, job_receiver, &outlets, &waiter);
            drop(thread);
        })?;
        Ok(Self(Arc::new(Shared {
            dir: dir.to_owned(),
            random: options.random,
            jobs: Mutex::new(Some(jobs)),
            readers,
            committed: committed_receiver,
            indexed: indexed_receiver,
            backlog,
            threads: tokio::sync::Mutex::new(threads),
            blobs,
        })))
    }

    /// Writes events for `drafts` and answers once they are on disk. Each draft stands by itself.
    ///
    /// # Errors
    /// As [`Db::author`], and when the commit failed or the store is closed.
    pub async fn author(&self, drafts: Vec<Draft>, now: UnixMillis) -> Written {
        self.author_and(drafts, now, None).await
    }

    /// The same, and whatever `with` writes stands or falls with it: either all of it is on disk afterwards, or nothing.
    /// `with` learns what became of the drafts, and must touch no log.
    ///
    /// # Errors
    /// As [`Store::author`], and what `with` returns.
    pub async fn author_with(
        &self,
        drafts: Vec<Draft>,
        now: UnixMillis,
        with: impl FnOnce(&mut Db, &[Result<Authored, AuthorError>]) -> Result<(), Error> + Send + 'static,
    ) -> Written {
        self.author_and(drafts, now, Some(Box::new(with))).await
    }

    async fn author_and(&self, drafts: Vec<Draft>, now: UnixMillis, with: Option<With>) -> Written {
        self.wait_for_index().await;
        let (reply, answer) = oneshot::channel();
        let random = (self.0.random)();
        self.job(Job::Write(Write::Author { drafts, now, random, with, reply })).await?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Takes in verified events of one log and answers once they are on disk.
    ///
    /// # Errors
    /// As [`Db::apply_run`], and when the commit failed or the store is closed.
    pub async fn apply_run(
        &self,
        log: LogId,
        node: NodeId,
        events: Vec<Event>,
        from: Option<NodeId>,
        now: UnixMillis,
    ) -> Result<Applied, Error> {
        let (reply, answer) = oneshot::channel();
        self.job(Job::Write(Write::Apply { log, node, events, from, now, reply })).await?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Asks something of a snapshot of the database.
    ///
    /// # Errors
    /// What `ask` returns, and [`Error::Closed`].
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |reader| {
            // Whoever asked may be gone, which is no failure.
            drop(reply.send(reader.and_then(ask)));
        });
        self.0.readers.ask(question).await?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs something rare on the writer, after all that was asked before. Each method of [`Db`] is a transaction of
    /// its own and on disk when it returns.
    ///
    /// # Errors
    /// What `work` returns, and [`Error::Closed`], also when it panics.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |db| {
            let result = work(db);
            // Whoever asked may be gone, which is no failure.
            Box::new(move || drop(reply.send(result)))
        });
        self.job(Job::Other(work)).await?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs `work` in a transaction that it shares with whatever else is waiting, and answers once that is on disk.
    /// What fails leaves no trace. `work` must touch no log: nobody is told that something is new there.
    ///
    /// # Errors
    /// What `work` returns, when the commit failed, and [`Error::Closed`], also when it panics.
    pub async fn share<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let work: SharedWork = Box::new(move |db| {
            let result = db.and_then(|db| db.job(work));
            // Whoever asked may be gone, which is no failure.
            Box::new(move |failure| drop(reply.send(failure.map_or(result, |failure| Err(failure.clone())))))
        });
        self.job(Job::Write(Write::Shared(work))).await?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Tells when new events were committed.
    pub fn committed(&self) -> watch::Receiver<Committed> {
        self.0.committed.clone()
    }

    /// Tells how far the search index is: the position up to which it is complete.
    pub fn indexed(&self) -> watch::Receiver<u64> {
        self.0.indexed.clone()
    }

    /// The files of the ciphertexts; for threads that may wait for the disk.
    pub fn blobs(&self) -> Blobs {
        self.0.blobs.clone()
    }

    /// The directory of the database.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Takes no more jobs, finishes those that were taken, and waits until every thread is gone. What the index lacks
    /// is taken in at the next start.
    pub async fn close(&self) {
        drop(lock(&self.0.jobs).take());
        self.0.readers.close();
        // Nothing is ever sent: this ends when the last thread drops its sender.
        while self.0.threads.lock().await.recv().await.is_some() {}
    }

    async fn job(&self, job: Job) -> Result<(), Error> {
        let jobs = lock(&self.0.jobs).clone().ok_or(Error::Closed)?;
        jobs.send(job).await.map_err(|_| Error::Closed)
    }

    async fn wait_for_index(&self) {
        let mut indexed = self.0.indexed.clone();
        loop {
            indexed.mark_unchanged();
            if !lock(&self.0.backlog).is_full() || indexed.changed().await.is_err() {
                return;
            }
        }
    }
}

/// A lock that a panicking thread left is as good as before: what it guards is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has damaged blocks written down as soon as the writer comes to it. If it cannot take the job, the next one does it.
fn damage_writer(jobs: mpsc::WeakSender<Job>) -> impl Fn() + Send + Sync {
    move || {
        let work: Work = Box::new(|db| {
            if let Err(error) = db.note_damage() {
                tracing::error!(%error, "damaged content cannot be noted");
            }
            Box::new(|| ())
        });
        let _later = jobs.upgrade().is_some_and(|jobs| jobs.try_send(Job::Other(work)).is_ok());
    }
}

fn waiter(dir: &Path) -> Result<Waiter, Error> {
    Waiter::new().map_err(|error| Error::io(dir, error))
}

fn spawn(dir: &Path, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Error::io(dir, error))
}
