//! Where the node listens: a Unix socket for the owner's own programs, an HTTP port for everything that cannot open
//! one.
//!
//! The socket is guarded by the file system: the home is 0700, the socket 0600. A port can be reached by every user
//! and every web page of the machine, so it takes a bearer token and looks at where a request comes from first. It is a
//! port of loopback unless a person says otherwise; on any other address it speaks TLS only. Both doors speak the same
//! API.
//!
//! Everything is bound before [`serve`] returns, so that what it prints is true. A port that is taken costs the HTTP
//! door only: the node runs on and says so in its status. One that nobody asked for costs nothing; see `bind.rs`.

mod accept;
mod bind;
mod control;
mod error;
mod guard;
mod hosts;
mod link;
mod places;
mod rate;
mod tasks;
mod tls;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use antiphon_node::Handle;
use antiphon_node::home::Home;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};

pub use control::MCP_PROTOCOL;
pub(crate) use control::routes as control_routes;
pub use error::Error;
pub use hosts::{AllowedHost, HostError};
pub use tls::CertificateFiles;

use crate::dashboard;
use crate::dto::FindingDto;
use crate::error::Problem;
use crate::history;
use crate::mcp;
use crate::routes;
use crate::service::{Service, lookout};
use crate::settings::Settings;
use accept::Reception;
use bind::Bound;
use guard::Guard;
use hosts::Hosts;
pub(crate) use link::Link;
pub(crate) use rate::{Limiter, Rate};
pub(crate) use tasks::Tasks;
use tls::Tls;

/// Where the HTTP door listens when nobody says otherwise.
pub const HTTP_DEFAULT: &str = "127.0.0.1:7411";
/// How many sessions of agents one address may begin in a minute when nobody says otherwise.
pub const SESSIONS_PER_MINUTE_DEFAULT: u32 = 120;
/// How long the head of a request may take when nobody says otherwise, in milliseconds.
pub const HEAD_MS_DEFAULT: u64 = 30_000;
/// How long a client may take nothing of an answer when nobody says otherwise, in milliseconds.
pub const STALLED_MS_DEFAULT: u64 = 30_000;

/// Which doors to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorOptions {
    /// Home of the node; its control socket is always opened.
    pub home: Home,
    /// Address of the HTTP door, as in [`HTTP_DEFAULT`]; `None` keeps it closed.
    pub http: Option<String>,
    /// Whether any other port will do where that one is taken: nobody asked for it.
    pub elsewhere: bool,
    /// How the HTTP door is.
    pub http_settings: HttpSettings,
}

impl DoorOptions {
    /// A door as it is when nobody says more.
    pub fn new(home: Home, http: Option<String>) -> Self {
        Self { home, http, elsewhere: false, http_settings: HttpSettings::default() }
    }
}

/// How the HTTP door is, wherever it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Names under which it may be reached, beside those of loopback and the addresses of this machine.
    pub hosts: Vec<AllowedHost>,
    /// A certificate to use. Without one the door makes its own, where it needs one.
    pub certificate: Option<CertificateFiles>,
    /// How many sessions of agents one address may begin in a minute.
    pub sessions_per_minute: u32,
    /// How long the head of a request may take, in milliseconds.
    pub head_ms: u64,
    /// How long a client may take nothing of an answer, in milliseconds.
    pub stalled_ms: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            certificate: None,
            sessions_per_minute: SESSIONS_PER_MINUTE_DEFAULT,
            head_ms: HEAD_MS_DEFAULT,
            stalled_ms: STALLED_MS_DEFAULT,
        }
    }
}

/// Where the HTTP door is, once it is open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entrance {
    /// Its address, as a browser takes it.
    pub(crate) url: Option<String>,
    tls: Option<Arc<Tls>>,
}

impl Entrance {
    /// SHA-256 of its certificate, if it has one.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        self.tls.as_ref().map(|tls| tls.fingerprint())
    }
}

