//! Whether a form was sent by a page of this node.
//!
//! The cookie is sent by the browser whoever wrote the form. So three things must be right: the page that sent it is of
//! this very origin, its port included; the browser, if it says where requests come from, says the same; and the form
//! carries the token of the session, which no other page can read.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};

use super::session::Visitor;
use crate::error::{Code, Problem};

/// Header by which a script shows the token instead of a field.
pub(super) const TOKEN_HEADER: &str = "x-antiphon-csrf";
/// Name of the field.
const TOKEN_FIELD: &str = "csrf";
/// Most bytes of a form. A fact takes up to three times its length on the way.
pub(super) const FORM_BYTES_MAX: usize = 512 * 1024;

/// Lets a request pass that a page of this session sent; its body can be read again.
pub(super) async fn check(request: Request, visitor: &Visitor) -> Result<Request, Problem> {
    origin(request.headers())?;
    if let Some(token) = request.headers().get(TOKEN_HEADER) {
        let own = token.to_str().is_ok_and(|token| visitor.is_own(token));
        return if own { Ok(request) } else { Err(wrong_token()) };
    }
    let (parts, body) = request.into_parts();
    let form = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !form.starts_with("application/x-www-form-urlencoded") {
        return Err(wrong_token());
    }
    let too_large = |_| Problem::too_large(FORM_BYTES_MAX);
    let bytes = Limited::new(body, FORM_BYTES_MAX).collect().await.map_err(too_large)?.to_bytes();
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes).unwrap_or_default();
    let tokens: Vec<&str> =
        fields.iter().filter(|(name, _)| name == TOKEN_FIELD).map(|(_, value)| value.as_str()).collect();
    match tokens.as_slice() {
        [token] if visitor.is_own(token) => Ok(Request::from_parts(parts, Body::from(bytes))),
        _ => Err(wrong_token()),
    }
}

/// Lets pass what a page of this origin sent.
pub(super) fn origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        let mut values = headers.get_all(name).iter();
        let one = values.next().and_then(|value| value.to_str().ok());
        one.filter(|_| values.next().is_none())
    };
    let origin = text(header::ORIGIN).unwrap_or("none");
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let own = match (host, text(header::HOST)) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    };
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    if own && site { Ok(()) } else { Err(foreign(origin)) }
}

fn foreign(origin: &str) -> Problem {
    let origin: String = origin.chars().take(80).collect();
    Problem::new(Code::Refused, "this form was not sent by a page of this node")
        .why(format!("its Origin is {origin:?}; another page must not act in your name"))
        .hint("open the dashboard again: antiphon open")
}

fn wrong_token() -> Problem {
    Problem::new(Code::Refused, "this form does not belong to your session, and nothing was done")
        .why("you signed in again since the page was opened, or another page sent it")
        .hint("go back, load the page again and repeat")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>, site: Option<&str>, good: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        assert_eq!(super::origin(&headers).is_ok(), good, "{host} {origin:?} {site:?}");
    }

    #[test]
    fn only_pages_of_this_very_origin_send_forms() {
        let host = "127.0.0.1:7411";
        check(host, Some("http://127.0.0.1:7411"), None, true);
        check(host, Some("https://127.0.0.1:7411"), Some("same-origin"), true);
        check(host, None, Some("same-origin"), false);
        check(host, Some("null"), None, false);
        check(host, Some("http://127.0.0.1:3000"), None, false);
        check(host, Some("http://localhost:7411"), None, false);
        check(host, Some("http://127.0.0.1:7411"), Some("same-site"), false);
        check(host, Some("http://evil.example"), Some("cross-site"), false);
        check(host, Some("ftp://127.0.0.1:7411"), None, false);
    }
}
