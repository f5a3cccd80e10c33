//! `/healthz` and `/readyz`, for whoever starts and watches the node. They take no token, so they tell a word, and
//! the names of what is in the way, and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::service::Service;

/// Most questions at the same time: nobody has shown a token, and each goes through the database.
const QUESTIONS_MAX: usize = 4;

/// Both.
pub(crate) fn health(service: Arc<Service>) -> Router {
    let ready = Router::new().route("/readyz", get(ready)).with_state(service);
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(ready.layer(GlobalConcurrencyLimitLayer::new(QUESTIONS_MAX)))
}

/// 200 `ready`, or 503 `unready` with a name of each reason.
async fn ready(service: State<Arc<Service>>) -> Response {
    let obstacles = service.obstacles().await;
    if obstacles.is_empty() {
        return "ready\n".into_response();
    }
    let names: Vec<&str> = obstacles.iter().map(|obstacle| obstacle.name()).collect();
    (StatusCode::SERVICE_UNAVAILABLE, format!("unready {}\n", names.join(" "))).into_response()
}