/// Open doors.
#[derive(Debug)]
#[must_use = "only `finished` tells when the last answer was given"]
pub struct Running {
    /// Where the HTTP door is; `None` when it is closed.
    pub http_url: Option<String>,
    /// SHA-256 of its certificate; `None` when it has none.
    pub http_certificate: Option<String>,
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
    serve_configured(handle, options, None, shutdown).await
}

/// The same for a program that can show its settings and read them again.
///
/// # Errors
/// As [`serve`].
pub async fn serve_configured(
    handle: Handle,
    options: DoorOptions,
    config: Option<Arc<dyn Settings>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, Error> {
    let own = handle.status().await?.node_id;
    let http = options.http.as_deref().map(address).transpose()?;
    let token = http.is_some().then(|| antiphon_node::http_token(&options.home)).transpose()?;
    let (socket, control_listener) = control::Socket::bind(&options.home.socket())?;
    let (http, tls, findings) = open_http(http, &options).await;
    let url = http.as_ref().map(|(_, at)| url(tls.is_some(), *at, &options.http_settings.hosts));
    let entrance = Entrance { url: url.clone(), tls: tls.clone() };
    let http_certificate = entrance.fingerprint();
    let tasks = Tasks::new(shutdown);
    let service = Arc::new(Service::new(handle, own, entrance, findings.clone()).configured(config));
    tasks.spawn(history::run(service.clone(), tasks.stop().clone()));
    tasks.spawn(lookout::run(service.clone(), tasks.stop().clone()));
    let (graphs, stop) = (service.clone(), tasks.stop().clone());
    tasks.spawn(async move {
        tokio::select! {
            () = graphs.follow_graph() => {}
            () = stop.cancelled() => {}
        }
    });
    let HttpSettings { head_ms, stalled_ms, .. } = options.http_settings;
    let reception = |router| Reception {
        router,
        tasks: tasks.clone(),
        head: Duration::from_millis(head_ms),
        stalled: Duration::from_millis(stalled_ms),
    };
    if let (Some((listener, _)), Some(token)) = (http, token) {
        let guard = Arc::new(Guard::new(token, Hosts::new(options.http_settings.hosts.clone()), tls.as_deref()));
        let router = http_router(&service, guard, &options.http_settings, &tasks);
        tasks.spawn(accept::accept_tcp(listener, tls, reception(router)));
    }
    tasks.spawn(accept::accept_local(control_listener, reception(control_router(&service, &tasks))));
    Ok(Running { http_url: url, http_certificate, findings, tasks, socket })
}

fn control_router(service: &Arc<Service>, tasks: &Tasks) -> Router {
    let router = routes::api(service.clone()).merge(routes::owner(service.clone()));
    let router = router.merge(routes::metrics(service.clone())).merge(routes::health(service.clone()));
    let router = router.merge(control::mcp(service.clone(), tasks.clone()));
    routes::with_fallbacks(router.layer(Extension(tasks.clone())))
}

fn http_router(service: &Arc<Service>, guard: Arc<Guard>, settings: &HttpSettings, tasks: &Tasks) -> Router {
    let agents = mcp::transport::Settings {
        sessions_per_minute: settings.sessions_per_minute,
        local_pages_only: guard.is_local(),
    };
    let guarded = routes::api(service.clone()).merge(routes::metrics(service.clone()));
    let guarded = guarded.merge(mcp::http(service, tasks, &agents)).layer(Extension(tasks.clone()));
    let guarded = routes::with_fallbacks(guarded).layer(from_fn_with_state(guard.clone(), guard::token));
    let pages = dashboard::pages(service.clone(), tasks);
    guarded.merge(pages).merge(routes::health(service.clone())).layer(from_fn_with_state(guard, guard::locality))
}

/// Reads an address to listen at.
fn address(address: &str) -> Result<SocketAddr, Error> {
    let named = address.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let parsed: Result<SocketAddr, _> = named.as_deref().unwrap_or(address).parse();
    parsed.map_err(|_| Error::Address { address: address.to_owned() })
}

/// What the door encrypts with: nothing, if only this machine can reach it and nobody gave it a certificate.
fn encryption(options: &DoorOptions, at: SocketAddr) -> Result<Option<Arc<Tls>>, Error> {
    let url = url(true, at, &options.http_settings.hosts);
    if let Some(files) = options.http_settings.certificate.clone() {
        return Tls::given(files, url).map(|tls| Some(Arc::new(tls)));
    }
    if at.ip().is_loopback() {
        return Ok(None);
    }
    let mut names = vec!["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
    names.extend((!at.ip().is_unspecified()).then(|| at.ip().to_string()));
    names.extend(options.http_settings.hosts.iter().map(AllowedHost::bare));
    Tls::own(&options.home, &names, url).map(|tls| Some(Arc::new(tls)))
}

/// Where a browser finds the door: under the first configured name, else at its address.
fn url(encrypted: bool, at: SocketAddr, hosts: &[AllowedHost]) -> String {
    let here = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let place = hosts.first().filter(|_| !at.ip().is_loopback()).map(|host| host.with_port(at.port()));
    let place = place.unwrap_or_else(|| SocketAddr::new(here, at.port()).to_string());
    format!("{}://{place}", if encrypted { "https" } else { "http" })
}

/// The HTTP door, or why it stays closed.
async fn open_http(
    at: Option<SocketAddr>,
    options: &DoorOptions,
) -> (Option<Bound>, Option<Arc<Tls>>, Vec<FindingDto>) {
    let (bound, findings) = bind_http(at, options).await;
    let Some((listener, at)) = bound else { return (None, None, findings) };
    match encryption(options, at) {
        Ok(tls) => (Some((listener, at)), tls, findings),
        Err(error) => {
            tracing::warn!(%at, %error, "the HTTP door stays closed");
            let problem = Problem::from(error);
            let what = format!("the HTTP door stays closed: {}", problem.what);
            (None, None, vec![FindingDto { what, fix: problem.hint.unwrap_or_default() }])
        }
    }
}

async fn bind_http(at: Option<SocketAddr>, options: &DoorOptions) -> (Option<Bound>, Vec<FindingDto>) {
    let Some(at) = at else { return (None, Vec::new()) };
    match bind::bind(at, &options.home, options.elsewhere).await {
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
    fn an_address_is_a_number_with_a_port() {
        let check = |text: &str, good: bool| assert_eq!(address(text).is_ok(), good, "{text}");
        check("127.0.0.1:7411", true);
        check("127.8.8.8:0", true);
        check("[::1]:7411", true);
        check("localhost:80", true);
        check("0.0.0.0:7411", true);
        check("192.168.1.4:7411", true);
        check("7411", false);
        check("evil.example:7411", false);
    }

    #[test]
    fn a_door_is_shown_where_a_browser_finds_it() {
        let check = |at: &str, hosts: &[&str], want: &str| {
            let (at, hosts): (SocketAddr, Vec<_>) =
                (at.parse().unwrap(), hosts.iter().map(|one| one.parse().unwrap()).collect());
            assert_eq!(url(!at.ip().is_loopback(), at, &hosts), want);
        };
        check("127.0.0.1:7411", &[], "http://127.0.0.1:7411");
        check("127.0.0.1:7411", &["notes.example"], "http://127.0.0.1:7411");
        check("[::1]:7411", &[], "http://[::1]:7411");
        check("0.0.0.0:7411", &[], "https://127.0.0.1:7411");
        check("[::]:7411", &[], "https://[::1]:7411");
        check("192.168.1.4:7411", &[], "https://192.168.1.4:7411");
        check("0.0.0.0:7411", &["notes.example"], "https://notes.example:7411");
        check("0.0.0.0:7411", &["notes.example:443"], "https://notes.example:443");
    }
}
