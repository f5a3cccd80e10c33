//! The route that makes links to the dashboard, on the control socket alone: whoever opens it owns the home.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;

use crate::dashboard::session::LINK_SECONDS;
use crate::dto::DashboardLinkDto;
use crate::error::Problem;
use crate::openapi::{Routes, post};
use crate::service::Service;

/// The one.
pub(super) fn owner() -> Routes {
    Routes::new()
        .route("/api/v1/dashboard/link", post("Makes a link that lets one browser into the dashboard, once.", link))
}

async fn link(service: State<Arc<Service>>) -> Result<Json<DashboardLinkDto>, Problem> {
    let url = service.dashboard().sessions.link(Instant::now())?;
    Ok(Json(DashboardLinkDto { url, seconds: LINK_SECONDS }))
}
