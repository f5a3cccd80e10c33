//! Routes about recall: asking, packing, and what is shown to members who ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::input::{Body, Query};
use crate::dto::{ContextAskDto, ContextDto, RecallDto, RecallRequestDto, ShownDto};
use crate::error::Problem;
use crate::openapi::{Routes, get, post, put};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// All of them; each asks little.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/recall", post("Searches facts, best first; also what they said at a time.", recall))
        .route("/api/v1/context", get("What matters now, packed into a number of tokens.", context))
        .route(
            "/api/v1/recall/shown",
            get("Down to which level facts that are not shared are shown to members who ask.", shown)
                .and(put("Sets down to which level they are shown; private ones never are.", set_shown)),
        )
}

async fn recall(service: Node, Body(request): Body<RecallRequestDto>) -> Answer<RecallDto> {
    service.recall(request).await.map(Json)
}

async fn context(service: Node, Query(ask): Query<ContextAskDto>) -> Answer<ContextDto> {
    service.context(ask).await.map(Json)
}

async fn shown(service: Node) -> Answer<ShownDto> {
    service.shown().await.map(Json)
}

async fn set_shown(service: Node, Body(shown): Body<ShownDto>) -> Answer<ShownDto> {
    service.set_shown(&shown).await.map(Json)
}
