//! Who may come in by the HTTP door.
//!
//! A web page in a browser of this machine can send requests to loopback ports. With DNS rebinding it even does so
//! under a name of its own, and then reads the answers. So a request must name the door in `Host` as it may be named,
//! and if a page sent it, the page's `Origin` must be of the same names. Behind that stands the token, which other
//! users of the machine do not have. Requests that fail the first two are refused before the token is looked at.
//!
//! The token cannot be guessed. Who tries all the same is slowed down, so that it costs little; whoever has the token
//! comes in even then, because several may share an address.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hosts::Hosts;
use super::link::Link;
use super::rate::{Limiter, Rate, Wait};
use super::tls::Tls;
use crate::error::Problem;

/// How often an address may come with a wrong token before it has to wait.
const FAILURES: Rate = Rate { burst: 30, per_minute: 30 };
/// How long a browser is to insist on encryption, once it saw a certificate that it trusts: a year.
const INSIST: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What the door knows of those who may come in.
pub(crate) struct Guard {
    token: Zeroizing<String>,
    hosts: Hosts,
    failures: Limiter,
    /// Whether other machines can reach the door, so that it is encrypted.
    encrypted: bool,
    /// Whether browsers are told to insist on encryption.
    insist: bool,
}

impl Guard {
    pub(super) fn new(token: Zeroizing<String>, hosts: Hosts, tls: Option<&Tls>) -> Self {
        let insist = tls.is_some_and(Tls::is_given);
        Self { token, hosts, failures: Limiter::new(FAILURES), encrypted: tls.is_some(), insist }
    }

    /// Whether the door has the names of this machine alone.
    pub(super) fn is_local(&self) -> bool {
        !self.encrypted && self.hosts.is_local()
    }

    /// Counts an attempt to come in that failed.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn failed(&self, link: &Link) -> Result<(), Wait> {
        self.failures.take(link.peer, Instant::now())
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let given = value.to_str().ok().and_then(|value| value.split_once(' '));
        let Some((scheme, given)) = given else { return false };
        let same = given.trim().as_bytes().ct_eq(self.token.as_bytes());
        scheme.eq_ignore_ascii_case("bearer") && bool::from(same)
    }

    fn foreign(&self, headers: &HeaderMap, uri: &Uri, link: &Link) -> Option<Problem> {
        let admit = |host: &str| self.hosts.admit(host, Some(link.reached));
        let hosts: Vec<&str> = texts(headers, header::HOST);
        if hosts.len() != 1 || !hosts.iter().all(|host| admit(host)) {
            return Some(Problem::foreign("Host", hosts.first().unwrap_or(&"")));
        }
        if let Some(authority) = uri.authority().filter(|authority| !admit(authority.as_str())) {
            return Some(Problem::foreign("Host", authority.as_str()));
        }
        let origins = texts(headers, header::ORIGIN);
        let other = origins.iter().find(|origin| !self.hosts.admit_origin(origin, Some(link.reached)));
        other.map(|origin| Problem::foreign("Origin", origin))
    }
}

/// Lets in who has the token.
pub(super) async fn token(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if guard.knows(request.headers()) {
        return next.run(request).await;
    }
    match guard.failed(&Link::carrying(&request)) {
        Ok(()) => Problem::unauthorized().into_response(),
        Err(wait) => wait.response("wrong tokens"),
    }
}

/// Lets in what comes under a name of this door.
pub(super) async fn locality(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let link = Link::carrying(&request);
    let insist = guard.insist && link.encrypted && !link.reached.is_loopback();
    let mut response = match guard.foreign(request.headers(), request.uri(), &link) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    };
    // Memories belong in no cache, not even one that asks first, and JSON must not be taken for a page.
    let headers = response.headers_mut();
    let public = headers.get(header::CACHE_CONTROL).is_some_and(|value| value.as_bytes().starts_with(b"public"));
    if !public {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    if insist {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, INSIST);
    }
    response
}

impl Wait {
    /// The answer to one who did `what` too often.
    pub(crate) fn response(self, what: &str) -> Response {
        let mut response = Problem::too_many(what, self.0).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.0));
        response
    }
}

/// The values of a header; one that is no text counts as a foreign one.
fn texts(headers: &HeaderMap, name: header::HeaderName) -> Vec<&str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn browsers_are_told_to_insist_on_encryption_where_that_makes_sense() {
        let answer = async |insist: bool, encrypted: bool, reached: &str| {
            let guard = Guard { encrypted, insist, ..Guard::new(Zeroizing::default(), Hosts::default(), None) };
            let layer = from_fn_with_state(Arc::new(guard), locality);
            let router = Router::new().route("/", get(|| async { "" })).layer(layer);
            let reached = reached.parse().unwrap();
            let link = Link { peer: reached, reached, encrypted };
            let request = Request::builder().header(header::HOST, "localhost").extension(Some(link));
            let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            response.headers().contains_key(header::STRICT_TRANSPORT_SECURITY)
        };
        assert!(answer(true, true, "192.168.1.4").await);
        assert!(!answer(true, true, "127.0.0.1").await, "other programs of this machine speak without");
        assert!(!answer(true, true, "::1").await);
        assert!(!answer(true, false, "192.168.1.4").await);
        assert!(!answer(false, true, "192.168.1.4").await, "nobody vouches for its certificate");
    }

    #[test]
    fn the_token_is_taken_in_one_form_only() {
        let guard = Guard::new(Zeroizing::new("secret".to_owned()), Hosts::default(), None);
        let check = |values: &[&str], known: bool| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(guard.knows(&headers), known, "{values:?}");
        };
        check(&["Bearer secret"], true);
        check(&["bearer secret"], true);
        check(&[], false);
        check(&["secret"], false);
        check(&["Bearer "], false);
        check(&["Bearer secre"], false);
        check(&["Bearer secrets"], false);
        check(&["Basic secret"], false);
        check(&["Bearer secret", "Bearer secret"], false);
    }
}
