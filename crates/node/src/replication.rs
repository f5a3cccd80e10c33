//! Keeping copies of documents: who holds what, and what this node does so that enough members hold everything.
//!
//! What is to be done is decided by [`antiphon_protocol::replication::manager`]. A task of its own, the keeper, drives that
//! machine: it tells it what the index needs and the disk holds, who is here and what they said, and has done what it
//! wants, by tasks beside it, whose results come back as [`News`]. Nothing of this goes through the event loop, which only
//! shows who is here.
//!
//! | file | what is in it |
//! |---|---|
//! | `keeper.rs` | the task that drives the machine |
//! | `known.rs` | what the database knows when a node starts, and what of it changed since |
//! | `notes.rs` | what was learnt is kept |
//! | `taking.rs` | what becomes of what others offer |
//! | `owing.rs` | copies that were begun or damaged, and are completed |
//! | `trimming.rs` | copies that are too many here |
//! | `presence.rs` | who could hold copies, as the event loop shows it |
//! | `view.rs` | how copies stand, as it is shown |
//! | `stream.rs`, `asking.rs`, `answering.rs` | what members say to each other about copies |
//! | `garbage.rs` | what nobody needs |

mod answering;
mod asking;
mod garbage;
mod keeper;
mod known;
mod notes;
mod owing;
pub(crate) mod presence;
mod stream;
mod taking;
mod trimming;
pub(crate) mod view;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::Settings;
use antiphon_core::time::UnixMillis;
use antiphon_net::NetHandle;
use antiphon_protocol::replication::manager::Manager;
use antiphon_store::Store;
use antiphon_vault::NodeKey;
use tokio::sync::{mpsc, oneshot, watch};

use crate::api::Error;
use crate::clock::now;
use crate::content::Transfers;
use crate::dht::Dht;
use crate::inputs::Command;
use crate::tasks::Tasks;
use presence::Presence;

pub(crate) use answering::Answers;
pub(crate) use asking::Asker;
pub(crate) use keeper::News;

use keeper::Keeper;
use taking::Taker;

/// News that wait for the keeper before their senders do.
const NEWS_MAX: usize = 1_024;

/// What every part needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Care {
    pub(crate) own: NodeId,
    pub(crate) store: Store,
    pub(crate) transfers: Transfers,
    pub(crate) dht: Dht,
    pub(crate) presence: watch::Receiver<Presence>,
    settings: Arc<RwLock<Settings>>,
    news: mpsc::Sender<News>,
    commands: mpsc::Sender<Command>,
    /// When what is not needed was last cleared away, 0 for never.
    cleaned_at: Arc<AtomicU64>,
}

/// From what it is made at the start of a node.
pub(crate) struct Foundation {
    store: Store,
    transfers: Transfers,
    dht: Dht,
    settings: Settings,
    commands: mpsc::Sender<Command>,
}

/// The parts that others hold on to.
pub(crate) struct Parts {
    pub(crate) care: Care,
    pub(crate) asker: Asker,
    pub(crate) answers: Answers,
    /// Where the loop shows who is here.
    pub(crate) shown: presence::Shown,
}

impl Foundation {
    pub(crate) fn new(
        settings: Settings,
        store: &Store,
        transfers: &Transfers,
        dht: &Dht,
        commands: &mpsc::Sender<Command>,
    ) -> Self {
        let (store, transfers, dht, commands) = (store.clone(), transfers.clone(), dht.clone(), commands.clone());
        Self { store, transfers, dht, settings, commands }
    }

    /// Puts the parts together and starts their tasks.
    pub(crate) fn start(self, key: Arc<NodeKey>, net: NetHandle, tasks: &mut Tasks) -> Parts {
        let Self { store, transfers, dht, settings, commands } = self;
        let (shown, presence) = watch::channel(Presence::default());
        let (news, news_out) = mpsc::channel(NEWS_MAX);
        let settings = Arc::new(RwLock::new(crate::config::fit(settings)));
        let (own, cleaned_at) = (key.node_id(), Arc::default());
        let (asker, hub) = Asker::new(store.clone(), net);
        tasks.spawn(hub.run());
        let care = Care { own, store, transfers, dht, presence, settings, news, commands, cleaned_at };
        let answers = Answers::new(care.store.clone(), key, Taker::new(care.clone()));
        tasks.spawn(Keeper::new(care.clone(), asker.clone(), news_out).run());
        Parts { care, asker, answers, shown }
    }
}

impl Care {
    /// By what it goes.
    pub(crate) fn settings(&self) -> Settings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes by other settings from now on.
    pub(crate) async fn set_settings(&self, settings: Settings) -> Result<(), Error> {
        let settings = crate::config::fit(settings);
        // They are replaced in one step, so whoever panicked left them whole.
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        self.tell(News::Settings(settings)).await
    }

    /// Tells the keeper; it is gone only when the node stops.
    pub(crate) async fn tell(&self, news: News) -> Result<(), Error> {
        self.news.send(news).await.map_err(|_| Error::Stopped)
    }

    /// Asks the machine something.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Manager, UnixMillis) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        // Whoever asked and has gone does not need the answer.
        let look = move |manager: &mut Manager, at: UnixMillis| drop(reply.send(look(manager, at)));
        self.tell(News::With(Box::new(look))).await?;
        answer.await.map_err(|_| Error::Stopped)
    }

    /// When what is not needed was last cleared away.
    pub(crate) fn cleaned_at(&self) -> Option<UnixMillis> {
        Some(self.cleaned_at.load(Ordering::Relaxed)).filter(|at| *at > 0).map(UnixMillis)
    }

    /// What is not needed was cleared away.
    pub(crate) fn cleaned(&self) {
        self.cleaned_at.store(now().0, Ordering::Relaxed);
    }

    /// Members that are connected, at most `most`, without this node.
    fn connected(&self, most: usize) -> Vec<NodeId> {
        let presence = self.presence.borrow();
        let here = presence.members.iter().filter(|(node, here)| **node != self.own && here.connected);
        here.map(|(node, _)| *node).take(most).collect()
    }

    /// A ciphertext is whole here: members that look for it learn so.
    async fn say_held(&self, root: Hash) {
        if let Err(error) = self.dht.provide_root(root).await {
            // It is found by the index and by asking all the same.
            tracing::warn!(%root, %error, "it could not be said that this content is held");
        }
    }
}
