//! Giving memory back while there is nothing to do.
//!
//! Every connection keeps the pages it has read or written, which is what makes the next question fast. A node has
//! half a dozen connections, and what a first sync filled them with would stay for as long as the node runs. So each
//! thread of the database, once it has had nothing to do for [`REST_AFTER`], lets go of its pages; the operating
//! system still has them in its own cache, and the next question costs some reads of memory more.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// Time without work after which a thread gives its memory back.
pub(crate) const REST_AFTER: Duration = Duration::from_secs(2);

/// Waits on a channel from a thread of its own, and gives up after a while.
pub(crate) struct Waiter {
    clock: Runtime,
    after: Duration,
}

impl Waiter {
    /// A waiter for one thread.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { clock: Builder::new_current_thread().enable_time().build()?, after: REST_AFTER })
    }

    /// The next of what comes, `Some(None)` when nothing will come any more, and `None` when nothing came in time.
    fn within<T>(&self, channel: &mut mpsc::Receiver<T>) -> Option<Option<T>> {
        if let Ok(next) = channel.try_recv() {
            return Some(Some(next));
        }
        self.clock.block_on(async { tokio::time::timeout(self.after, channel.recv()).await.ok() })
    }

    /// The next of what comes; calls `rest` if that is not soon.
    pub(crate) fn next<T>(&self, channel: &mut mpsc::Receiver<T>, rest: impl FnOnce()) -> Option<T> {
        self.within(channel).unwrap_or_else(|| {
            rest();
            channel.blocking_recv()
        })
    }
}

/// Lets go of the pages that a connection keeps.
pub(crate) fn release(connection: &Connection) {
    if let Err(error) = connection.release_memory() {
        tracing::debug!(%error, "a connection keeps its memory");
    }
}

/// Waits to be woken; calls `rest` if that is not soon.
pub(crate) fn woken(wake: &std::sync::mpsc::Receiver<()>, rest: impl FnOnce()) -> Result<(), RecvTimeoutError> {
    match wake.recv_timeout(REST_AFTER) {
        Err(RecvTimeoutError::Timeout) => {
            rest();
            wake.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
        woken => woken,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn waiter() -> Waiter {
        Waiter { after: Duration::from_millis(1), ..Waiter::new().unwrap() }
    }

    #[test]
    fn a_writer_rests_once_and_takes_what_comes_later() {
        let (jobs, mut taken) = mpsc::channel(1);
        let rests = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while rests.load(Ordering::Relaxed) == 0 {
                    std::thread::yield_now();
                }
                jobs.blocking_send(7).unwrap();
            });
            let rest = || {
                rests.fetch_add(1, Ordering::Relaxed);
            };
            assert_eq!(waiter().next(&mut taken, rest), Some(7));
        });
        assert_eq!(rests.load(Ordering::Relaxed), 1);
        drop(jobs);
        assert_eq!(waiter().next(&mut taken, || unreachable!("the channel is closed")), None);
    }
}
