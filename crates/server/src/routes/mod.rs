//! The HTTP API, `/api/v1/…`. A route only reads the request and hands it to the [`Service`].

mod bundles;
mod content;
mod custody;
mod dht;
mod divergences;
mod erasure;
mod facts;
mod federation;
mod incidents;
mod input;
mod messages;
mod node;
mod outbox;
mod problem;
mod recovery;
mod resources;
mod team;
mod trail;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower::limit::GlobalConcurrencyLimitLayer;

pub(crate) use content::CONTENT_HEADER;

use crate::error::{Code, Problem};
use crate::service::Service;

/// Most bytes of a request that only asks.
pub(crate) const ASK_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of a request that writes. A fact far beyond its own limit still comes through, so that the answer can
/// say how long it is and how long it may be.
pub(crate) const WRITE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most requests that ask at the same time.
const ASKS_MAX: usize = 64;
/// Most requests that write at the same time: they bound the memory that bodies take.
const WRITES_MAX: usize = 16;
/// Most requests at the same time that talk to peers or read the whole database.
const LONG_MAX: usize = 8;
/// Most requests at the same time that carry whole files: each may take a few hundred megabytes.
const FILES_MAX: usize = 1;
/// Most documents that are sent or read at the same time. They take as long as they take, and little memory.
const STREAMS_MAX: usize = 16;
/// Longest time for a request, in seconds.
const SECONDS_MAX: u64 = 60;
/// Longest time for a request that talks to peers or reads the whole database, in seconds.
const LONG_SECONDS_MAX: u64 = 600;

/// The API as both doors offer it.
pub(crate) fn api(service: Arc<Service>) -> Router {
    let asks = Router::new()
        .route("/api/v1/status", get(node::status))
        .route("/api/v1/peers", get(node::peers))
        .route("/api/v1/state-hash", get(node::state_hash))
        .route("/api/v1/facts", get(facts::list))
        .route("/api/v1/facts/{id}", get(facts::show))
        .route("/api/v1/facts/{id}/history", get(facts::history))
        .route("/api/v1/facts/{id}/erasure", get(erasure::show))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::show))
        .route("/api/v1/incidents/{id}/history", get(incidents::history))
        .route("/api/v1/divergences", get(divergences::list))
        .route("/api/v1/divergences/{id}", get(divergences::show))
        .route("/api/v1/recall", post(facts::recall))
        .merge(trust::routes())
        .merge(custody::routes())
        .merge(messages::routes())
        .merge(federation::routes())
        .merge(outbox::routes())
        .merge(resources::short())
        .merge(content::short())
        .merge(dht::short())
        .merge(team::short());
    let writes = Router::new()
        .route("/api/v1/facts", post(facts::remember))
        .route("/api/v1/facts/batch", post(facts::remember_all))
        .route("/api/v1/facts/{id}", axum::routing::patch(facts::edit).delete(facts::forget))
        .route("/api/v1/facts/{id}/restore", post(facts::restore))
        .route("/api/v1/facts/{id}/erasure", post(erasure::erase))
        .route("/api/v1/divergences/{id}/resolve", post(divergences::resolve))
        .route("/api/v1/incidents", post(incidents::report))
        .route("/api/v1/incidents/{id}", axum::routing::patch(incidents::update));
    let long = Router::new()
        .route("/api/v1/verify", get(node::verify))
        .route("/api/v1/peers/handshake", post(node::handshake))
        .route("/api/v1/team/invite", post(node::invite))
        .route("/api/v1/team/join", post(node::join))
        .merge(team::long())
        .merge(resources::long())
        .merge(content::long())
        .merge(dht::long())
        .merge(recovery::routes());
    bounded(asks, ASK_BYTES_MAX, ASKS_MAX, SECONDS_MAX)
        .merge(bounded(writes, WRITE_BYTES_MAX, WRITES_MAX, SECONDS_MAX))
        .merge(bounded(long, ASK_BYTES_MAX, LONG_MAX, LONG_SECONDS_MAX))
        .merge(bounded(bundles::routes(), bundles::FILE_BYTES_MAX, FILES_MAX, LONG_SECONDS_MAX))
        .merge(content::streams().layer(GlobalConcurrencyLimitLayer::new(STREAMS_MAX)))
        .with_state(service)
}

/// What only the owner of the home may do, through the control socket.
pub(crate) fn owner(service: Arc<Service>) -> Router {
    let keys = bounded(content::owner(), ASK_BYTES_MAX, ASKS_MAX, SECONDS_MAX);
    Router::new().route("/api/v1/shutdown", post(node::shutdown)).merge(keys).with_state(service)
}

/// Whether the process is alive; tells nothing else, so it needs no token.
pub(crate) fn health() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" }))
}

/// Gives what is not a route its answer.
pub(crate) fn with_fallbacks(router: Router) -> Router {
    let nothing = || async {
        let problem = Problem::new(Code::NotFound, "there is nothing at this address");
        problem.hint("the API is at /api/v1/..., MCP at /mcp").into_response()
    };
    router.fallback(nothing).method_not_allowed_fallback(problem::method_not_allowed)
}

fn bounded(router: Router<Arc<Service>>, bytes: usize, at_once: usize, seconds: u64) -> Router<Arc<Service>> {
    let in_time = move |mut request: Request, next: Next| {
        request.extensions_mut().insert(input::Limit(bytes));
        within(seconds, request, next)
    };
    router.layer(GlobalConcurrencyLimitLayer::new(at_once)).layer(from_fn(in_time))
}

async fn within(seconds: u64, request: Request, next: Next) -> Response {
    match tokio::time::timeout(Duration::from_secs(seconds), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timed_out(seconds).into_response(),
    }
}
