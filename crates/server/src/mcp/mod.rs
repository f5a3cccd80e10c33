//! Model Context Protocol: the door for agents. The library that speaks it is used in this module only.
//!
//! An agent reads what it is given as if it were part of its instructions, pays for every word of a tool list, and
//! repeats a call when it is unsure. So results are delimited as data, the list is short, writes can be repeated, and
//! whatever goes wrong with a request is a result that says what to do, never an error of the protocol.
//!
//! An agent chooses a [`ToolProfile`] by the query of the address it comes in at, `?profile=full`.
//!
//! Two transports share one [`Agent`]: streamable HTTP at `/mcp` of the HTTP door, and lines over an upgraded
//! connection of the control socket, which `antiphon mcp` carries to an agent's standard input and output.

mod agent;
mod args;
mod call;
mod message;
mod more;
mod profile;
mod render;
mod sessions;
mod share;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use rmcp::ServiceExt;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::door::Tasks;
use crate::service::Service;
use agent::Agent;
pub use profile::ToolProfile;
use sessions::Sessions;

/// Most bytes of one HTTP request to `/mcp`.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest silence after which a session is dropped, in seconds: half a day, because agents wait for people and not
/// every client begins anew when its session is gone.
const SESSION_SILENT_SECONDS_MAX: u64 = 12 * 60 * 60;
/// Most tool calls at the same time.
const CALLS_MAX: usize = 32;

/// The MCP route of the HTTP door. Who may come in is checked before: the door's guard knows the token, the host and
/// the origin, so the library's own checks stay open.
pub(crate) fn http(service: &Arc<Service>, tasks: &Tasks) -> Router {
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(Duration::from_secs(SESSION_SILENT_SECONDS_MAX));
    let manager = Arc::new(manager);
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(Vec::<String>::new())
        .with_max_request_body_bytes(REQUEST_BYTES_MAX)
        .with_cancellation_token(tasks.stop().child_token());
    let (service, calls) = (service.clone(), Arc::new(Semaphore::new(CALLS_MAX)));
    let agent = move || Ok(Agent::new(service.clone(), calls.clone(), None, None));
    let sessions = Arc::new(Sessions::new(manager.clone()));
    let mcp = StreamableHttpService::new(agent, manager, config);
    Router::new().route_service("/mcp", mcp).layer(from_fn_with_state(sessions, sessions::bounded))
}

/// Serves one agent on a stream of lines until it closes its end, or the doors close.
pub(crate) async fn stream<S>(service: Arc<Service>, profile: ToolProfile, stream: S, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let calls = Arc::new(Semaphore::new(CALLS_MAX));
    let agent = Agent::new(service, calls, Some(agent::fresh_session()), Some(profile));
    match agent.serve_with_ct(stream, stop.child_token()).await {
        Ok(running) => {
            if let Err(error) = running.waiting().await {
                tracing::warn!(%error, "an agent's session broke");
            }
        }
        // An agent that goes away before it says hello has done nothing wrong.
        Err(error) => tracing::debug!(%error, "an agent left before its session began"),
    }
}
