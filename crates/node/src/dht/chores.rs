//! Entering the network, looking around in it, checking it, cleaning up.

use std::time::Duration;

use antiphon_core::dht::{Body, Key, Prefix, Topic};
use antiphon_core::ids::NodeId;
use antiphon_protocol::dht::Backend;
use antiphon_protocol::dht::hybrid::Operation;
use antiphon_store::DHT_PROVIDERS_PER_KEY_MAX;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::{Context, News};
use crate::api::Error;
use crate::clock::now;
use crate::inputs::Command;

/// How long it takes somebody who was let in to say what it speaks, at most.
const MEETING: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
const MEETING_STEP: Duration = Duration::from_millis(50);
/// Most members that were found and are reached for at once.
const MET_AT_ONCE_MAX: usize = 8;

impl Context {
    /// Enters the network.
    pub(super) async fn bootstrap(self, attempt: u64, within_ms: u64) {
        self.meet().await;
        let done = timeout(Duration::from_millis(within_ms), self.net.bootstrap()).await;
        let entered = match done {
            Ok(Ok(members)) => {
                tracing::debug!(members, "entered the hash table");
                Some(members)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the hash table was not entered");
                None
            }
            Err(_) => {
                tracing::debug!("the hash table was not entered in time");
                None
            }
        };
        let _stopping = self.tell(News::Bootstrapped { attempt, entered }).await;
    }

    /// The node is in another team, whose table is another one.
    pub(super) async fn rename(self, prefix: Prefix) {
        tracing::info!(%prefix, "the hash table is that of another team now");
        if let Err(error) = self.net.rename(prefix).await {
            tracing::error!(%error, "the hash table is still that of the former team");
        }
    }

    /// Asks whether a backend does well.
    pub(super) async fn check(self, backend: Backend) {
        let began = Instant::now();
        let done = match backend {
            Backend::Local => self.store.read(|reader| reader.dht_counts()).await.is_ok(),
            // Nobody is in the table of a team of one, and of a machine in a train; then there is no network.
            Backend::Kad => self.meet().await && self.net.providers(Topic::Peer.multihash().to_vec(), 2).await.is_ok(),
        };
        let _stopping = self.ended(backend, Operation::Check, began, done).await;
    }

    /// Whether there is anybody in the network's table. Somebody who has just been let in gets there when it has said
    /// what it speaks, which is waited for.
    async fn meet(&self) -> bool {
        let until = Instant::now() + MEETING;
        loop {
            match self.net.stats().await {
                Ok(stats) if stats.peers > 0 => return true,
                Ok(_) if Instant::now() < until && !self.sight.borrow().present.is_empty() => sleep(MEETING_STEP).await,
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// Asks who else is there, and reaches for members that are not connected where their cards say they listen.
    pub(super) async fn discover(self, commands: mpsc::Sender<Command>) {
        let found = match self.find(&Topic::Peer, DHT_PROVIDERS_PER_KEY_MAX).await {
            Ok(found) => found,
            Err(error) => return tracing::warn!(%error, "who else is there was not noted"),
        };
        let (present, own) = {
            let sight = self.sight.borrow();
            (sight.present.clone(), sight.own)
        };
        let away = found.iter().filter(|node| **node != own && !present.contains(node));
        for node in away.take(MET_AT_ONCE_MAX) {
            match self.addresses_of(*node).await {
                Ok(addresses) if !addresses.is_empty() => {
                    let _stopping = commands.send(Command::Meet { peer: *node, addresses }).await;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, %node, "where a member listens is not known"),
            }
        }
        let _stopping = self.tell(News::Found(found)).await;
    }

    /// Where a member says that it listens.
    async fn addresses_of(&self, node: NodeId) -> Result<Vec<String>, Error> {
        let path = Key::Member(node).path(&self.judge.known().realm.prefix).into_bytes();
        self.fetch(&path).await?;
        let row = self.store.read(move |reader| reader.dht_record(&path)).await?;
        let Some(row) = row.filter(|row| row.expires > now()) else { return Ok(Vec::new()) };
        match row.read()?.body {
            Body::Card(card) => Ok(card.addresses),
            Body::Pointer(_) => Ok(Vec::new()),
        }
    }

    /// Takes a member out of the network's table.
    pub(super) async fn forget(self, node: NodeId) {
        if let Err(error) = self.net.forget(node).await {
            tracing::debug!(%error, %node, "a member was not forgotten");
        }
    }

    /// Drops what is over.
    pub(super) async fn sweep(self) {
        match self.store.share(|db| db.sweep_dht(now())).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "records and providers were over"),
            Err(error) => tracing::error!(%error, "what is over in the hash table was not dropped"),
        }
    }
}
