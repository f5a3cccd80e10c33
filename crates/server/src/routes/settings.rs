//! Routes about the settings of the node.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::dto::{ReloadedDto, SettingsDto};
use crate::error::Problem;
use crate::openapi::{Routes, get, post};
use crate::service::Service;

/// Those that ask.
pub(super) fn routes() -> Routes {
    let summary = "The settings of the node, where each came from, and what changed since it was started.";
    Routes::new().route("/api/v1/settings", get(summary, show))
}

/// What only the owner of the home may do.
pub(super) fn owner() -> Routes {
    let summary = "Reads the settings again; those that can be changed while the node runs hold at once.";
    Routes::new().route("/api/v1/settings/reload", post(summary, reload))
}

async fn show(service: State<Arc<Service>>) -> Result<Json<SettingsDto>, Problem> {
    service.settings().map(Json)
}

async fn reload(service: State<Arc<Service>>) -> Result<Json<ReloadedDto>, Problem> {
    service.reload_settings().await.map(Json)
}
