//! What becomes of what others offer.
//!
//! Whether something is taken is decided by the index, the room and the machine; nothing is believed of what the offer
//! says but that the other side has it. It is fetched by a task of the keeper, so that it goes on when whoever offered it
//! leaves: others may hold it too, and what was begun is owed. The answer is given when it is durable.

use antiphon_core::content::Shape;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::replication::manager::Vouch;
use antiphon_protocol::replication::{Offer, Outcome};
use antiphon_store::{Error as StoreError, ReplicationKey};
use tokio::sync::{oneshot, watch};

use super::{Care, News};
use crate::content::{FetchError, Progress};

/// An offer, with what the database knows of it.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(super) peer: NodeId,
    pub(super) offer: Offer,
    /// How it is needed and held.
    pub(super) key: ReplicationKey,
    /// Bytes that others may still store here, without what is being taken.
    pub(super) free: u64,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// Decides about offers, and says what may be proved. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Taker {
    care: Care,
}

impl Taker {
    pub(super) const fn new(care: Care) -> Self {
        Self { care }
    }

    /// Takes what a member offers, or says why not; returns when it is durable.
    pub(crate) async fn take(&self, peer: NodeId, offer: Offer) -> Outcome {
        match self.propose(peer, offer).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%peer, root = %offer.root, %error, "an offer could not be looked at");
                Outcome::Failed(Reason::Other)
            }
        }
    }

    /// Which of these this node may prove that it holds: who relies on a proof may drop its own copy for it, so what is
    /// about to be dropped here is not proved, and what was proved is not dropped for a while.
    pub(crate) async fn may_prove(&self, roots: Vec<Hash>) -> Vec<bool> {
        let count = roots.len();
        let vouched = self.care.with(move |manager, at| {
            roots.iter().map(|root| manager.vouch(root, at) == Vouch::Given).collect::<Vec<_>>()
        });
        // A keeper that stops proves nothing more.
        vouched.await.unwrap_or_else(|_| vec![false; count])
    }

    async fn propose(&self, peer: NodeId, offer: Offer) -> Result<Outcome, StoreError> {
        let root = offer.root;
        let read = self.care.store.read(move |reader| {
            let key = reader.replication_key(&root)?;
            let known = key.needed.is_some() || !reader.content_by_root(&root)?.is_empty();
            // What is here of it takes no room a second time.
            let part = reader.blob(&root)?.map_or(0, |blob| blob.held_bytes);
            Ok((key, known, reader.held_for_others()?.saturating_sub(part)))
        });
        let (key, known, held) = read.await?;
        let Some(need) = key.needed else {
            return Ok(if known { Outcome::NotNeeded } else { Outcome::Unknown });
        };
        if need.length != offer.length {
            tracing::warn!(%peer, %root, said = offer.length, length = need.length, "an offer is not what the index says");
            return Ok(Outcome::Failed(Reason::Other));
        }
        let free = self.care.presence.borrow().quota_bytes.unwrap_or(0).saturating_sub(held);
        let (reply, answer) = oneshot::channel();
        let proposal = Proposal { peer, offer, key, free, reply };
        if self.care.tell(News::Proposed(Box::new(proposal))).await.is_err() {
            return Ok(Outcome::Busy);
        }
        // A keeper that stops answers nothing more.
        Ok(answer.await.unwrap_or(Outcome::Busy))
    }
}

/// Fetches what is to be taken.
pub(super) async fn fetch(care: &Care, root: Hash, length: u64, from: Vec<NodeId>) -> Outcome {
    let (progress, _seen) = watch::channel(Progress::default());
    let fetched = care.transfers.fetch(root, Shape { length }, from, &progress).await;
    match fetched {
        Ok(fetched) => {
            tracing::debug!(%root, bytes = fetched.bytes, "a copy was taken");
            care.say_held(root).await;
            Outcome::Taken
        }
        Err(error) => {
            tracing::debug!(%root, %error, "a copy could not be taken");
            refusal(&error)
        }
    }
}

/// What the other side is told of a fetch that failed.
fn refusal(error: &FetchError) -> Outcome {
    match error {
        FetchError::Blob(error) if error.is_full() => Outcome::Full { free: 0 },
        FetchError::Store(error) if error.is_full() => Outcome::Full { free: 0 },
        FetchError::Stopped => Outcome::Busy,
        FetchError::Failed { .. } if error.is_permanent() => Outcome::Failed(Reason::TooLarge),
        FetchError::Failed { .. } | FetchError::Lost { .. } | FetchError::NotFound(_) => {
            Outcome::Failed(Reason::MissingPayload)
        }
        FetchError::Io(_) | FetchError::Blob(_) | FetchError::Store(_) => Outcome::Failed(Reason::Other),
    }
}
