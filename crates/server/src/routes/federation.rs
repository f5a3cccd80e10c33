//! Routes about what is shared with whom, and why something is not there.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::{Body, Query};
use crate::dto::{FederationDto, ModeDto, PeerSettingsDto, PeersDto, ShareDto, SyncNowDto, WhyAskDto, WhyDto};
use crate::error::Problem;
use crate::openapi::{Routes, get, post, put};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them; each asks little.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/federation", get("What is shared with whom, and how sync goes.", federation))
        .route("/api/v1/federation/mode", put("Sets whether this node sends and takes.", set_mode))
        .route(
            "/api/v1/federation/now",
            post("Compares with every member now, and waits until all is equal.", sync_now),
        )
        .route("/api/v1/peers/{peer}/mode", put("Pauses sync with a peer, or goes on with it.", set_peer_mode))
        .route("/api/v1/peers/{peer}/share", post("Sets which domains a peer gets.", share))
        .route("/api/v1/why/{peer}", get("Why something is not at a peer.", why))
}

async fn federation(service: Node) -> Answer<FederationDto> {
    service.federation().await.map(Json)
}

async fn set_mode(service: Node, Body(mode): Body<ModeDto>) -> Answer<ModeDto> {
    service.set_node_mode(&mode).await.map(Json)
}

async fn sync_now(service: Node, Body(ask): Body<SyncNowDto>) -> Answer<PeersDto> {
    service.sync_now(&ask).await.map(Json)
}

async fn set_peer_mode(service: Node, Path(peer): Path<String>, Body(mode): Body<ModeDto>) -> Answer<PeerSettingsDto> {
    service.set_peer_mode(&peer, &mode).await.map(Json)
}

async fn share(service: Node, Path(peer): Path<String>, Body(share): Body<ShareDto>) -> Answer<PeerSettingsDto> {
    service.share_with(&peer, share).await.map(Json)
}

async fn why(service: Node, Path(peer): Path<String>, Query(ask): Query<WhyAskDto>) -> Answer<WhyDto> {
    service.why(ask.fact.as_deref(), &peer).await.map(Json)
}
