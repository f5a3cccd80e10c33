//! Where the node listens: a Unix socket for the owner's own programs, a loopback HTTP port for everything that
//! cannot open one.
//!
//! The socket is guarded by the file system: the home is 0700, the socket 0600. A port can be reached by every user
//! and every web page of the machine, so it takes a bearer token and looks at where a request comes from first. Both speak the same API.
//!
//! Everything is bound before [`serve`] returns, so that what it prints is true. A port that is taken costs the HTTP
//! door only: the node runs on and says so in its status.

mod accept;
mod control;
mod error;
mod guard;
mod tasks;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use antiphon_node::Handle;
use antiphon_node::home::Home;
use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;

pub use control::MCP_PROTOCOL;
pub(crate) use control::routes as control_routes;
pub use error::Error;

use crate::dto::FindingDto;
use crate::mcp;
use crate::routes;
use crate::service::Service;
use guard::Guard;
pub(crate) use tasks::Tasks;

/// Where the HTTP door listens when nobody says otherwise.
pub const HTTP_DEFAULT: &str = "127.0.0.1:7411";

/// Which doors to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorOptions {
    /// Home of the node; its control socket is always opened.
    pub home: Home,
    /// Address of the HTTP door, as in [`HTTP_DEFAULT`]; `None` keeps it closed.
    pub http: Option<String>,
}

/// Open doors.
#[derive(Debug)]
#[must_use = "only `finished` tells when the last answer was given"]
pub struct Running {
    /// Where the HTTP door is; `None` when it is closed.
    pub http_url: Option<String>,
    /// What went wrong with a door that could not be opened.
    pub findings: Vec<FindingDto>,
    tasks: Tasks,
    socket: control::Socket,
}

impl Running {
    /// Waits until the doors were told to close and the last answer was given, but not long for the latter.
    pub async fn finished(self) {
        self.tasks.finished().await;
        self.socket.remove();
    }
}

/// Opens the doors. They close when `shutdown` completes.
///
/// # Errors
/// [`Error`] when the control socket cannot be opened, or the HTTP address is unfit.
pub async fn serve(
    handle: Handle,
    options: DoorOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, Error> {
    let own = handle.status().await?.node_id;
    let http = options.http.as_deref().map(loopback).transpose()?;
    let token = http.is_some().then(|| antiphon_node::http_token(&options.home)).transpose()?;
    let (socket, control_listener) = control::Socket::bind(&options.home.socket())?;
    let (http, findings) = bind_http(http).await;
    let http_url = http.as_ref().map(|(_, at)| format!("http://{at}"));
    let tasks = Tasks::new(shutdown);
    let service = Arc::new(Service::new(handle, own, http_url.clone(), findings.clone()));
    if let (Some((listener, _)), Some(token)) = (http, token) {
        let router = http_router(&service, Arc::new(Guard::new(token)), &tasks);
        tasks.spawn(accept::accept(listener, router, tasks.clone()));
    }
    let router = control_router(&service, &tasks);
    tasks.spawn(accept::accept(control_listener, router, tasks.clone()));
    Ok(Running { http_url, findings, tasks, socket })
}

fn control_router(service: &Arc<Service>, tasks: &Tasks) -> Router {
    let router = routes::api(service.clone()).merge(routes::owner(service.clone()));
    let router = router.merge(routes::metrics(service.clone())).merge(routes::health(service.clone()));
    routes::with_fallbacks(router.merge(control::mcp(service.clone(), tasks.clone())))
}

fn http_router(service: &Arc<Service>, guard: Arc<Guard>, tasks: &Tasks) -> Router {
    let guarded = routes::api(service.clone()).merge(routes::metrics(service.clone())).merge(mcp::http(service, tasks));
    let guarded = routes::with_fallbacks(guarded).layer(from_fn_with_state(guard, guard::token));
    guarded.merge(routes::health(service.clone())).layer(axum::middleware::from_fn(guard::locality))
}

/// Reads an address and makes sure that only this machine can reach it.
fn loopback(address: &str) -> Result<SocketAddr, Error> {
    let named = address.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let parsed: Result<SocketAddr, _> = named.as_deref().unwrap_or(address).parse();
    let at = parsed.map_err(|_| Error::Address { address: address.to_owned() })?;
    if at.ip().is_loopback() { Ok(at) } else { Err(Error::NotLoopback { address: at }) }
}

async fn bind_http(at: Option<SocketAddr>) -> (Option<(TcpListener, SocketAddr)>, Vec<FindingDto>) {
    let Some(at) = at else { return (None, Vec::new()) };
    let bound = match TcpListener::bind(at).await {
        Ok(listener) => listener.local_addr().map(|at| (listener, at)),
        Err(error) => Err(error),
    };
    match bound {
        Ok(bound) => (Some(bound), Vec::new()),
        Err(error) => {
            tracing::warn!(%at, %error, "the HTTP door stays closed");
            let what = format!("the HTTP door stays closed: {at}: {error}");
            let fix = "antiphon down, then antiphon up --http 127.0.0.1:0 --detach".to_owned();
            (None, vec![FindingDto { what, fix }])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        let check = |text: &str, good: bool| assert_eq!(loopback(text).is_ok(), good, "{text}");
        check("127.0.0.1:7411", true);
        check("127.8.8.8:0", true);
        check("[::1]:7411", true);
        check("localhost:80", true);
        check("0.0.0.0:7411", false);
        check("192.168.1.4:7411", false);
        check("[::]:7411", false);
        check("7411", false);
        check("evil.example:7411", false);
    }
}
