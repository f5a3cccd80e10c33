//! Putting something into the outbox.

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Level, Outgoing};
use antiphon_protocol::outbox::moderate::Push as Pushed;
use antiphon_store::{Db, Error as StoreError, Full, Push};

use super::Handle;
use crate::api::Error;
use crate::clock::now;
use crate::inputs::Command;
use crate::outbox::ask::{Ask, Put};
use crate::outbox::pen::{Pen, Sorted};

/// What became of items that were handed in. What is critical is on disk.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Each of the others, in the order in which they were handed in. Those that found no room are handed back.
    pub(crate) memory: Vec<Pushed>,
}

impl Handle {
    /// With what items are put down.
    pub(crate) fn pen(&self) -> &Pen {
        &self.shared.pen
    }

    /// Puts items down and does `and` in the same transaction; delivery begins at once where the peer is connected.
    ///
    /// Returns when what is critical is durable. What is moderate, and what is not to be kept, is tried from memory
    /// after that: the latter once, the former a few times.
    ///
    /// # Errors
    /// [`Error::Store`] when there is no room or the database fails; then nothing is done.
    pub(crate) async fn send_items<T: Send + 'static>(
        &self,
        items: Vec<Outgoing>,
        and: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, Sent), Error> {
        self.send_items_then(items, move |db, _| and(db)).await
    }

    /// As [`Handle::send_items`]; `then` is told what became of the critical items.
    ///
    /// # Errors
    /// As [`Handle::send_items`].
    pub(crate) async fn send_items_then<T: Send + 'static>(
        &self,
        items: Vec<Outgoing>,
        then: impl FnOnce(&mut Db, &[Push]) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, Sent), Error> {
        let Sorted { critical, moderate, none } = self.pen().sort(items);
        let peers: Vec<NodeId> = critical.iter().map(|item| item.peer).collect();
        let bytes = critical.iter().map(|item| item.body.len() as u64).sum();
        let pen = self.pen().clone();
        let done = self.store().share(move |db| {
            let rows = if critical.is_empty() { Vec::new() } else { pen.put(db, &critical, now())? };
            Ok((then(db, &rows)?, rows))
        });
        let (value, rows) = match done.await {
            Ok(done) => done,
            Err(error) => {
                if matches!(error, StoreError::OutboxFull(Full { .. })) {
                    self.tell_outbox(Ask::Put { peers: Vec::new(), put: Put { full: 1, ..Put::default() } }).await;
                }
                return Err(error.into());
            }
        };
        if !rows.is_empty() {
            let merged = rows.iter().filter(|push| matches!(push, Push::Merged { .. })).count() as u64;
            let put = Put { items: rows.len() as u64, bytes, merged, full: 0 };
            self.tell_outbox(Ask::Put { peers, put }).await;
        }
        let mut memory = Vec::new();
        for (level, items) in [(Level::Moderate, moderate), (Level::None, none)] {
            if !items.is_empty() {
                memory.extend(self.ask(|reply| Command::Outbox(Ask::Keep { level, items, reply })).await?);
            }
        }
        Ok((value, Sent { memory }))
    }

    /// Tells the loop. What is durable is found again at the next start, so a node that stops loses nothing by it.
    async fn tell_outbox(&self, ask: Ask) {
        if self.shared.commands.send(Command::Outbox(ask)).await.is_err() {
            tracing::debug!("the node stops: what was put down waits for its next start");
        }
    }
}
