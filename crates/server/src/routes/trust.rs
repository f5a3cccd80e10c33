//! Routes about peers, their gene backups and what was refused.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::input::Query;
use super::trail;
use crate::dto::{AuditDto, AuditFilterDto, BackupDto, BackupsDto, CountersDto, PeerDto, PeerIdDto, PeerStatsDto};
use crate::error::Problem;
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them; each asks little.
pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/api/v1/peers/{peer}", get(peer).delete(forget_peer))
        .route("/api/v1/peers/{peer}/reset", post(reset_peer))
        .route("/api/v1/peer-stats", get(peer_stats))
        .route("/api/v1/counters", get(counters))
        .route("/api/v1/backups", get(backups))
        .route("/api/v1/backups/{peer}", get(backup).post(create_backup).delete(clear_backup))
        .route("/api/v1/audit", get(audit))
        .route("/api/v1/trail", get(trail::trail))
        .route("/api/v1/trail/verify", get(trail::verify))
}

async fn peer(service: Node, Path(peer): Path<String>) -> Answer<PeerDto> {
    service.peer(&peer).await.map(Json)
}

async fn reset_peer(service: Node, Path(peer): Path<String>) -> Answer<PeerIdDto> {
    service.reset_peer(&peer).await.map(Json)
}

async fn forget_peer(service: Node, Path(peer): Path<String>) -> Answer<PeerIdDto> {
    service.forget_peer(&peer).await.map(Json)
}

async fn peer_stats(service: Node) -> Answer<PeerStatsDto> {
    service.peer_stats().await.map(Json)
}

async fn counters(service: Node) -> Answer<CountersDto> {
    service.counters().await.map(Json)
}

async fn backups(service: Node) -> Answer<BackupsDto> {
    service.backups().await.map(Json)
}

async fn backup(service: Node, Path(peer): Path<String>) -> Answer<BackupDto> {
    service.backup(&peer).await.map(Json)
}

async fn create_backup(service: Node, Path(peer): Path<String>) -> Answer<BackupDto> {
    service.create_backup(&peer).await.map(Json)
}

async fn clear_backup(service: Node, Path(peer): Path<String>) -> Answer<PeerIdDto> {
    service.clear_backup(&peer).await.map(Json)
}

async fn audit(service: Node, Query(filter): Query<AuditFilterDto>) -> Answer<AuditDto> {
    service.audit(filter).await.map(Json)
}
