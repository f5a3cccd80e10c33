//! `/metrics`, for monitoring.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::error::Problem;
use crate::metrics::{OPENMETRICS, scrape};
use crate::service::Service;

/// Most scrapes at the same time.
const SCRAPES_MAX: usize = 2;

/// It tells names of members and how much there is of what, so it is guarded like the API: by the token at the HTTP
/// door, by the file's mode at the control socket.
pub(crate) fn metrics(service: Arc<Service>) -> Router {
    let route = Router::new().route("/metrics", get(show));
    super::limited(route, super::ASK_BYTES_MAX, SCRAPES_MAX, super::SECONDS_MAX).with_state(service)
}

async fn show(service: State<Arc<Service>>) -> Result<Response, Problem> {
    let text = scrape(service.handle(), service.call_times()).await?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}
