//! Reads requests, and words what is wrong with them like every other problem.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::WRITE_BYTES_MAX;
use crate::error::{Code, Problem};

/// A JSON body. The content type is not looked at: the token keeps foreign pages out.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unreadable(&rejection))?;
        // No body at all stands for an object without keys.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| Problem::bad_json(&error))
    }
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large(WRITE_BYTES_MAX);
    }
    Problem::new(Code::Invalid, format!("the request broke off: {rejection}"))
}

/// The part of the address after `?`.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let bad = |error| Problem::new(Code::Invalid, format!("the query cannot be read: {error}"));
        serde_urlencoded::from_str(query).map(Self).map_err(bad)
    }
}
