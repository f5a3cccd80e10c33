//! Reads requests, and words what is wrong with them like every other problem.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::error::{Code, Problem};

/// Most bytes beyond a limit that are read and thrown away.
const THROWN_AWAY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most bytes of a body; its route sets it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limit(pub(super) usize);

/// A JSON body. The content type is not looked at: the token keeps foreign pages out.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let limit = request.extensions().get::<Limit>().copied().unwrap_or_default();
        let bytes = collect(request.into_body(), limit).await?;
        // No body at all stands for an object without keys.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| Problem::bad_json(&error))
    }
}

/// A body as it is.
pub(super) struct Raw(pub(super) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let limit = request.extensions().get::<Limit>().copied().unwrap_or_default();
        collect(request.into_body(), limit).await.map(Self)
    }
}

/// Reads a body up to its limit. What is beyond is read and thrown away, so that the answer arrives: most clients
/// read it only after they have sent everything.
async fn collect(mut body: axum::body::Body, Limit(limit): Limit) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut thrown_away = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::new(Code::Invalid, format!("the request broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if thrown_away == 0 && bytes.len() + data.len() <= limit {
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
            thrown_away += data.len();
        }
        if thrown_away > THROWN_AWAY_BYTES_MAX {
            break;
        }
    }
    if thrown_away == 0 { Ok(bytes) } else { Err(Problem::too_large(limit)) }
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
