//! The hash table of the team: this node's database is the truth, the network is told and asked.
//!
//! What this node says in the table is acknowledged when it stands in its database. A task of its own, the keeper,
//! tells the members, again before they forget, and whenever the network is back; whether it can be relied on, when to
//! publish and when to look around is decided by the machines of `protocol::dht`. Whoever asks is answered from the
//! database and, while the network does well, from there too.
//!
//! | file | what is in it |
//! |---|---|
//! | `along.rs` | what is said in the transaction of what it is about |
//! | `records.rs`, `providing.rs` | what the rest of the node asks and says |
//! | `keeper.rs` | the task that drives the machines, and what the event loop and `Dht` tell it |
//! | `publishing.rs` | how one item is published, and what is heard from members kept |
//! | `chores.rs` | entering the network, looking around in it, checking it |
//! | `card.rs` | what this node says of itself |
//! | `judge.rs` | what is let in |
//! | `sight.rs` | what the event loop shows of the team and its peers |

mod along;
mod card;
mod chores;
mod judge;
mod keeper;
mod providing;
mod publishing;
mod records;
mod sight;

use std::sync::Arc;

use antiphon_core::dht::Prefix;
use antiphon_protocol::dht::hybrid::{End, Operation};
use antiphon_protocol::dht::upkeep::Intervals;
use antiphon_protocol::dht::{Backend, Choice};
use antiphon_store::Store;
use antiphon_vault::NodeKey;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::api::Error;
use crate::config::DhtSettings;
use crate::inputs::Command;
use crate::team::TeamState;

pub(crate) use judge::Judge;
pub(crate) use keeper::{Keeper, News, Shown};
pub(crate) use providing::Provider;
pub(crate) use records::{Answer, Dht};
pub(crate) use sight::{Sight, Window};

/// News that wait for the keeper before their senders do.
const NEWS_MAX: usize = 1_024;

/// What every part needs.
#[derive(Clone)]
struct Context {
    store: Store,
    key: Arc<NodeKey>,
    net: antiphon_net::Dht,
    judge: Arc<Judge>,
    sight: watch::Receiver<Sight>,
    news: mpsc::Sender<News>,
    /// Held while this node says what it is: who read earlier what is to be said would otherwise say it later, and newer.
    introducing: Arc<tokio::sync::Mutex<()>>,
}

impl Context {
    /// Tells the keeper; it is gone only when the node stops.
    async fn tell(&self, news: News) -> Result<(), Error> {
        self.news.send(news).await.map_err(|_| Error::Stopped)
    }

    /// Tells how an operation of a backend went that began then.
    async fn ended(&self, backend: Backend, operation: Operation, began: Instant, done: bool) -> Result<(), Error> {
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let end = if done { End::Done { took_us } } else { End::Failed };
        self.tell(News::Ended { backend, operation, end }).await
    }
}

/// The parts, made at the start of a node.
pub(crate) struct Parts {
    pub(crate) dht: Dht,
    pub(crate) window: Window,
    pub(crate) keeper: Keeper,
}

/// What is set, and how to reach the loop.
struct Setup {
    prefix: Option<Prefix>,
    /// What a person chose last, or what is set.
    choice: Choice,
    intervals: Intervals,
    republish_ms: u64,
    /// Members to begin with.
    bootstrap: Vec<String>,
    commands: mpsc::Sender<Command>,
}

/// What must be there before the network starts.
pub(crate) struct Foundation {
    pub(crate) judge: Arc<Judge>,
    sight: Sight,
    setup: Setup,
}

impl Foundation {
    /// Reads what was chosen, and opens a look into the index.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn lay(
        settings: &DhtSettings,
        store: &Store,
        team: &TeamState,
        commands: mpsc::Sender<Command>,
    ) -> Result<Self, Error> {
        let chosen = store.read(|reader| reader.dht_backend()).await?;
        let choice = chosen.as_deref().and_then(Choice::named).unwrap_or(settings.backend);
        let sight = Sight::new(team, settings.prefix.as_ref());
        let judge = Arc::new(Judge::new(sight.realm.clone(), sight.membership.clone(), store.glance()?));
        let setup = Setup {
            prefix: settings.prefix.clone(),
            choice,
            intervals: settings.intervals,
            republish_ms: settings.republish_ms,
            bootstrap: settings.bootstrap.clone(),
            commands,
        };
        Ok(Self { judge, sight, setup })
    }

    /// How the network is to take part.
    pub(crate) fn network(&self, settings: &DhtSettings) -> antiphon_net::DhtConfig {
        let prefix = self.sight.realm.prefix.clone();
        let judge: Arc<dyn antiphon_net::dht::RecordJudge> = self.judge.clone();
        antiphon_net::DhtConfig { mode: settings.mode, ..antiphon_net::DhtConfig::new(prefix, judge) }
    }

    /// Puts the parts together.
    ///
    /// # Errors
    /// [`Error::Key`] without randomness.
    pub(crate) fn build(self, store: Store, key: Arc<NodeKey>, net: antiphon_net::Dht) -> Result<Parts, Error> {
        let Self { judge, sight, setup } = self;
        let (sights, sight) = watch::channel(sight);
        let (news, news_out) = mpsc::channel(NEWS_MAX);
        let context =
            Context { store, key, net, judge: judge.clone(), sight, news: news.clone(), introducing: Arc::default() };
        let prefix = setup.prefix.clone();
        let (keeper, using) = Keeper::new(context.clone(), news_out, setup)?;
        let window = Window::new(sights, judge, news, prefix);
        Ok(Parts { dht: Dht::new(context, using), window, keeper })
    }
}
