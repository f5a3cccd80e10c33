//! Routes about sealed copies and recoveries; all but one talk to peers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::Body;
use crate::dto::{
    FormerPlaceDto, FormerPlaceRequestDto, RecoverDto, RecoveryDto, RecoveryRequestDto, SealDto, SealResultDto,
    SealedDto, UnsealedDto,
};
use crate::error::Problem;
use crate::openapi::{Routes, delete, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/api/v1/sealed-copies",
            get("Who keeps sealed copies for whom.", sealed)
                .and(post("Leaves a sealed copy of the local stream with a peer.", seal)),
        )
        .route("/api/v1/sealed-copies/{peer}", delete("Has a peer drop its sealed copy.", unseal))
        .route("/api/v1/recover/place", post("Asks a peer what it knows of this node's former place.", place))
        .route("/api/v1/recover", post("Begins to recover this node from a peer.", recover))
        .route("/api/v1/recover/progress", post("How far a recovery is.", progress))
}

async fn sealed(service: Node) -> Answer<SealedDto> {
    service.sealed_copies().await.map(Json)
}

async fn seal(service: Node, Body(seal): Body<SealDto>) -> Answer<SealResultDto> {
    service.seal_backup(seal).await.map(Json)
}

async fn unseal(service: Node, Path(peer): Path<String>) -> Answer<UnsealedDto> {
    service.unseal_backup(&peer).await.map(Json)
}

async fn place(service: Node, Body(asked): Body<FormerPlaceRequestDto>) -> Answer<FormerPlaceDto> {
    service.former_place(asked).await.map(Json)
}

async fn recover(service: Node, Body(recover): Body<RecoverDto>) -> Answer<FormerPlaceDto> {
    service.recover(recover).await.map(Json)
}

async fn progress(service: Node, Body(asked): Body<RecoveryRequestDto>) -> Answer<RecoveryDto> {
    service.recovery(asked).await.map(Json)
}
