//! Model Context Protocol: the door for agents. The library that speaks it is used in this module only.
//!
//! An agent reads what it is given as if it were part of its instructions, pays for every word of a tool list, and
//! repeats a call when it is unsure. So results are delimited as data, the list is short, writes can be repeated, and
//! whatever goes wrong with a request is a result that says what to do, never an error of the protocol.
//!
//! An agent chooses a [`ToolProfile`] by the query of the address it comes in at, `?profile=full`.
//!
//! Beside tools there are resources, which an agent's client attaches and watches, and prompts, which a person picks.
//!
//! Two transports share one [`Agent`]: streamable HTTP at `/mcp` of the HTTP door, and lines over an upgraded
//! connection of the control socket, which `antiphon mcp` carries to an agent's standard input and output.

mod agent;
mod args;
mod call;
mod completion;
mod context;
mod memory;
mod message;
mod more;
mod news;
pub(crate) mod outside;
mod profile;
mod progress;
mod prompts;
mod render;
mod resources;
mod sessions;
mod share;
mod subject;
mod times;
#[cfg(test)]
mod tokens;
mod tools;
pub mod transport;
mod watch;

use std::sync::Arc;

use axum::Router;
use rmcp::ServiceExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::door::Tasks;
use crate::service::Service;
use agent::Agent;
pub use profile::ToolProfile;
pub(crate) use times::{BOUNDS_SECONDS, CallTimes};

/// Most calls of one door at the same time.
const CALLS_MAX: usize = 32;

/// The MCP route of the HTTP door. Who may come in is checked before: the door's guard knows the token, the host and
/// the origin.
pub(crate) fn http(service: &Arc<Service>, tasks: &Tasks, settings: &transport::Settings) -> Router {
    let (service, calls, doors) = (service.clone(), Arc::new(Semaphore::new(CALLS_MAX)), tasks.clone());
    let agent = move || Agent::new(service.clone(), calls.clone(), doors.clone());
    let (router, sweeping) = transport::router(agent, settings, tasks.stop().child_token());
    tasks.spawn(sweeping);
    router
}

/// Serves one agent on a stream of lines until it closes its end, or the doors close.
pub(crate) async fn stream<S>(service: Arc<Service>, profile: ToolProfile, stream: S, tasks: Tasks)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let stop = tasks.stop().child_token();
    let agent = Agent::alone(service, profile, Arc::new(Semaphore::new(CALLS_MAX)), tasks);
    match agent.serve_with_ct(stream, stop).await {
        Ok(running) => {
            if let Err(error) = running.waiting().await {
                tracing::warn!(%error, "an agent's session broke");
            }
        }
        // An agent that goes away before it says hello has done nothing wrong.
        Err(error) => tracing::debug!(%error, "an agent left before its session began"),
    }
}
