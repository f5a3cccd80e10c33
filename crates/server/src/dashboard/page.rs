//! What the handlers of pages give: a page, or what went wrong. Both are dressed afterwards, in one place
//! ([`super::layout`]), so that no handler has to care for what stands around.

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use super::csrf::FORM_BYTES_MAX;
use super::flash::Done;
use super::session::Visitor;
use crate::error::{Code, Problem};

/// Where in the list of pages somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Facts,
    Divergences,
    Peers,
    Content,
    Messages,
    Outbox,
    Incidents,
    Charter,
    Audit,
    Metrics,
    Settings,
    /// Not in the list.
    Other,
}

/// A part of the line below the heading.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Where it leads, if it leads somewhere.
    pub(super) href: Option<String>,
}

/// A page: what is its own of it.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) tab: Tab,
    pub(super) title: String,
    pub(super) heading: String,
    pub(super) under: Vec<Piece>,
    pub(super) body: String,
}

impl Page {
    /// A page whose template gives what stands below the heading.
    pub(super) fn new(tab: Tab, title: impl Into<String>, view: &impl Template) -> Result<Self, Oops> {
        let failed =
            |error: askama::Error| Problem::new(Code::Failed, format!("the page could not be written: {error}"));
        let (title, body) = (title.into(), view.render().map_err(failed)?);
        Ok(Self { tab, heading: title.clone(), title, under: Vec::new(), body })
    }

    /// The same under another heading than its title.
    pub(super) fn heading(mut self, heading: impl Into<String>) -> Self {
        self.heading = heading.into();
        self
    }

    /// The same with some words below the heading.
    pub(super) fn says(mut self, text: impl Into<String>) -> Self {
        self.under.push(Piece { text: text.into(), href: None });
        self
    }

    /// The same with a link below the heading.
    pub(super) fn leads(mut self, text: impl Into<String>, href: impl Into<String>) -> Self {
        self.under.push(Piece { text: text.into(), href: Some(href.into()) });
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What went wrong; it becomes a page.
#[derive(Debug, Clone)]
pub(crate) struct Oops(pub(super) Problem);

impl From<Problem> for Oops {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<antiphon_node::Error> for Oops {
    fn from(error: antiphon_node::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Oops {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What a page's handler gives.
pub(super) type Shown = Result<Page, Oops>;
/// What a form's handler gives.
pub(super) type Sent = Result<Done, Oops>;

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Oops;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Oops> {
        let missing = || Oops(Problem::new(Code::Unauthorized, "nobody is signed in").hint("antiphon open"));
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// The fields of a form; `csrf` was checked before.
pub(super) struct Form<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Oops;

    async fn from_request(request: Request, _: &S) -> Result<Self, Oops> {
        let too_large = |_| Problem::too_large(FORM_BYTES_MAX);
        let bytes = Limited::new(request.into_body(), FORM_BYTES_MAX).collect().await.map_err(too_large)?.to_bytes();
        let bad = |error| Problem::new(Code::Invalid, format!("the form cannot be read: {error}"));
        Ok(serde_urlencoded::from_bytes(&bytes).map(Self).map_err(bad)?)
    }
}

/// The part of the address after `?`.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Oops;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Oops> {
        let bad = |error| Problem::new(Code::Invalid, format!("the address cannot be read: {error}"));
        Ok(serde_urlencoded::from_str(parts.uri.query().unwrap_or_default()).map(Self).map_err(bad)?)
    }
}

/// A field of a form: nothing when it holds nothing but space.
pub(super) fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
