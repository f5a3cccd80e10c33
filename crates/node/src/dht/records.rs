//! Records: what this node says under a key, and what is found there.

use std::sync::Arc;

use antiphon_core::dht::{Body, Key, Knowledge as _, LIFE_MS, Pointer, Record, Refusal, Standing};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::dht::Backend;
use antiphon_protocol::dht::hybrid::Operation;
use antiphon_store::{DHT_OWN_RECORDS_MAX, DhtItem, DhtPut, DhtRecord};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Context, News, Sight};
use crate::api::{DhtError, Error};
use crate::clock::now;

/// Members that are asked what they have under a key.
const ASKED: usize = 3;

/// What became of a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PointerPut {
    /// It stands, and members are told.
    Stands,
    /// Another one stands by the index or by its version.
    Superseded(Refusal),
}

/// A record that was found.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) record: Record,
    /// The signed bytes.
    pub(crate) value: Vec<u8>,
    pub(crate) key: Vec<u8>,
    /// What the index says of it, if it is a pointer.
    pub(crate) standing: Standing,
    /// Whether members were asked too, and answered.
    pub(crate) asked: bool,
    /// When members took it, if it is this node's.
    pub(crate) published_at: Option<UnixMillis>,
}

/// Where the rest of the node asks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dht {
    pub(super) at: Arc<Context>,
    using: watch::Receiver<Backend>,
}

impl Dht {
    pub(super) fn new(context: Context, using: watch::Receiver<Backend>) -> Self {
        Self { at: Arc::new(context), using }
    }

    /// The team and its peers, as the loop showed them last.
    pub(crate) fn sight(&self) -> Sight {
        self.at.sight.borrow().clone()
    }

    /// Whether members are asked.
    pub(crate) fn is_online(&self) -> bool {
        *self.using.borrow() == Backend::Kad
    }

    pub(crate) fn net(&self) -> &antiphon_net::Dht {
        &self.at.net
    }

    /// Tells the keeper.
    pub(crate) async fn tell(&self, news: News) -> Result<(), Error> {
        self.at.tell(news).await
    }

    /// Says where a version of a document is. It is acknowledged when it stands in the database; members are told as
    /// soon as they can be.
    ///
    /// # Errors
    /// [`DhtError::Full`] when there is no room for more records, [`Error::Store`].
    pub(crate) async fn publish_pointer(&self, pointer: Pointer, version: u64) -> Result<PointerPut, Error> {
        match self.say(Body::Pointer(pointer), version).await? {
            DhtPut::Refused(refusal) => Ok(PointerPut::Superseded(refusal)),
            DhtPut::Full => Err(DhtError::Full { what: "records", max: DHT_OWN_RECORDS_MAX }.into()),
            DhtPut::Kept { .. } | DhtPut::Known { .. } => Ok(PointerPut::Stands),
        }
    }

    /// Signs a record of this node and keeps it.
    pub(super) async fn say(&self, body: Body, version: u64) -> Result<DhtPut, Error> {
        let realm = self.at.judge.known().realm;
        let author = self.at.key.node_id();
        let record = Record { team: realm.team, author, version, expires: now().after(LIFE_MS), body };
        let value = match record.sign(self.at.key.as_ref()) {
            Ok(value) => value,
            Err(refusal) => return Ok(DhtPut::Refused(refusal)),
        };
        self.put(record.key().path(&realm.prefix).into_bytes(), value).await
    }

    /// Keeps a signed record, and tells members: of its own until it is withdrawn, of another member's once, since that
    /// member goes on telling.
    pub(crate) async fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<DhtPut, Error> {
        let (began, others) = (Instant::now(), (key.clone(), value.clone()));
        let put = self.at.keep(key, value).await;
        self.at.ended(Backend::Local, Operation::Put, began, put.is_ok()).await?;
        let put = put?;
        if let DhtPut::Kept { id, own, displaced } = &put {
            if *own {
                self.tell(News::Waits(DhtItem::Record(*id))).await?;
            } else if self.is_online()
                && let Err(error) = self.at.net.put(others.0, others.1, 1).await
            {
                tracing::debug!(%error, "another member's record was kept here alone");
            }
            if let Some(row) = displaced {
                self.tell(News::Dropped(DhtItem::Record(*row))).await?;
            }
        }
        Ok(put)
    }

    /// The record that stands under a key: here, and among the members while the network does well.
    pub(crate) async fn get(&self, key: Key) -> Result<Option<Answer>, Error> {
        let path = key.path(&self.at.judge.known().realm.prefix).into_bytes();
        let asked = self.is_online() && self.at.fetch(&path).await?;
        let row = self.row(&path).await?;
        row.map(|row| self.answer(row, asked)).transpose()
    }

    /// The record under a key as it is known here, without asking anybody.
    pub(crate) async fn known(&self, path: &[u8]) -> Result<Option<Answer>, Error> {
        self.row(path).await?.map(|row| self.answer(row, false)).transpose()
    }

    async fn row(&self, path: &[u8]) -> Result<Option<DhtRecord>, Error> {
        let (began, path) = (Instant::now(), path.to_vec());
        let read = self.at.store.read(move |reader| reader.dht_record(&path)).await;
        self.at.ended(Backend::Local, Operation::Get, began, read.is_ok()).await?;
        // An own one that has ended is signed again as soon as it is published; it says what it says. What somebody said
        // who was put out counts no more.
        let counts = |row: &DhtRecord| row.own || (row.expires > now() && self.at.judge.known().is_member(&row.author));
        Ok(read?.filter(counts))
    }

    fn answer(&self, row: DhtRecord, asked: bool) -> Result<Answer, Error> {
        let record = row.read()?;
        let standing = antiphon_core::dht::Claim::new(&record, &self.at.judge.known()).standing;
        let DhtRecord { key, value, published_at, .. } = row;
        Ok(Answer { record, value, key, standing, asked, published_at })
    }

    /// Says now what is to be said of this node.
    pub(crate) async fn introduce(&self) -> Result<(), Error> {
        self.at.try_introduce().await
    }
}

impl Context {
    /// Weighs a record and keeps it if it is to stand.
    pub(super) async fn keep(&self, key: Vec<u8>, value: Vec<u8>) -> Result<DhtPut, Error> {
        let known = self.judge.known();
        let put = self.store.share(move |db| db.put_dht_record(&known.realm, &known, &key, &value, now()));
        Ok(put.await?)
    }

    /// Asks members what they have under a key, and keeps what stands; says whether they answered.
    pub(super) async fn fetch(&self, path: &[u8]) -> Result<bool, Error> {
        let began = Instant::now();
        let found = self.net.get(path.to_vec(), ASKED).await;
        let found = match found {
            Ok(found) => found,
            // The node is busy, which says nothing about the network.
            Err(antiphon_net::dht::Error::Busy { .. }) => return Ok(false),
            Err(error) => {
                tracing::debug!(%error, "the network does not say what stands under a key");
                self.ended(Backend::Kad, Operation::Get, began, false).await?;
                return Ok(false);
            }
        };
        self.ended(Backend::Kad, Operation::Get, began, true).await?;
        let mut values: Vec<Vec<u8>> = found.into_iter().map(|found| found.value).collect();
        values.sort_unstable();
        values.dedup();
        for value in values {
            if let DhtPut::Kept { displaced: Some(row), .. } = self.keep(path.to_vec(), value).await? {
                self.tell(News::Dropped(DhtItem::Record(row))).await?;
            }
        }
        Ok(true)
    }
}
