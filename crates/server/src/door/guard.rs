//! Who may come in by the HTTP door.
//!
//! A web page in a browser of this machine can send requests to loopback ports. With DNS rebinding it even does so
//! under a name of its own, and then reads the answers. So a request must name this machine in `Host`, and if a page
//! sent it, the page's `Origin` must be of this machine too. Behind that stands the token, which other users of the
//! machine do not have. Requests that fail the first two are refused before the token is looked at.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::Problem;

/// Names of this machine.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The token of the door.
pub(super) struct Guard(Zeroizing<String>);

impl Guard {
    pub(super) fn new(token: Zeroizing<String>) -> Self {
        Self(token)
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let given = value.to_str().ok().and_then(|value| value.split_once(' '));
        let Some((scheme, given)) = given else { return false };
        let same = given.trim().as_bytes().ct_eq(self.0.as_bytes());
        scheme.eq_ignore_ascii_case("bearer") && bool::from(same)
    }
}

/// Lets in who has the token.
pub(super) async fn token(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if guard.knows(request.headers()) { next.run(request).await } else { Problem::unauthorized().into_response() }
}

/// Lets in what comes from this machine, under a name of this machine.
pub(super) async fn locality(request: Request, next: Next) -> Response {
    let mut response = match foreign(request.headers(), request.uri()) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    };
    // Memories belong into no cache, and JSON must not be taken for a page.
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}

fn foreign(headers: &HeaderMap, uri: &Uri) -> Option<Problem> {
    let hosts: Vec<&str> = texts(headers, header::HOST);
    if hosts.len() != 1 || !hosts.iter().all(|host| is_local(host)) {
        return Some(Problem::foreign("Host", hosts.first().unwrap_or(&"")));
    }
    if let Some(authority) = uri.authority().filter(|authority| !is_local(authority.as_str())) {
        return Some(Problem::foreign("Host", authority.as_str()));
    }
    let origins = texts(headers, header::ORIGIN);
    let other = origins.iter().find(|origin| !is_local_origin(origin));
    other.map(|origin| Problem::foreign("Origin", origin))
}

/// The values of a header; one that is no text counts as a foreign one.
fn texts(headers: &HeaderMap, name: header::HeaderName) -> Vec<&str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect()
}

fn is_local_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(is_local)
}

fn is_local(authority: &str) -> bool {
    HOSTS.iter().any(|host| {
        let head = authority.get(..host.len()).filter(|head| head.eq_ignore_ascii_case(host));
        let rest = head.and_then(|_| authority.get(host.len()..));
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        let check = |authority: &str, local: bool| assert_eq!(is_local(authority), local, "{authority}");
        check("localhost", true);
        check("LocalHost:7411", true);
        check("127.0.0.1:1", true);
        check("[::1]:7411", true);
        check("[::1]", true);
        check("localhost.evil.example", false);
        check("127.0.0.1.evil.example:80", false);
        check("localhost:7411@evil.example", false);
        check("127.0.0.2", false);
        check("evil.example", false);
        check("localhost:", false);
        check("", false);
        assert!(is_local_origin("http://localhost:3000"));
        assert!(is_local_origin("https://127.0.0.1"));
        assert!(!is_local_origin("null"));
        assert!(!is_local_origin("file://localhost"));
        assert!(!is_local_origin("http://localhost:3000/x"));
    }

    #[test]
    fn the_token_is_taken_in_one_form_only() {
        let guard = Guard::new(Zeroizing::new("secret".to_owned()));
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
