//! One typed method per route about copies of documents.

use hyper::Method;

use super::calls::with_query;
use super::{Client, ClientError};
use crate::dto::{
    ContentAskDto, GarbageDto, ReplicaDto, ReplicaHoldersAskDto, ReplicaHoldersDto, ReplicationAskDto, ReplicationDto,
    ReplicationMetricsDto, ReplicationPriorityDto, ReplicationRanDto, ReplicationRunDto,
};

const REPLICATION: &str = "/api/v1/replication";
const GARBAGE: &str = "/api/v1/content/garbage";

impl Client {
    /// Documents with their copies, the worst first.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn replication(&self, ask: &ReplicationAskDto) -> Result<ReplicationDto, ClientError> {
        self.get(&with_query(REPLICATION, ask)).await
    }

    /// The copies of one document, and who holds them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn replication_of(&self, ask: &ContentAskDto) -> Result<ReplicaDto, ClientError> {
        self.get(&with_query(&format!("{REPLICATION}/status"), ask)).await
    }

    /// Who holds a document, as far as is known and as members say in the hash table.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn replica_holders(&self, ask: &ReplicaHoldersAskDto) -> Result<ReplicaHoldersDto, ClientError> {
        self.get(&with_query(&format!("{REPLICATION}/providers"), ask)).await
    }

    /// Asks who holds what, and makes the copies that are missing, now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn replicate(&self, run: &ReplicationRunDto) -> Result<ReplicationRanDto, ClientError> {
        self.send(Method::POST, &format!("{REPLICATION}/run"), run).await
    }

    /// Sets how soon the copies of a document are made.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_replication_priority(&self, set: &ReplicationPriorityDto) -> Result<ReplicaDto, ClientError> {
        self.send(Method::POST, &format!("{REPLICATION}/priority"), set).await
    }

    /// What was done for copies since the node started.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn replication_metrics(&self) -> Result<ReplicationMetricsDto, ClientError> {
        self.get(&format!("{REPLICATION}/metrics")).await
    }

    /// What nobody needs on this node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn garbage(&self) -> Result<GarbageDto, ClientError> {
        self.get(GARBAGE).await
    }

    /// Frees what nobody needs on this node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn collect_garbage(&self) -> Result<GarbageDto, ClientError> {
        self.send(Method::POST, GARBAGE, &()).await
    }
}
