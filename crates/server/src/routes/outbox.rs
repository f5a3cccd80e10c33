//! Routes about what waits for peers.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};

use super::input::{Body, Query};
use crate::dto::{
    OutboxFilterDto, OutboxItemDto, OutboxItemsDto, OutboxLevelsDto, OutboxRetriedDto, OutboxRetryDto, OutboxStatsDto,
};
use crate::error::Problem;
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them; each asks little.
pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/api/v1/outbox", get(list))
        .route("/api/v1/outbox/levels", get(levels))
        .route("/api/v1/outbox/stats", get(stats))
        .route("/api/v1/outbox/retry", post(retry))
        .route("/api/v1/outbox/items/{id}", get(show).merge(delete(drop_item)))
}

async fn list(service: Node, Query(filter): Query<OutboxFilterDto>) -> Answer<OutboxItemsDto> {
    service.outbox(filter).await.map(Json)
}

async fn show(service: Node, Path(id): Path<String>) -> Answer<OutboxItemDto> {
    service.outbox_item(&id).await.map(Json)
}

async fn drop_item(service: Node, Path(id): Path<String>) -> Answer<OutboxItemDto> {
    service.drop_outbox(&id).await.map(Json)
}

async fn retry(service: Node, Body(retry): Body<OutboxRetryDto>) -> Answer<OutboxRetriedDto> {
    service.retry_outbox(retry).await.map(Json)
}

async fn levels(service: Node) -> Json<OutboxLevelsDto> {
    Json(service.outbox_levels())
}

async fn stats(service: Node) -> Answer<OutboxStatsDto> {
    service.outbox_stats().await.map(Json)
}
