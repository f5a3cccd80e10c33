//! What a form says after it was sent: on the next page, once.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A message for the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flash {
    /// What happened.
    pub(super) text: String,
    /// Whether it went well.
    pub(super) good: bool,
}

impl Flash {
    /// It was done.
    pub(super) fn done(text: impl Into<String>) -> Self {
        Self { text: text.into(), good: true }
    }

    /// It was done, but for something that a person should know.
    pub(super) fn partly(text: impl Into<String>) -> Self {
        Self { text: text.into(), good: false }
    }
}

/// How a form ends: on another page, with a message.
pub(super) struct Done {
    to: String,
    flash: Option<Flash>,
}

impl Done {
    /// Goes on at a path of this site.
    pub(super) fn at(to: impl Into<String>) -> Self {
        Self { to: local(&to.into()).to_owned(), flash: None }
    }

    /// The same, with a message there.
    pub(super) fn saying(self, flash: Flash) -> Self {
        Self { flash: Some(flash), ..self }
    }
}

/// The path, if it is one of this site.
pub(super) fn local(path: &str) -> &str {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if path.starts_with('/') && !path.starts_with("//") && plain { path } else { "/" }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        let to = HeaderValue::from_str(&self.to).unwrap_or(HeaderValue::from_static("/"));
        response.headers_mut().insert(header::LOCATION, to);
        if let Some(flash) = self.flash {
            response.extensions_mut().insert(flash);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_leads_to_another_site() {
        let check = |path: &str, want: &str| assert_eq!(local(path), want, "{path}");
        check("/facts?q=a%20b", "/facts?q=a%20b");
        check("//evil.example", "/");
        check("/\\evil.example", "/");
        check("https://evil.example", "/");
        check("/a\r\nset-cookie: x", "/");
        check("", "/");
    }
}
