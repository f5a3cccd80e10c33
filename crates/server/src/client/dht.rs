//! One typed method per route about the hash table.

use hyper::Method;

use super::calls::with_query;
use super::{Client, ClientError};
use crate::dto::{
    DhtAnnounceDto, DhtChoiceDto, DhtEnteredDto, DhtKeyDto, DhtPeerDto, DhtPeerFilterDto, DhtPeersDto, DhtProvideDto,
    DhtProvidersDto, DhtProvidesDto, DhtRecordDto, DhtStatsDto, DhtStatusDto, DhtStoredDto, DhtTopicDto,
    NewDhtRecordDto,
};

impl Client {
    /// How the hash table does.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn dht_status(&self) -> Result<DhtStatusDto, ClientError> {
        self.get("/api/v1/dht").await
    }

    /// The hash table in numbers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_stats(&self) -> Result<DhtStatsDto, ClientError> {
        self.get("/api/v1/dht/stats").await
    }

    /// Chooses the backend: `local`, `kad` or `auto`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_backend(&self, backend: &str) -> Result<DhtStatusDto, ClientError> {
        let choice = DhtChoiceDto { backend: backend.to_owned() };
        self.send(Method::POST, "/api/v1/dht/backend", &choice).await
    }

    /// Enters the network now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_bootstrap(&self) -> Result<DhtEnteredDto, ClientError> {
        self.send(Method::POST, "/api/v1/dht/bootstrap", &()).await
    }

    /// The record that stands under a key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_get(&self, key: &str) -> Result<DhtRecordDto, ClientError> {
        self.get(&with_query("/api/v1/dht/values", &DhtKeyDto { key: key.to_owned() })).await
    }

    /// Puts a signed record.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_put(&self, new: &NewDhtRecordDto) -> Result<DhtStoredDto, ClientError> {
        self.send(Method::POST, "/api/v1/dht/values", new).await
    }

    /// What this node provides.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_provided(&self) -> Result<DhtProvidesDto, ClientError> {
        self.get("/api/v1/dht/provided").await
    }

    /// Provides something from now on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_provide(&self, topic: &str) -> Result<DhtProvideDto, ClientError> {
        self.send(Method::POST, "/api/v1/dht/provided", &about(topic, None)).await
    }

    /// Provides something no more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_withdraw(&self, topic: &str) -> Result<DhtProvideDto, ClientError> {
        self.send(Method::POST, "/api/v1/dht/provided/withdraw", &about(topic, None)).await
    }

    /// Who provides something.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_providers(&self, topic: &str, limit: Option<usize>) -> Result<DhtProvidersDto, ClientError> {
        self.get(&with_query("/api/v1/dht/providers", &about(topic, limit))).await
    }

    /// Members, by role or by what they can do.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_peers(&self, filter: &DhtPeerFilterDto) -> Result<DhtPeersDto, ClientError> {
        self.get(&with_query("/api/v1/dht/peers", filter)).await
    }

    /// Says what this node is and does.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dht_announce(&self, said: &DhtAnnounceDto) -> Result<DhtPeerDto, ClientError> {
        self.send(Method::POST, "/api/v1/dht/announce", said).await
    }
}

fn about(topic: &str, limit: Option<usize>) -> DhtTopicDto {
    DhtTopicDto { topic: topic.to_owned(), limit }
}
