//! Routes about who holds what.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use crate::dto::{FactReceiptsDto, ReceiptsAskedDto, ReceiptsDto, WipeCheckDto};
use crate::error::Problem;
use crate::openapi::{Routes, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them; each asks little.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/receipts", get("What every member says that it holds.", receipts))
        .route("/api/v1/receipts/ask", post("Asks members for new receipts.", ask_for_receipts))
        .route("/api/v1/facts/{id}/receipts", get("Which members hold a fact.", fact_receipts))
        .route("/api/v1/wipe-check", get("What would be lost if this machine were wiped now.", wipe_check))
}

async fn receipts(service: Node) -> Answer<ReceiptsDto> {
    service.receipts().await.map(Json)
}

async fn ask_for_receipts(service: Node) -> Answer<ReceiptsAskedDto> {
    service.ask_for_receipts().await.map(Json)
}

async fn fact_receipts(service: Node, Path(id): Path<String>) -> Answer<FactReceiptsDto> {
    service.fact_receipts(&id).await.map(Json)
}

async fn wipe_check(service: Node) -> Answer<WipeCheckDto> {
    service.wipe_check().await.map(Json)
}
