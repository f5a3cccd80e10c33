//! The one place that spawns tasks.

use std::future::Future;

use tokio::task::{JoinError, JoinHandle, JoinSet};

/// Tasks of the node; they end with it.
#[derive(Debug, Default)]
pub(crate) struct Tasks(JoinSet<()>);

impl Tasks {
    /// Runs `work` beside the loop.
    pub(crate) fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    /// Runs the loop itself, which outlives whoever started it.
    pub(crate) fn detach(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        tokio::spawn(work)
    }

    /// Runs work that takes the processor for long, on a thread that holds up nothing else.
    pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
        tokio::task::spawn_blocking(work).await
    }

    /// Runs work that takes the processor for long, on a thread of its own, and does not wait for it: whoever is
    /// interested hears of it through a channel.
    pub(crate) fn beside(work: impl FnOnce() + Send + 'static) {
        drop(tokio::task::spawn_blocking(work));
    }

    /// Runs several at the same time and waits for all; whatever breaks has no result. Those that are under way end with
    /// whoever waits.
    pub(crate) async fn all<T: Send + 'static>(
        works: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
    ) -> Vec<T> {
        let mut set = JoinSet::new();
        works.into_iter().for_each(|work| drop(set.spawn(work)));
        let mut results = Vec::with_capacity(set.len());
        while let Some(done) = set.join_next().await {
            match done {
                Ok(result) => results.push(result),
                Err(error) => tracing::error!(%error, "a task broke"),
            }
        }
        results
    }

    /// Waits for the next task to end and says if it broke. Never ready while there is none.
    pub(crate) async fn reap(&mut self) {
        match self.0.join_next().await {
            Some(Err(error)) if error.is_panic() => tracing::error!(%error, "a task broke"),
            Some(_) => {}
            None => std::future::pending().await,
        }
    }

    /// Ends every task.
    pub(crate) async fn end(mut self) {
        self.0.shutdown().await;
    }
}
