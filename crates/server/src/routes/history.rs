//! What the figures of the node were.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::input::Query;
use crate::dto::{FiguresAskDto, FiguresDto};
use crate::error::Problem;
use crate::openapi::{Routes, get};
use crate::service::Service;

/// It asks little.
pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/history", get("What the figures of the node were, for plots.", show))
}

async fn show(service: State<Arc<Service>>, Query(ask): Query<FiguresAskDto>) -> Result<Json<FiguresDto>, Problem> {
    service.figures(&ask).map(Json)
}
