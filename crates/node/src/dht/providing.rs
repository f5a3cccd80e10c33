//! Keys: what this node provides, and who else does.

use antiphon_core::dht::Topic;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::dht::Backend;
use antiphon_protocol::dht::hybrid::Operation;
use antiphon_store::{DHT_PROVIDERS_PER_KEY_MAX, DHT_PROVIDES_MAX, DhtItem, DhtSource, Provided};
use tokio::time::Instant;

use super::{Context, Dht, News};
use crate::api::{DhtError, Error};
use crate::clock::now;

/// Somebody who provides a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) node: NodeId,
    /// When that was first heard.
    pub(crate) added_at: UnixMillis,
    /// When it was last heard.
    pub(crate) seen_at: UnixMillis,
}

impl Dht {
    /// Says that this node holds the ciphertext of this root.
    ///
    /// # Errors
    /// [`DhtError::Full`], [`Error::Store`].
    pub(crate) async fn provide_root(&self, root: Hash) -> Result<(), Error> {
        self.provide(&Topic::Content(root), DhtSource::Held).await.map(drop)
    }

    /// It holds it no more; says whether it did.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn withdraw_root(&self, root: Hash) -> Result<bool, Error> {
        self.withdraw(&Topic::Content(root)).await
    }

    /// Other members that say they hold it, the last heard first.
    ///
    /// # Errors
    /// [`Error::Store`]. That the network does not answer is no error.
    pub(crate) async fn find_roots(&self, root: Hash) -> Result<Vec<NodeId>, Error> {
        let own = self.sight().own;
        let found = self.providers(&Topic::Content(root), DHT_PROVIDERS_PER_KEY_MAX).await?;
        Ok(found.into_iter().map(|provider| provider.node).filter(|node| *node != own).collect())
    }

    /// Provides a key from now on; says whether that is new. It is acknowledged when it stands in the database.
    pub(crate) async fn provide(&self, topic: &Topic, source: DhtSource) -> Result<bool, Error> {
        let (began, what) = (Instant::now(), topic.clone());
        let done = self.at.store.share(move |db| db.provide_dht(&what, source, now())).await;
        self.at.ended(Backend::Local, Operation::Provide, began, done.is_ok()).await?;
        match done? {
            Provided::New(row) => self.tell(News::Waits(DhtItem::Provide(row))).await.map(|()| true),
            Provided::Known(_) => Ok(false),
            Provided::Full => Err(DhtError::Full { what: "provided keys", max: DHT_PROVIDES_MAX }.into()),
        }
    }

    /// Provides a key no more; says whether it did.
    pub(crate) async fn withdraw(&self, topic: &Topic) -> Result<bool, Error> {
        let what = topic.clone();
        let Some(row) = self.at.store.share(move |db| db.withdraw_dht(&what)).await? else { return Ok(false) };
        self.tell(News::Dropped(DhtItem::Provide(row))).await?;
        self.at.stop_providing(topic).await;
        Ok(true)
    }

    /// Members that provide a key, this one first if it does, then the last heard.
    pub(crate) async fn providers(&self, topic: &Topic, limit: usize) -> Result<Vec<Provider>, Error> {
        if self.is_online() {
            self.at.find(topic, limit).await?;
        }
        let (began, what, sight) = (Instant::now(), topic.clone(), self.sight());
        let read =
            self.at.store.read(move |reader| Ok((reader.dht_provides(&what)?, reader.dht_providers(&what, now())?)));
        let read = read.await;
        self.at.ended(Backend::Local, Operation::Providers, began, read.is_ok()).await?;
        let (own, others) = read?;
        let own = own.map(|own| Provider { node: sight.own, added_at: own.since, seen_at: now() });
        let others = others.into_iter().filter(|other| other.node != sight.own && sight.is_member(&other.node));
        let others =
            others.map(|other| Provider { node: other.node, added_at: other.added_at, seen_at: other.seen_at });
        Ok(own.into_iter().chain(others).take(limit).collect())
    }
}

impl Context {
    /// Asks members who provides a key, and notes what they say.
    pub(super) async fn find(&self, topic: &Topic, limit: usize) -> Result<Vec<NodeId>, Error> {
        let began = Instant::now();
        match self.net.providers(topic.multihash().to_vec(), limit).await {
            Ok(found) => {
                self.ended(Backend::Kad, Operation::Providers, began, true).await?;
                let own = self.key.node_id();
                let found: Vec<NodeId> = found.into_iter().filter(|node| *node != own).collect();
                let (what, nodes) = (topic.clone(), found.clone());
                if !nodes.is_empty() {
                    self.store.share(move |db| db.note_dht_providers(&what, &nodes, now())).await?;
                }
                Ok(found)
            }
            Err(antiphon_net::dht::Error::Busy { .. }) => Ok(Vec::new()),
            Err(error) => {
                tracing::debug!(%error, %topic, "the network does not say who provides a key");
                self.ended(Backend::Kad, Operation::Providers, began, false).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Members forget by themselves what is not said again; here it is forgotten at once.
    pub(super) async fn stop_providing(&self, topic: &Topic) {
        if let Err(error) = self.net.stop_providing(topic.multihash().to_vec()).await {
            tracing::debug!(%error, %topic, "the network goes on providing a key for a while");
        }
    }
}
