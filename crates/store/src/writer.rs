//! The thread that writes, and the thread that indexes.
//!
//! A commit costs a wait for the disk, however much is in it. So the writer takes all jobs that are waiting, runs each
//! in a savepoint of one transaction, commits, and only then answers: 64 writers at once share one wait. A job that
//! fails leaves no trace and harms no other; a commit that fails is the answer to every job in it, and the next batch
//! begins as if nothing had been.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver as WakeReceiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use antiphon_core::event::Event;
use antiphon_core::ids::NodeId;
use antiphon_core::log::LogId;
use antiphon_core::time::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};

use crate::db::Db;
use crate::error::{AuthorError, Error};
use crate::purge::{Erased, MainCost, Purging, pending};
use crate::rest::{self, Waiter};
use crate::search::Indexer;
use crate::store::{Backlog, Committed};
use crate::view::{Applied, Authored, Draft, Outcome};

/// Most jobs that share one commit.
const JOBS_PER_COMMIT_MAX: usize = 256;
/// Events after which no further job is taken into a commit.
const EVENTS_PER_COMMIT: usize = 4_096;
/// Facts that the indexer takes in at once.
const FACTS_PER_STEP: usize = 500;
/// Time from the end of one catching up to the next. The first write of many is indexed at once, and those that follow it
/// share a commit of the index; until then recall reads them where they stand.
const BETWEEN_STEPS: Duration = Duration::from_millis(20);

/// What authoring answers.
pub(crate) type Written = Result<Vec<Result<Authored, AuthorError>>, Error>;

/// What only its caller knows; it hands back how to answer, which is done once everybody was told of the commit.
pub(crate) type Work = Box<dyn FnOnce(&mut Db) -> Box<dyn FnOnce() + Send> + Send>;

/// The same for work that shares its commit: it is told if no transaction could be begun, and its answer if the commit
/// failed.
pub(crate) type SharedWork = Box<dyn FnOnce(Result<&mut Db, Error>) -> SharedAnswer + Send>;
/// Tells whoever waits how shared work ended.
pub(crate) type SharedAnswer = Box<dyn FnOnce(Option<&Error>) + Send>;

/// What is written together with events: it learns what became of the drafts.
pub(crate) type With = Box<dyn FnOnce(&mut Db, &[Result<Authored, AuthorError>]) -> Result<(), Error> + Send>;

/// Something for the writer to do.
pub(crate) enum Job {
    /// Shares a commit with whatever else is waiting.
    Write(Write),
    /// Anything else, in transactions of its own.
    Other(Work),
    /// Clean the main file of these erased subjects.
    Purge(Erased),
}

/// A write that shares its commit.
pub(crate) enum Write {
    /// Write drafts.
    Author {
        /// The drafts.
        drafts: Vec<Draft>,
        /// The wall clock.
        now: UnixMillis,
        /// Fresh random bytes.
        random: [u8; 32],
        /// What else stands or falls with them.
        with: Option<With>,
        /// Who waits.
        reply: oneshot::Sender<Written>,
    },
    /// Take in a run of another store.
    Apply {
        /// Which log.
        log: LogId,
        /// The key that signs it.
        node: NodeId,
        /// The events.
        events: Vec<Event>,
        /// Who handed them over.
        from: Option<NodeId>,
        /// The wall clock.
        now: UnixMillis,
        /// Who waits.
        reply: oneshot::Sender<Result<Applied, Error>>,
    },
    /// What only its caller knows, and what touches no log.
    Shared(SharedWork),
}

impl Job {
    fn weight(&self) -> usize {
        match self {
            Self::Write(Write::Author { drafts, .. }) => drafts.len(),
            Self::Write(Write::Apply { events, .. }) => events.len(),
            Self::Write(Write::Shared(_)) => 1,
            Self::Other(_) | Self::Purge(_) => 0,
        }
    }
}

/// A job that ran and waits for its commit.
enum Done {
    Author(oneshot::Sender<Written>, Written),
    Apply(oneshot::Sender<Result<Applied, Error>>, Result<Applied, Error>),
    Shared(SharedAnswer),
}

impl Done {
    /// Answers, with `failure` if the commit failed. Nobody may be waiting any more, which is no failure.
    fn answer(self, failure: Option<&Error>) {
        let failed = || failure.cloned();
        match self {
            Self::Author(reply, result) => drop(reply.send(failed().map_or(result, Err))),
            Self::Apply(reply, result) => drop(reply.send(failed().map_or(result, Err))),
            Self::Shared(answer) => answer(failure),
        }
    }

    /// Whether it may have written events.
    const fn touches_logs(&self) -> bool {
        !matches!(self, Self::Shared(_))
    }

