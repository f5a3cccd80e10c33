//! What waits for peers, for whoever looks after it.
//!
//! What is on disk is read from the database, how deliveries go is asked of the loop; the two are read one after the
//! other, so an item that arrives in between may be shown once more as waiting.

mod context;
mod words;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Level, TABLE};
use antiphon_store::{OutboxFilter as RowFilter, OutboxRow, OutboxState as RowState, Retried};

use super::Handle;
use crate::api::{
    Error, OUTBOX_PAGE_MAX, OutboxError, OutboxFilter, OutboxId, OutboxItemView, OutboxLevelView, OutboxPage,
    OutboxPeerView, OutboxRetried, OutboxState, OutboxStats, OutboxSummary, Problem,
};
use crate::audit::OUTBOX;
use crate::clock::now;
use crate::inputs::Command;
use crate::outbox::ask::{Ask, Put, Shown};
use context::{Context, counters, ranks};

impl Handle {
    /// What waits, and what waited in vain: at most `limit` of it.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn outbox(&self, filter: OutboxFilter, limit: usize) -> Result<OutboxPage, Error> {
        let limit = limit.clamp(1, OUTBOX_PAGE_MAX);
        let context = self.outbox_context().await?;
        let mut items = match filter.after {
            Some(OutboxId::Memory(_)) => Vec::new(),
            Some(OutboxId::Row(after)) => self.outbox_rows(&context, &filter, after, limit + 1).await?,
            None => self.outbox_rows(&context, &filter, 0, limit + 1).await?,
        };
        let after = match filter.after {
            Some(OutboxId::Memory(after)) => after,
            _ => 0,
        };
        let fits = |item: &OutboxItemView| {
            filter.peer.is_none_or(|peer| item.peer == Some(peer))
                && filter.level.is_none_or(|level| item.level == Some(level))
                && item.id > OutboxId::Memory(after)
        };
        items.extend(context.memory().filter(fits).take((limit + 1).saturating_sub(items.len())));
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(OutboxPage { items, more })
    }

    /// One item.
    ///
    /// # Errors
    /// [`Error::Outbox`] when there is no such item any more.
    pub async fn outbox_item(&self, id: OutboxId) -> Result<OutboxItemView, Error> {
        let context = self.outbox_context().await?;
        let found = match id {
            OutboxId::Memory(_) => context.memory().find(|item| item.id == id),
            OutboxId::Row(row) => self.outbox_row(row).await?.map(|(row, rank)| context.row(row, rank)),
        };
        Ok(found.ok_or_else(|| OutboxError::NotFound(id.to_string()))?)
    }

    /// Tries an item again now: one that was refused or did not open waits again.
    ///
    /// # Errors
    /// [`Error::Outbox`] when it is not there, still does not open, or was given up and is not kept.
    pub async fn retry_outbox_item(&self, id: OutboxId) -> Result<OutboxRetried, Error> {
        let item = self.outbox_item(id).await?;
        match id {
            OutboxId::Memory(number) => {
                let waits = self.ask(|reply| Command::Outbox(Ask::Again { item: number, reply })).await?;
                if !waits {
                    return Err(OutboxError::NotKept(id.to_string()).into());
                }
            }
            OutboxId::Row(row) => {
                let peer = self.retry_row(row).await?;
                self.waits_again(vec![peer]).await?;
            }
        }
        let put_back = u64::from(!item.state.is_pending());
        Ok(OutboxRetried { put_back, peers: self.try_now(item.peer).await? })
    }

    /// Tries everything again now: what was refused or did not open waits again, if it can.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn retry_outbox(&self) -> Result<OutboxRetried, Error> {
        let mut put_back = 0;
        for state in [RowState::Refused, RowState::Broken] {
            let mut after = 0;
            loop {
                let filter = RowFilter { state: Some(state), ..RowFilter::default() };
                let read = self.store().read(move |reader| reader.outbox_list(&filter, after, OUTBOX_PAGE_MAX, None));
                let rows: Vec<u64> = read.await?.into_iter().map(|row| row.id).collect();
                let Some(last) = rows.last() else { break };
                after = *last;
                let peers = self.put_back(rows).await?;
                put_back += peers.len() as u64;
                self.waits_again(peers).await?;
            }
        }
        Ok(OutboxRetried { put_back, peers: self.try_now(None).await? })
    }

    /// Drops an item: it is not delivered, unless it was already. Returns what it was.
    ///
    /// # Errors
    /// [`Error::Outbox`] when it is not there.
    pub async fn drop_outbox(&self, id: OutboxId) -> Result<OutboxItemView, Error> {
        let item = self.outbox_item(id).await?;
        let missing = || Error::from(OutboxError::NotFound(id.to_string()));
        let what = item.protocol.map_or("damaged", antiphon_core::outbox::Protocol::name);
        let line = format!("a person dropped item {id}: {what}, {} bytes", item.bytes);
        let peer = item.peer;
        match id {
            OutboxId::Memory(number) => {
                if !self.ask(|reply| Command::Outbox(Ask::Drop { item: number, reply })).await? {
                    let gone = OutboxError::NotKept(id.to_string()).into();
                    return Err(if item.state.is_pending() { missing() } else { gone });
                }
                self.store().write(move |db| db.audit(now(), OUTBOX, peer.as_ref(), "dropped", &line)).await?;
            }
            OutboxId::Row(row) => {
                let dropped = self.store().write(move |db| {
                    let dropped = db.drop_outbox(&[row])?;
                    if dropped > 0 {
                        db.audit(now(), OUTBOX, peer.as_ref(), "dropped", &line)?;
                    }
                    Ok(dropped)
                });
                if dropped.await? == 0 {
                    return Err(missing());
                }
                self.tell(Command::Outbox(Ask::Dropped(1))).await?;
            }
        }
        Ok(item)
    }

    /// Every kind of request, and how much it matters on this node.
    pub fn outbox_levels(&self) -> Vec<OutboxLevelView> {
        let levels = self.pen().levels();
        let view = |row: &antiphon_core::outbox::Row| OutboxLevelView {
            protocol: row.protocol,
            level: levels.of(row.protocol),
            usual: row.level,
            merges: row.merges,
            what: row.what,
        };
        TABLE.iter().map(view).collect()
    }

    /// The outbox in numbers.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn outbox_stats(&self) -> Result<OutboxStats, Error> {
        let context = self.outbox_context().await?;
        let (rows, stuck) = self.store().read(|reader| Ok((reader.outbox_peers()?, reader.outbox_stuck()?))).await?;
        let of_memory = |state| context.memory().filter(|item| item.state == state).count() as u64;
        Ok(OutboxStats {
            bounds: self.pen().bounds(),
            refused: stuck.refused.saturating_add(of_memory(OutboxState::Refused)),
            damaged: stuck.broken,
            abandoned: of_memory(OutboxState::Abandoned),
            peers: context.peers(&rows),
            counters: counters(&context.shown.counts),
            restored: context.restored(),
        })
    }

    /// How many items of each level wait.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn outbox_by_level(&self) -> Result<[(Level, u64); 2], Error> {
        let context = self.outbox_context().await?;
        let rows = self.store().read(|reader| reader.outbox_peers()).await?;
        let moderate = context.memory().filter(|item| item.state.is_pending()).count() as u64;
        let critical = rows.iter().map(antiphon_store::OutboxPeer::waiting).fold(0, u64::saturating_add);
        Ok([(Level::Critical, critical), (Level::Moderate, moderate)])
    }

    /// The outbox in short.
    pub(super) async fn outbox_summary(&self) -> Result<OutboxSummary, Error> {
        let context = self.outbox_context().await?;
        let rows = self.store().read(|reader| reader.outbox_peers()).await?;
        let mut peers = context.peers(&rows);
        peers.retain(|peer| peer.pending > 0 || peer.stuck > 0);
        let sum = |of: fn(&OutboxPeerView) -> u64| peers.iter().map(of).fold(0, u64::saturating_add);
        let (pending, stuck) = (sum(|peer| peer.pending), sum(|peer| peer.stuck));
        Ok(OutboxSummary { pending, stuck, peers, restored: context.restored() })
    }

    /// What waits for one peer, if anything does.
    pub(super) async fn outbox_of(&self, peer: NodeId) -> Result<Option<OutboxPeerView>, Error> {
        Ok(self.outbox_summary().await?.peers.into_iter().find(|view| view.peer == peer))
    }

    async fn outbox_context(&self) -> Result<Context, Error> {
        let shown: Shown = self.ask(|reply| Command::Outbox(Ask::Show(reply))).await?;
        let names = self.peers().await?.into_iter().map(|peer| (peer.peer_id, peer.name)).collect();
        let own = self.team().await?.own.name;
        Ok(Context { shown, names, own, levels: self.pen().levels() })
    }

    /// A page of rows. Each is opened, so that damage shows before its turn comes.
    async fn outbox_rows(
        &self,
        context: &Context,
        filter: &OutboxFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OutboxItemView>, Error> {
        if filter.level.is_some_and(|level| level != Level::Critical) {
            return Ok(Vec::new());
        }
        let (sealer, only) = (self.pen().sealer(), RowFilter { peer: filter.peer, ..RowFilter::default() });
        let read = self.store().read(move |reader| {
            let rows = reader.outbox_list(&only, after, limit, Some(sealer.as_ref()))?;
            ranks(reader, rows)
        });
        Ok(read.await?.into_iter().map(|(row, rank)| context.row(row, rank)).collect())
    }

    async fn outbox_row(&self, row: u64) -> Result<Option<(OutboxRow, Option<u64>)>, Error> {
        let sealer = self.pen().sealer();
        let read = self.store().read(move |reader| {
            let Some((row, _)) = reader.outbox_item(row, sealer.as_ref())? else { return Ok(None) };
            Ok(ranks(reader, vec![row])?.pop())
        });
        Ok(read.await?)
    }

    /// Lets a row wait again, and says for whom it is.
    async fn retry_row(&self, row: u64) -> Result<NodeId, Error> {
        let sealer = self.pen().sealer();
        match self.store().write(move |db| db.retry_outbox(row, sealer.as_ref())).await? {
            Retried::Waits { peer, .. } => Ok(peer),
            Retried::Broken(reason) => Err(OutboxError::Damaged { id: row.to_string(), reason }.into()),
            Retried::Gone => Err(OutboxError::NotFound(row.to_string()).into()),
        }
    }

    /// Lets rows wait again that can, and says for whom each of them is.
    async fn put_back(&self, rows: Vec<u64>) -> Result<Vec<NodeId>, Error> {
        let sealer = self.pen().sealer();
        let write = self.store().write(move |db| {
            let mut peers = Vec::new();
            for row in rows {
                if let Retried::Waits { peer, .. } = db.retry_outbox(row, sealer.as_ref())? {
                    peers.push(peer);
                }
            }
            Ok(peers)
        });
        Ok(write.await?)
    }

    /// Tells the loop that something waits for these peers, of which it may have known nothing any more.
    async fn waits_again(&self, mut peers: Vec<NodeId>) -> Result<(), Error> {
        peers.sort_unstable();
        peers.dedup();
        self.tell(Command::Outbox(Ask::Put { peers, put: Put::default() })).await
    }

    async fn try_now(&self, peer: Option<NodeId>) -> Result<u64, Error> {
        self.ask(|reply| Command::Outbox(Ask::Now { peer, reply })).await
    }
}

/// What a person should know of the outbox.
pub(super) fn problems(outbox: &OutboxSummary) -> Vec<Problem> {
    let (items, are) = if outbox.stuck == 1 { ("item", "is") } else { ("items", "are") };
    let what = format!("{} {items} of the outbox {are} not delivered until you decide", outbox.stuck);
    let stuck = (outbox.stuck > 0).then(|| Problem { what, fix: "antiphon outbox list".to_owned() });
    let lost = outbox.restored.iter().filter(|restored| restored.lost);
    let lost = lost.map(|restored| Problem { what: restored.words.what.clone(), fix: restored.words.fix.clone() });
    stuck.into_iter().chain(lost).collect()
}
