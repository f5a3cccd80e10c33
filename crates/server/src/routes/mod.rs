//! The HTTP API, `/api/v1/…`. A route only reads the request and hands it to the [`Service`].

mod bundles;
mod content;
mod custody;
mod dashboard;
mod described;
mod dht;
mod divergences;
mod doctor;
mod erasure;
mod events;
mod export;
mod facts;
mod federation;
mod health;
mod history;
mod incidents;
mod input;
mod messages;
mod metrics;
mod node;
mod openapi;
mod outbox;
mod problem;
mod recall;
mod recovery;
mod replication;
mod resources;
mod settings;
mod team;
mod trail;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower::limit::GlobalConcurrencyLimitLayer;

pub(crate) use content::{CONTENT_HEADER, document_of, store_body};
pub(crate) use health::health;
pub(crate) use metrics::metrics;

use crate::error::{Code, Problem};
use crate::openapi::{Routes, delete, get, patch, post};
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
    both_doors().with_state(service)
}

/// What only the owner of the home may do, through the control socket.
pub(crate) fn owner(service: Arc<Service>) -> Router {
    control_only().with_state(service)
}

/// Every route of the API, as its document lists them.
fn table() -> Routes {
    both_doors().merge(control_only().control_only()).merge(crate::door::control_routes().control_only())
}

fn both_doors() -> Routes {
    bounded(asks(), ASK_BYTES_MAX, ASKS_MAX, SECONDS_MAX)
        .merge(bounded(writes(), WRITE_BYTES_MAX, WRITES_MAX, SECONDS_MAX))
        .merge(bounded(long(), ASK_BYTES_MAX, LONG_MAX, LONG_SECONDS_MAX))
        .merge(bounded(bundles::routes(), bundles::FILE_BYTES_MAX, FILES_MAX, LONG_SECONDS_MAX))
        .merge(streams().wrapped(|router| router.layer(GlobalConcurrencyLimitLayer::new(STREAMS_MAX))))
}

/// Those that carry as much as there is.
fn streams() -> Routes {
    content::streams().merge(export::streams())
}

/// Those that ask.
fn asks() -> Routes {
    Routes::new()
        .route(
            "/api/v1/status",
            get("How the node is: who it is, what it holds, whom it knows, what needs a person.", node::status),
        )
        .route("/api/v1/peers", get("The peers of the node.", node::peers))
        .route(
            "/api/v1/state-hash",
            get("The hash of what is shared; equal on all members that hold the same.", node::state_hash),
        )
        .route("/api/v1/facts", get("Lists facts, by filter and in pages.", facts::list))
        .route("/api/v1/facts/{id}", get("Shows a fact.", facts::show))
        .route("/api/v1/facts/{id}/history", get("Shows every edit of a fact.", facts::history))
        .route(
            "/api/v1/facts/{id}/erasure",
            get("Shows which members have erased a fact that was forgotten for good.", erasure::show),
        )
        .route("/api/v1/incidents", get("Lists incidents, by filter and in pages.", incidents::list))
        .route("/api/v1/incidents/{id}", get("Shows an incident.", incidents::show))
        .route("/api/v1/incidents/{id}/history", get("Shows every edit of an incident.", incidents::history))
        .route(
            "/api/v1/divergences",
            get("Lists divergences: facts and incidents that were edited in two places at once.", divergences::list),
        )
        .route("/api/v1/divergences/{id}", get("Shows the sides of a divergence.", divergences::show))
        .merge(openapi::routes())
        .merge(history::routes())
        .merge(recall::routes())
        .merge(trust::routes())
        .merge(custody::routes())
        .merge(export::short())
        .merge(messages::routes())
        .merge(federation::routes())
        .merge(outbox::routes())
        .merge(resources::short())
        .merge(content::short())
        .merge(replication::short())
        .merge(dht::short())
        .merge(team::short())
        .merge(settings::routes())
        .merge(events::routes())
}

/// Those that write.
fn writes() -> Routes {
    Routes::new()
        .route("/api/v1/facts", post("Remembers a fact.", facts::remember))
        .route(
            "/api/v1/facts/batch",
            post("Remembers many facts; each succeeds or fails by itself.", facts::remember_all),
        )
        .route(
            "/api/v1/facts/{id}",
            patch("Edits a fact: a missing key keeps a field, `null` clears it.", facts::edit)
                .and(delete("Forgets a fact; it can be restored.", facts::forget)),
        )
        .route("/api/v1/facts/{id}/restore", post("Restores a fact that was forgotten.", facts::restore))
        .route("/api/v1/facts/{id}/erasure", post("Forgets a fact for good, here and on every member.", erasure::erase))
        .route("/api/v1/divergences/{id}/resolve", post("Resolves a divergence.", divergences::resolve))
        .route("/api/v1/incidents", post("Reports an incident.", incidents::report))
        .route(
            "/api/v1/incidents/{id}",
            patch("Edits an incident: a missing key keeps a field, `null` clears it.", incidents::update),
        )
}

/// Those that talk to peers, or read the whole database.
fn long() -> Routes {
    Routes::new()
        .route("/api/v1/verify", get("Checks every event in the database, and the genome.", node::verify))
        .route("/api/v1/peers/handshake", post("Greets the node at an address.", node::handshake))
        .route("/api/v1/team/invite", post("Makes a ticket with which one node can join the team.", node::invite))
        .route("/api/v1/team/join", post("Joins a team by a ticket.", node::join))
        .merge(team::long())
        .merge(resources::long())
        .merge(content::long())
        .merge(replication::long())
        .merge(dht::long())
        .merge(recovery::routes())
        .merge(doctor::long())
}

fn control_only() -> Routes {
    let keys = content::owner().merge(settings::owner()).merge(dashboard::owner());
    let keys = bounded(keys, ASK_BYTES_MAX, ASKS_MAX, SECONDS_MAX);
    Routes::new().route("/api/v1/shutdown", post("Stops the node.", node::shutdown)).merge(keys)
}

/// Gives what is not a route its answer.
pub(crate) fn with_fallbacks(router: Router) -> Router {
    let nothing = || async {
        let problem = Problem::new(Code::NotFound, "there is nothing at this address");
        problem.hint("the API is at /api/v1/..., MCP at /mcp").into_response()
    };
    router.fallback(nothing).method_not_allowed_fallback(problem::method_not_allowed)
}

fn bounded(routes: Routes, bytes: usize, at_once: usize, seconds: u64) -> Routes {
    routes.wrapped(|router| limited(router, bytes, at_once, seconds))
}

fn limited(router: Router<Arc<Service>>, bytes: usize, at_once: usize, seconds: u64) -> Router<Arc<Service>> {
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
