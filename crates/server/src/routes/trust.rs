//! Routes about peers, their gene backups and what was refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::Query;
use super::trail;
use crate::dto::{AuditDto, AuditFilterDto, BackupDto, BackupsDto, CountersDto, PeerDto, PeerIdDto, PeerStatsDto};
use crate::error::Problem;
use crate::openapi::{Routes, delete, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them; each asks little.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/api/v1/peers/{peer}",
            get("Shows a peer.", peer).and(delete("Forgets a peer that is no member.", forget_peer)),
        )
        .route(
            "/api/v1/peers/{peer}/reset",
            post("Clears what is noted about a peer: its pin, its cursor, when it was seen.", reset_peer),
        )
        .route("/api/v1/peer-stats", get("The peer registry in numbers.", peer_stats))
        .route("/api/v1/counters", get("What was counted about trust since the node started.", counters))
        .route("/api/v1/backups", get("The gene backups that are kept for peers.", backups))
        .route(
            "/api/v1/backups/{peer}",
            get("Shows the gene backup of a peer.", backup)
                .and(post("Makes a gene backup of a peer.", create_backup))
                .and(delete("Clears the gene backup of a peer.", clear_backup)),
        )
        .route("/api/v1/audit", get("What was refused, the newest first.", audit))
        .route("/api/v1/trail", get("Who stored and read which document, the newest first.", trail::trail))
        .route("/api/v1/trail/verify", get("Checks that no line of the trail was changed.", trail::verify))
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
