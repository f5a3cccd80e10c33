//! Streamable HTTP, for any handler.
//!
//! The handler is a parameter so that the official conformance suite, which asks for tools, resources and prompts of its
//! own, can be run with them against this very code and these settings. The product knows one handler, the agent's.
//!
//! Both revisions that the library speaks come in at one address: an agent of the older one opens a session, see
//! `sessions`, and one of the newer one says with every request who it is.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

use super::sessions::{self, Sessions};
use crate::door::Rate;

/// Most bytes of one HTTP request to `/mcp`.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest silence after which a session is dropped, in seconds: half a day, because agents wait for people and not
/// every client begins anew when its session is gone.
const SESSION_SILENT_SECONDS_MAX: u64 = 12 * 60 * 60;
/// Where a page may come from that speaks to agents' tools: from a server of this machine. The door's guard has looked
/// at it before; this holds should a route ever come past the guard.
const ORIGINS: [&str; 6] = [
    "http://localhost:*",
    "http://127.0.0.1:*",
    "http://[::1]:*",
    "https://localhost:*",
    "https://127.0.0.1:*",
    "https://[::1]:*",
];

/// How the route is guarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many sessions one address may begin in a minute, and at once.
    pub sessions_per_minute: u32,
    /// Whether pages of this machine alone may speak to it. A door that has names beside those of this machine knows
    /// better, and looks itself.
    pub local_pages_only: bool,
}

/// The route `/mcp`: `make` gives a handler for each session, and for each request that needs none. Sessions and
/// streams end when `stop` is cancelled. Which hosts may be named is for the door to say.
///
/// Beside it comes what is to run until then, and ends sessions that were abandoned.
pub fn router<H: ServerHandler, M: Fn() -> H + Send + Sync + 'static>(
    make: M,
    settings: &Settings,
    stop: CancellationToken,
) -> (Router, impl Future<Output = ()> + Send + use<H, M>) {
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(Duration::from_secs(SESSION_SILENT_SECONDS_MAX));
    let manager = Arc::new(manager);
    let rate = Rate { burst: settings.sessions_per_minute, per_minute: settings.sessions_per_minute };
    let sessions = Arc::new(Sessions::new(manager.clone(), rate));
    let config = config(stop.clone());
    let config = if settings.local_pages_only {
        config.with_allowed_origins(ORIGINS).enforce_origin_validation()
    } else {
        config
    };
    let mcp = StreamableHttpService::new(move || Ok(make()), manager, config);
    let guarded = from_fn_with_state(sessions.clone(), sessions::bounded);
    let sweeping = async move {
        // That it was told to stop is all there is to know of it.
        let _ = stop.run_until_cancelled(sessions.sweep()).await;
    };
    (Router::new().route_service("/mcp", mcp).layer(guarded), sweeping)
}

fn config(stop: CancellationToken) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_allowed_hosts(Vec::<String>::new())
        .with_max_request_body_bytes(REQUEST_BYTES_MAX)
        .with_cancellation_token(stop)
}
