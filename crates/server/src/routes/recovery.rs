//! Routes about sealed copies and recoveries; all but one talk to peers.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};

use super::input::Body;
use crate::dto::{
    FormerPlaceDto, FormerPlaceRequestDto, RecoverDto, RecoveryDto, RecoveryRequestDto, SealDto, SealResultDto,
    SealedDto, UnsealedDto,
};
use crate::error::Problem;
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them.
pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/api/v1/sealed-copies", get(sealed).post(seal))
        .route("/api/v1/sealed-copies/{peer}", delete(unseal))
        .route("/api/v1/recover/place", post(place))
        .route("/api/v1/recover", post(recover))
        .route("/api/v1/recover/progress", post(progress))
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
