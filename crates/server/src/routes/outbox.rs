//! Routes about what waits for peers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::{Body, Query};
use crate::dto::{
    OutboxFilterDto, OutboxItemDto, OutboxItemsDto, OutboxLevelsDto, OutboxRetriedDto, OutboxRetryDto, OutboxStatsDto,
};
use crate::error::Problem;
use crate::openapi::{Routes, delete, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them; each asks little.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/outbox", get("Lists what waits for peers.", list))
        .route("/api/v1/outbox/levels", get("Which kind of request waits how.", levels))
        .route("/api/v1/outbox/stats", get("The outbox in numbers.", stats))
        .route("/api/v1/outbox/retry", post("Tries again now.", retry))
        .route(
            "/api/v1/outbox/items/{id}",
            get("Shows an item that waits.", show).and(delete("Drops an item that waits.", drop_item)),
        )
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
