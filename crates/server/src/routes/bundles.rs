//! Routes about what is carried by hand. A file is the whole body of a request, as it is.

use std::sync::Arc;

use antiphon_node::bundles::BUNDLE_BYTES_MAX;
use axum::Json;
use axum::extract::State;

use super::input::{Body, Query, Raw};
use crate::dto::{BundleAskDto, BundleFileDto, BundleTakeDto, CarriedDto, CursorDto, ImportedDto};
use crate::error::Problem;
use crate::openapi::{Routes, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// Most bytes of a file on the wire. One that is longer than a document may be still comes through, so that it is
/// refused as one, and counted.
pub(super) const FILE_BYTES_MAX: usize = BUNDLE_BYTES_MAX + 1024 * 1024;

/// All of them; each may take long and much memory.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/bundles/handshake", post("Begins a handshake that is carried by hand.", handshake))
        .route("/api/v1/bundles/answer", post("Answers a handshake that was carried by hand.", answer))
        .route("/api/v1/bundles/complete", post("Takes the answer to a handshake that was carried by hand.", complete))
        .route("/api/v1/bundles/export", post("Makes a file of facts and events for a peer.", export))
        .route("/api/v1/bundles/import", post("Takes a file of facts and events.", import))
        .route("/api/v1/bundles/cursor", get("How much of each log this node holds.", cursor))
}

async fn handshake(service: Node, Body(ask): Body<BundleAskDto>) -> Answer<BundleFileDto> {
    service.bundle_handshake(ask).await.map(Json)
}

async fn answer(service: Node, Query(take): Query<BundleTakeDto>, Raw(file): Raw) -> Answer<BundleFileDto> {
    service.bundle_answer(&file, take).await.map(Json)
}

async fn complete(service: Node, Raw(file): Raw) -> Answer<CarriedDto> {
    service.bundle_complete(&file).await.map(Json)
}

async fn export(service: Node, Body(ask): Body<BundleAskDto>) -> Answer<BundleFileDto> {
    service.bundle_export(ask).await.map(Json)
}

async fn import(service: Node, Query(take): Query<BundleTakeDto>, Raw(file): Raw) -> Answer<ImportedDto> {
    service.bundle_import(&file, take).await.map(Json)
}

async fn cursor(service: Node) -> Answer<CursorDto> {
    service.bundle_cursor().await.map(Json)
}