    /// Own events that it wrote.
    fn own_events(&self) -> usize {
        let Self::Author(_, Ok(results)) = self else { return 0 };
        let written = |result: &&Result<Authored, AuthorError>| matches!(result, Ok(authored) if authored.outcome == Outcome::Written);
        results.iter().filter(written).count()
    }

    fn changed_charter(&self) -> bool {
        match self {
            Self::Author(_, Ok(results)) => {
                results.iter().flatten().any(|authored| authored.log.stream == antiphon_core::log::Stream::Charter)
            }
            Self::Apply(_, Ok(applied)) => applied.changed_charter,
            _ => false,
        }
    }
}

/// What the writer tells the others.
pub(crate) struct Outlets {
    /// What was committed.
    pub(crate) committed: watch::Sender<Committed>,
    /// Own events that are not indexed yet.
    pub(crate) backlog: Arc<Mutex<Backlog>>,
    /// Wakes the indexer.
    pub(crate) wake: SyncSender<()>,
    /// What cleaning the main file took.
    pub(crate) cost: MainCost,
}

/// The writer: runs until every sender is gone and the channel is empty.
pub(crate) fn write(mut db: Db, mut jobs: mpsc::Receiver<Job>, outlets: &Outlets, waiter: &Waiter) {
    while let Some(first) = waiter.next(&mut jobs, || db.rest()) {
        let mut weight = first.weight();
        let mut batch = vec![first];
        while batch.len() < JOBS_PER_COMMIT_MAX && weight < EVENTS_PER_COMMIT {
            let Ok(job) = jobs.try_recv() else { break };
            weight += job.weight();
            batch.push(job);
        }
        // A batch that panics is rolled back and its callers get no answer; the next one begins from what is on disk.
        if catch_unwind(AssertUnwindSafe(|| run_batch(&mut db, batch, outlets))).is_err() {
            roll_back(&mut db, "a commit panicked and was rolled back");
        }
    }
    // What is committed is safe in the write-ahead log too; this only leaves one whole file behind.
    if let Err(error) = db.fold_log() {
        tracing::warn!(%error, "the write-ahead log was not folded into the database");
    }
}

fn run_batch(db: &mut Db, batch: Vec<Job>, outlets: &Outlets) {
    let mut done: Vec<Done> = Vec::new();
    for job in batch {
        match job {
            Job::Other(work) => {
                commit(db, std::mem::take(&mut done), outlets);
                run_other(db, work, outlets);
            }
            Job::Purge(erased) => {
                commit(db, std::mem::take(&mut done), outlets);
                purge(db, &erased, outlets);
            }
            Job::Write(write) => {
                if done.is_empty()
                    && let Err(error) = db.begin()
                {
                    refuse(write, &error);
                    continue;
                }
                done.push(run(db, write));
                if db.lost_transaction() {
                    lost(db, std::mem::take(&mut done));
                }
            }
        }
    }
    commit(db, done, outlets);
}

fn run(db: &mut Db, write: Write) -> Done {
    match write {
        Write::Author { drafts, now, random, with, reply } => {
            Done::Author(reply, author(db, &drafts, now, random, with))
        }
        Write::Apply { log, node, events, from, now, reply } => {
            Done::Apply(reply, db.apply_run(log, node, events, from, now))
        }
        Write::Shared(work) => Done::Shared(work(Ok(db))),
    }
}

fn author(db: &mut Db, drafts: &[Draft], now: UnixMillis, random: [u8; 32], with: Option<With>) -> Written {
    let Some(with) = with else { return db.author(drafts, now, random) };
    db.author_with(drafts, now, random, with)
}

fn refuse(write: Write, error: &Error) {
    match write {
        Write::Author { reply, .. } => drop(reply.send(Err(error.clone()))),
        Write::Apply { reply, .. } => drop(reply.send(Err(error.clone()))),
        Write::Shared(work) => work(Err(error.clone()))(None),
    }
}

/// A failure ended the whole transaction: nothing of the batch so far is there.
fn lost(db: &mut Db, done: Vec<Done>) {
    let failure = done.iter().rev().find_map(|done| match done {
        Done::Author(_, Err(error)) | Done::Apply(_, Err(error)) => Some(error.clone()),
        _ => None,
    });
    let failure = db.roll_back().err().or(failure).unwrap_or(Error::Closed);
    done.into_iter().for_each(|done| done.answer(Some(&failure)));
}

