//! The threads that read.
//!
//! Each has connections of its own, and these keep the pages that they have read. So a question goes to whoever has
//! worked last and has nothing to do: its pages are the newest, and the others can rest. A question wakes one thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;
use crate::reader::Reader;
use crate::rest;
use crate::search::Frequencies;

/// Most questions that wait for a reader; whoever asks more waits with his question.
const WAITING_MAX: usize = 1_024;

/// A question on its way to a reader; it is told when no snapshot could be had.
pub(crate) type Question = Box<dyn FnOnce(Result<&Reader<'_>, Error>) + Send>;

/// Where questions are asked. The threads end once it is closed or gone, and what was asked before is answered.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    room: Arc<Semaphore>,
}

/// Where questions wait.
struct Queue {
    state: Mutex<State>,
    /// What wakes each thread.
    wakes: Vec<Condvar>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Question, OwnedSemaphorePermit)>,
    /// Threads with nothing to do, whoever has worked last at the end.
    idle: Vec<usize>,
    closed: bool,
}

/// One thread's place in the pool.
pub(crate) struct Place {
    queue: Arc<Queue>,
    index: usize,
    /// Time without a question after which its pages are given back.
    rest_after: Duration,
}

impl Pool {
    /// A pool of `size` threads, which are to [work](Place::work) at these places.
    pub(crate) fn new(size: usize) -> (Self, Vec<Place>) {
        let wakes = (0..size).map(|_| Condvar::new()).collect();
        let queue = Arc::new(Queue { state: Mutex::default(), wakes });
        let place = |index| Place { queue: Arc::clone(&queue), index, rest_after: rest::REST_AFTER };
        let places = (0..size).map(place).collect();
        (Self { queue, room: Arc::new(Semaphore::new(WAITING_MAX)) }, places)
    }

    /// Puts a question to the threads, and waits while too many are there.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub(crate) async fn ask(&self, question: Question) -> Result<(), Error> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Error::Closed)?;
        let mut state = self.queue.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        state.waiting.push_back((question, room));
        let wake = state.idle.pop().and_then(|index| self.queue.wakes.get(index));
        drop(state);
        // Where nobody is idle, whoever is ready first takes it.
        wake.into_iter().for_each(Condvar::notify_one);
        Ok(())
    }

    /// Takes no more questions; the threads end when all that were asked are answered.
    pub(crate) fn close(&self) {
        self.room.close();
        self.queue.lock().closed = true;
        self.queue.wakes.iter().for_each(Condvar::notify_one);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    /// A thread that panicked left the state whole: nothing that can panic runs while it is locked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Answers until the pool is closed.
    pub(crate) fn work(self, main: &Connection, search: &Connection, frequencies: &Frequencies) {
        while let Some(question) = self.next(|| [main, search].into_iter().for_each(rest::release)) {
            let reader = Reader::new(main, search, frequencies);
            // A question that panics costs its asker the answer and nobody else anything.
            let asked = catch_unwind(AssertUnwindSafe(|| match snapshot(main, search) {
                Ok(_held) => question(Ok(&reader)),
                Err(error) => question(Err(error)),
            }));
            if asked.is_err() {
                tracing::error!("a question panicked");
            }
        }
    }

    /// The next question, or `None` when none will come. Calls `rest` once if there is none for a while.
    fn next(&self, rest: impl Fn()) -> Option<Question> {
        let wake = self.queue.wakes.get(self.index)?;
        let mut rested = false;
        let mut state = self.queue.lock();
        loop {
            if let Some((question, _room)) = state.waiting.pop_front() {
                state.idle.retain(|index| *index != self.index);
                return Some(question);
            }
            if state.closed {
                return None;
            }
            if !state.idle.contains(&self.index) {
                state.idle.push(self.index);
            }
            if rested {
                state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (woken, waited) = wake.wait_timeout(state, self.rest_after).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.waiting.is_empty() {
                drop(state);
                rest();
                rested = true;
                state = self.queue.lock();
            }
        }
    }
}

/// Holds both databases still: several queries of one question see one state.
fn snapshot<'a>(main: &'a Connection, search: &'a Connection) -> Result<(Transaction<'a>, Transaction<'a>), Error> {
    // The index first: it may then lag behind the facts, never run ahead of them.
    Ok((search.unchecked_transaction()?, main.unchecked_transaction()?))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// A pool whose threads say which of them takes a question, which they leave unanswered, and when they rest.
    fn pool(size: usize, rest_after: Duration) -> (Pool, mpsc::Receiver<usize>, Arc<AtomicUsize>) {
        let (pool, places) = Pool::new(size);
        let (taken, by) = mpsc::channel();
        let rests = Arc::new(AtomicUsize::new(0));
        for place in places {
            let (place, taken, rests) = (Place { rest_after, ..place }, taken.clone(), Arc::clone(&rests));
            thread::spawn(move || {
                let rest = || {
                    rests.fetch_add(1, Ordering::Relaxed);
                };
                while let Some(question) = place.next(rest) {
                    drop(question);
                    taken.send(place.index).unwrap();
                }
            });
        }
        (pool, by, rests)
    }

    fn all_idle(pool: &Pool) {
        while pool.queue.lock().idle.len() < pool.queue.wakes.len() {
            thread::yield_now();
        }
    }

    fn question() -> Question {
        Box::new(|_| ())
    }

    #[tokio::test]
    async fn whoever_worked_last_works_next() {
        let (pool, by, _) = pool(3, Duration::from_secs(3_600));
        all_idle(&pool);
        pool.ask(question()).await.unwrap();
        let first = by.recv().unwrap();
        for _ in 0..20 {
            all_idle(&pool);
            pool.ask(question()).await.unwrap();
            assert_eq!(by.recv().unwrap(), first);
        }
    }

    #[tokio::test]
    async fn every_thread_rests_once_until_it_works_again() {
        let (pool, by, rests) = pool(3, Duration::from_millis(1));
        while rests.load(Ordering::Relaxed) < 3 {
            thread::yield_now();
        }
        all_idle(&pool);
        pool.ask(question()).await.unwrap();
        by.recv().unwrap();
        while rests.load(Ordering::Relaxed) < 4 {
            thread::yield_now();
        }
        drop(pool);
        assert!(by.recv().is_err(), "all threads end");
        assert_eq!(rests.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn what_was_asked_before_the_end_is_answered_and_then_nobody_asks() {
        let (pool, places) = Pool::new(2);
        let answered = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            pool.ask(question()).await.unwrap();
        }
        pool.close();
        assert!(matches!(pool.ask(question()).await, Err(Error::Closed)));
        thread::scope(|scope| {
            for place in &places {
                let answered = Arc::clone(&answered);
                scope.spawn(move || {
                    while place.next(|| ()).is_some() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(answered.load(Ordering::Relaxed), 100);
    }

    #[tokio::test]
    async fn whoever_asks_too_much_waits() {
        let (pool, places) = Pool::new(1);
        for _ in 0..WAITING_MAX {
            pool.ask(question()).await.unwrap();
        }
        // Tokio lets a task that has done much wait in any case, so this one is not to count what it has done.
        let mut waits = std::pin::pin!(tokio::task::unconstrained(pool.ask(question())));
        assert!(at_once(waits.as_mut()).is_none(), "there is no room");
        assert!(places[0].next(|| ()).is_some());
        assert!(at_once(waits.as_mut()).is_some_and(|asked| asked.is_ok()));
    }

    /// What a future gives without waiting.
    fn at_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(ready) => Some(ready),
            std::task::Poll::Pending => None,
        }
    }
}
