//! How one item is published, and what is heard from members kept.

use antiphon_core::dht::{LIFE_MS, Record};
use antiphon_net::dht::Error as NetError;
use antiphon_protocol::dht::Backend;
use antiphon_protocol::dht::hybrid::Operation;
use antiphon_protocol::dht::publish::End;
use antiphon_store::{DHT_ROWS_MAX, DhtItem, DhtPut, DhtRecord};
use tokio::time::Instant;

use super::{Context, News};
use crate::api::Error;
use crate::clock::now;

/// Members that are asked to keep a record before it counts as published.
const COPIES: usize = 3;

impl Context {
    /// Publishes an item and tells the keeper how it went.
    pub(super) async fn publish(self, item: DhtItem, renew: bool) {
        let published = match item {
            DhtItem::Record(row) => self.publish_record(row, renew).await,
            DhtItem::Provide(row) => self.publish_provide(row).await,
        };
        let news = match published {
            Ok(Some(end)) => News::Published { item, end },
            Ok(None) => News::Dropped(item),
            Err(error) => {
                tracing::warn!(%error, "something could not be published");
                News::Published { item, end: End::Failed }
            }
        };
        if self.tell(news).await.is_err() {
            tracing::debug!("the keeper has stopped");
        }
    }

    /// `None` when there is nothing to publish any more.
    async fn publish_record(&self, row: u64, renew: bool) -> Result<Option<End>, Error> {
        let read = |row| self.store.read(move |reader| reader.dht_own_record(row));
        let Some(mut held) = read(row).await? else { return Ok(None) };
        if renew {
            if !self.renew(&held).await? {
                return Ok(None);
            }
            match read(row).await? {
                Some(renewed) => held = renewed,
                None => return Ok(None),
            }
        }
        let (began, expires) = (Instant::now(), held.expires);
        let put = self.net.put(held.key.clone(), held.value.clone(), COPIES).await;
        let done = match put {
            Ok(_) => true,
            Err(NetError::TooFew { got, .. }) if got > 0 => true,
            // Members refuse a record where a better one stands. If they show it, that one is kept.
            Err(NetError::TooFew { .. }) if self.fetch(&held.key).await? => {
                return Ok(read(row).await?.map(|_| End::Failed));
            }
            Err(NetError::Refused { reason }) => return self.refused(&held, reason).await,
            Err(NetError::Busy { .. }) => return Ok(Some(End::Failed)),
            Err(error) => {
                tracing::debug!(%error, "a record was not published");
                false
            }
        };
        self.ended(Backend::Kad, Operation::Put, began, done).await?;
        if !done {
            return Ok(Some(End::Failed));
        }
        let (item, value) = (DhtItem::Record(row), held.value);
        self.store.share(move |db| db.note_dht_published(item, Some(&value), now())).await?;
        Ok(Some(End::Done { expires: Some(expires) }))
    }

    /// Signs a record again for a longer life; says whether it still stands.
    async fn renew(&self, held: &DhtRecord) -> Result<bool, Error> {
        let record = Record { expires: now().after(LIFE_MS), ..held.read()? };
        let value = match record.sign(self.key.as_ref()) {
            Ok(value) => value,
            Err(refusal) => {
                tracing::warn!(%refusal, "a record of this node cannot be signed again");
                return Ok(false);
            }
        };
        match self.keep(held.key.clone(), value).await? {
            DhtPut::Kept { .. } | DhtPut::Known { .. } => Ok(true),
            DhtPut::Refused(refusal) => self.drop_record(held, refusal.name()).await.map(|()| false),
            DhtPut::Full => Ok(true),
        }
    }

    /// The law of this very node does not let the record in any more: the index says something else, or a better one
    /// is known.
    async fn refused(&self, held: &DhtRecord, reason: &'static str) -> Result<Option<End>, Error> {
        if held.expires <= now() {
            return Ok(Some(End::Failed));
        }
        // What the network's memory holds may be what the disk missed.
        let _asked = self.fetch(&held.key).await?;
        self.drop_record(held, reason).await.map(|()| None)
    }

    async fn drop_record(&self, held: &DhtRecord, reason: &'static str) -> Result<(), Error> {
        tracing::info!(reason, "a record of this node stands no more and is not published");
        let (key, row) = (held.key.clone(), held.id);
        let write = self.store.share(move |db| match db.reader().dht_own_record(row)? {
            Some(_) => db.drop_dht_record(&key).map(drop),
            None => Ok(()),
        });
        Ok(write.await?)
    }

    async fn publish_provide(&self, row: u64) -> Result<Option<End>, Error> {
        let Some(held) = self.store.read(move |reader| reader.dht_provide(row)).await? else { return Ok(None) };
        let began = Instant::now();
        match self.net.provide(held.topic.multihash().to_vec()).await {
            Ok(()) => {}
            Err(NetError::Busy { .. }) => return Ok(Some(End::Failed)),
            Err(error) => {
                tracing::debug!(%error, topic = %held.topic, "a provided key was not published");
                self.ended(Backend::Kad, Operation::Provide, began, false).await?;
                return Ok(Some(End::Failed));
            }
        }
        self.ended(Backend::Kad, Operation::Provide, began, true).await?;
        // It may have been withdrawn meanwhile; then this was too late.
        if self.store.read(move |reader| reader.dht_provide(row)).await?.is_none() {
            self.stop_providing(&held.topic).await;
            return Ok(None);
        }
        self.store.share(move |db| db.note_dht_published(DhtItem::Provide(row), None, now())).await?;
        Ok(Some(End::Done { expires: None }))
    }

    /// Keeps records that members gave to this node to hold.
    pub(super) async fn keep_heard(self, records: Vec<(Vec<u8>, Vec<u8>)>) {
        let known = self.judge.known();
        let write = self.store.share(move |db| {
            let mut displaced = Vec::new();
            for (key, value) in records {
                if let DhtPut::Kept { displaced: Some(row), .. } =
                    db.put_dht_record(&known.realm, &known, &key, &value, now())?
                {
                    displaced.push(row);
                }
            }
            Ok(displaced)
        });
        let displaced = write.await.unwrap_or_else(|error| {
            tracing::error!(%error, "records of others were not kept on disk");
            Vec::new()
        });
        for row in displaced {
            let _stopping = self.tell(News::Dropped(DhtItem::Record(row))).await;
        }
        let _stopping = self.tell(News::HeardKept).await;
    }

    /// Gives the network what the disk holds, so that members find it again after a restart.
    pub(super) async fn give_back(self) {
        for own in [true, false] {
            let mut after = 0;
            loop {
                let page = match self.store.read(move |reader| reader.dht_records(own, after, DHT_ROWS_MAX)).await {
                    Ok(page) => page,
                    Err(error) => return tracing::error!(%error, "records of the hash table cannot be read"),
                };
                let Some(last) = page.last() else { break };
                after = last.id;
                for record in page {
                    // What has ended, or counts no more, is refused: it is not missed.
                    if let Err(error) = self.net.keep(record.key, record.value).await {
                        tracing::trace!(%error, "a record is not given back");
                    }
                }
            }
        }
    }
}