fn commit(db: &mut Db, done: Vec<Done>, outlets: &Outlets) {
    if done.is_empty() {
        return;
    }
    let failure = db.commit().err();
    if failure.is_none() && done.iter().any(Done::touches_logs) {
        let own = done.iter().map(Done::own_events).sum();
        announce(db, own, done.iter().any(Done::changed_charter), outlets);
    }
    done.into_iter().for_each(|done| done.answer(failure.as_ref()));
}

/// Tells the indexer and whoever watches that there is something new.
fn announce(db: &Db, own: usize, charter: bool, outlets: &Outlets) {
    let pos = db.last_pos();
    if own > 0 {
        outlets.backlog.lock().unwrap_or_else(PoisonError::into_inner).wrote(pos, own);
    }
    // The indexer looks at everything that is there, so one waiting wake-up is enough.
    let _already_woken = outlets.wake.try_send(());
    outlets.committed.send_modify(|committed| {
        committed.pos = pos;
        committed.charter += u64::from(charter);
    });
}

/// Runs foreign code: if it panics, its caller gets no answer, and the writer goes on with what is on disk.
fn run_other(db: &mut Db, work: Work, outlets: &Outlets) {
    match catch_unwind(AssertUnwindSafe(|| work(db))) {
        Ok(answer) => {
            announce(db, 0, true, outlets);
            answer();
        }
        Err(_) => roll_back(db, "a write panicked and was rolled back"),
    }
}

/// Cleans the files; whatever does not work is tried again when the indexer asks again.
fn purge(db: &mut Db, erased: &Erased, outlets: &Outlets) {
    let began = Instant::now();
    let purged = db.purge_main(erased);
    // The most that it ever took: a try that only folds a log is cheap.
    let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    outlets.cost.fetch_max(took, Ordering::Relaxed);
    match purged {
        // Whoever waits for the files to be clean is told.
        Ok(true) => announce(db, 0, false, outlets),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "what was erased may still be in a file"),
    }
}

fn roll_back(db: &mut Db, why: &str) {
    tracing::error!("{why}");
    if let Err(error) = db.roll_back() {
        tracing::error!(%error, "the database cannot be read back");
    }
}

/// What the indexer tells the others.
pub(crate) struct Progress {
    /// The position up to which the index is complete.
    pub(crate) indexed: watch::Sender<u64>,
    /// Own events that are not indexed yet.
    pub(crate) backlog: Arc<Mutex<Backlog>>,
    /// What cleaning the main file took.
    pub(crate) cost: MainCost,
    /// Where the writer takes jobs, for as long as anybody else can send one.
    pub(crate) jobs: mpsc::WeakSender<Job>,
}

/// The indexer: catches up, then follows whatever is committed, until the writer is gone. What was erased leaves the
/// index before it leaves the main file, so it also drives the cleaning of files.
pub(crate) fn index(mut indexer: Indexer, main: &rusqlite::Connection, wake: &WakeReceiver<()>, progress: &Progress) {
    let mut purging = Purging::new(Arc::clone(&progress.cost));
    loop {
        let erased = pending(main);
        let failed = catch_up(&mut indexer, main, wake, &progress.indexed, &progress.backlog);
        if let Err(error) = &failed {
            tracing::warn!(%error, "the search index is behind");
        }
        progress.backlog.lock().unwrap_or_else(PoisonError::into_inner).set_stuck(failed.is_err());
        // Whoever waits must look again even when nothing moved.
        progress.indexed.send_modify(|_| {});
        let wait = match erased {
            Ok(erased) if failed.is_ok() => purging.step(erased, &indexer, &progress.jobs),
            _ => Some(Purging::WAIT_MAX),
        };
        let caught_up = Instant::now();
        let woken = match wait {
            Some(wait) => wake.recv_timeout(wait),
            None => rest::woken(wake, || {
                indexer.rest();
                rest::release(main);
            }),
        };
        if woken == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        if progress.backlog.lock().unwrap_or_else(PoisonError::into_inner).is_short() {
            std::thread::sleep(BETWEEN_STEPS.saturating_sub(caught_up.elapsed()));
        }
    }
}

fn catch_up(
    indexer: &mut Indexer,
    main: &rusqlite::Connection,
    wake: &WakeReceiver<()>,
    indexed: &watch::Sender<u64>,
    backlog: &Mutex<Backlog>,
) -> Result<(), Error> {
    loop {
        let step = indexer.step(main, FACTS_PER_STEP)?;
        backlog.lock().unwrap_or_else(PoisonError::into_inner).indexed(step.pos);
        indexed.send_replace(step.pos);
        // A step that was not full has looked at everything, but for commits that came after it looked, and these wake.
        if step.facts < FACTS_PER_STEP || wake.try_recv() == Err(TryRecvError::Disconnected) {
            return Ok(());
        }
    }
}
