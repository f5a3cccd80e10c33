//! Saying something together with what it is about.
//!
//! That a document is stored, that members are to be told where, and that this node holds it are one transaction: a
//! crash cannot come between them, and nothing has to be looked for later that was stored and never said.

use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::dht::{Body, Knowledge, LIFE_MS, Pointer, Record, Standing, Topic};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_store::{Db, DhtItem, DhtPut, DhtSource, Error as StoreError, Provided};

use super::judge::Known;
use super::{Context, Dht, News};
use crate::api::Error;
use crate::clock::now;

/// What is said in a transaction, and what the keeper hears of it after the commit. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Along {
    at: Arc<Context>,
    said: Arc<Mutex<Vec<News>>>,
    /// What the network is not to be told of any more.
    gone: Arc<Mutex<Vec<Topic>>>,
}

impl Dht {
    /// Something is going to be said with a transaction.
    pub(crate) fn along(&self) -> Along {
        Along { at: self.at.clone(), said: Arc::default(), gone: Arc::default() }
    }

    /// The transaction was committed.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(crate) async fn told(&self, along: &Along) -> Result<(), Error> {
        let said = std::mem::take(&mut *along.said());
        for news in said {
            self.tell(news).await?;
        }
        let gone = std::mem::take(&mut *along.gone());
        for topic in gone {
            self.at.stop_providing(&topic).await;
        }
        Ok(())
    }
}

impl Along {
    fn gone(&self) -> std::sync::MutexGuard<'_, Vec<Topic>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Vec<News>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that this node holds a ciphertext. Where there is no room for more keys it is found by the index alone.
    pub(crate) fn hold(&self, db: &mut Db, root: Hash) -> Result<(), StoreError> {
        match db.provide_dht(&Topic::Content(root), DhtSource::Held, now())? {
            Provided::New(row) => self.said().push(News::Waits(DhtItem::Provide(row))),
            Provided::Known(_) => {}
            Provided::Full => tracing::warn!(%root, "there is no room to say that this content is held"),
        }
        Ok(())
    }

    /// Says that it holds one no more.
    pub(crate) fn let_go(&self, db: &mut Db, root: Hash) -> Result<(), StoreError> {
        let topic = Topic::Content(root);
        if let Some(row) = db.withdraw_dht(&topic)? {
            self.said().push(News::Dropped(DhtItem::Provide(row)));
            self.gone().push(topic);
        }
        Ok(())
    }

    /// Says where a version of a document is whose event was written in this very transaction.
    pub(crate) fn point(&self, db: &mut Db, pointer: Pointer, version: u64) -> Result<(), StoreError> {
        let known = self.at.judge.known();
        let (team, author) = (known.realm.team, self.at.key.node_id());
        let record = Record { team, author, version, expires: now().after(LIFE_MS), body: Body::Pointer(pointer) };
        let value = match record.sign(self.at.key.as_ref()) {
            Ok(value) => value,
            Err(refusal) => {
                tracing::warn!(content = %pointer.content, %refusal, "a pointer cannot be said");
                return Ok(());
            }
        };
        let key = record.key().path(&known.realm.prefix).into_bytes();
        let realm = known.realm.clone();
        match db.put_dht_record(&realm, &Fresh { known, pointer }, &key, &value, now())? {
            DhtPut::Kept { id, displaced, .. } => {
                let mut said = self.said();
                said.push(News::Waits(DhtItem::Record(id)));
                said.extend(displaced.map(|row| News::Dropped(DhtItem::Record(row))));
            }
            DhtPut::Known { .. } => {}
            // Another version was stored at the same time and stands before this one; the index has both.
            DhtPut::Refused(refusal) => {
                tracing::debug!(content = %pointer.content, %refusal, "another pointer stands");
            }
            DhtPut::Full => tracing::warn!(content = %pointer.content, "there is no room for more pointers"),
        }
        Ok(())
    }
}

/// What is known, and an event that the index does not show before the commit.
struct Fresh {
    known: Known,
    pointer: Pointer,
}

impl Knowledge for Fresh {
    fn is_member(&self, node: &NodeId) -> bool {
        self.known.is_member(node)
    }

    fn standing(&self, pointer: &Pointer, version: u64) -> Standing {
        if *pointer == self.pointer { Standing::Authorised } else { self.known.standing(pointer, version) }
    }
}
