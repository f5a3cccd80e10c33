//! The tasks behind the doors, all spawned here.
//!
//! They stop in two steps. First they are asked: no new connection is taken, running requests are answered, streams
//! are ended. What is still there after [`GRACE_MS`] is dropped.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long running requests have to end, in milliseconds.
const GRACE_MS: u64 = 2_000;

/// The tasks behind the doors.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Tasks {
    /// No tasks yet; they are asked to stop when `shutdown` completes.
    pub(crate) fn new(shutdown: impl Future<Output = ()> + Send + 'static) -> Self {
        let tasks =
            Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), kill: CancellationToken::new() };
        let stop = tasks.stop.clone();
        tasks.spawn(async move {
            shutdown.await;
            stop.cancel();
        });
        tasks
    }

    /// Runs `task` until it ends by itself or has had its time.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let kill = self.kill.clone();
        // The handle is not needed: the tracker counts the task until it is gone.
        drop(self.tracker.spawn(async move {
            tokio::select! {
                () = task => {}
                () = kill.cancelled() => {}
            }
        }));
    }

    /// Cancelled when the doors close.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits until the doors close and every task is gone.
    pub(crate) async fn finished(&self) {
        self.stop.cancelled().await;
        self.tracker.close();
        if tokio::time::timeout(Duration::from_millis(GRACE_MS), self.tracker.wait()).await.is_err() {
            self.kill.cancel();
            self.tracker.wait().await;
        }
    }
}
