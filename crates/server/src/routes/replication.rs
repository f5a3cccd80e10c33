//! Routes about copies of documents.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::input::{Body, Query};
use crate::dto::{
    ContentAskDto, GarbageDto, ReplicaDto, ReplicaHoldersAskDto, ReplicaHoldersDto, ReplicationAskDto, ReplicationDto,
    ReplicationMetricsDto, ReplicationPriorityDto, ReplicationRanDto, ReplicationRunDto,
};
use crate::error::Problem;
use crate::openapi::{Routes, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// Those that ask this node alone.
pub(super) fn short() -> Routes {
    Routes::new()
        .route("/api/v1/replication", get("Lists documents with their copies, the worst first.", list))
        .route("/api/v1/replication/status", get("The copies of one document, and who holds them.", status))
        .route("/api/v1/replication/run", post("Asks who holds what, and makes missing copies, now.", run))
        .route("/api/v1/replication/priority", post("Sets how soon the copies of a document are made.", priority))
        .route("/api/v1/replication/metrics", get("What was done for copies since the node started.", metrics))
}

/// Those that ask members, or read the whole list of what is held.
pub(super) fn long() -> Routes {
    let (show, free) = ("What nobody needs on this node, with the reason.", "Frees what nobody needs on this node.");
    Routes::new()
        .route("/api/v1/replication/providers", get("Finds who holds a document.", providers))
        .route("/api/v1/content/garbage", get(show, garbage).and(post(free, collect)))
}

async fn list(service: Node, Query(ask): Query<ReplicationAskDto>) -> Answer<ReplicationDto> {
    service.replication(ask).await.map(Json)
}

async fn status(service: Node, Query(ask): Query<ContentAskDto>) -> Answer<ReplicaDto> {
    service.replication_of(ask).await.map(Json)
}

async fn providers(service: Node, Query(ask): Query<ReplicaHoldersAskDto>) -> Answer<ReplicaHoldersDto> {
    service.replica_holders(ask).await.map(Json)
}

async fn run(service: Node, Body(run): Body<ReplicationRunDto>) -> Answer<ReplicationRanDto> {
    service.replicate(run).await.map(Json)
}

async fn priority(service: Node, Body(set): Body<ReplicationPriorityDto>) -> Answer<ReplicaDto> {
    service.set_replication_priority(set).await.map(Json)
}

async fn metrics(service: Node) -> Answer<ReplicationMetricsDto> {
    service.replication_metrics().await.map(Json)
}

async fn garbage(service: Node) -> Answer<GarbageDto> {
    service.garbage(true).await.map(Json)
}

async fn collect(service: Node) -> Answer<GarbageDto> {
    service.garbage(false).await.map(Json)
}
