//! Routes that carry facts out.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::json;

use super::input::{Body, Query};
use crate::dto::{ExportAskDto, ExportLineDto, KnownAskDto, KnownDto};
use crate::error::Problem;
use crate::openapi::{Draft, Output, Routes, get, post};
use crate::service::{Export, Service};

type Node = State<Arc<Service>>;

/// Lines of JSON, one value each.
const JSON_LINES: &str = "application/jsonl";

/// Those that ask.
pub(super) fn short() -> Routes {
    Routes::new().route("/api/v1/facts/known", post("Says which of these facts are here.", known))
}

/// Those that carry facts; they take as long as there are facts.
pub(super) fn streams() -> Routes {
    Routes::new().route("/api/v1/export", get("Exports facts, one on a line; they can be imported again.", export))
}

async fn known(State(service): Node, Body(ask): Body<KnownAskDto>) -> Result<Json<KnownDto>, Problem> {
    service.known(ask).await.map(Json)
}

async fn export(State(service): Node, Query(ask): Query<ExportAskDto>) -> Result<Lines, Problem> {
    let mut export = service.export_facts(ask).await?;
    // A failure before the first byte is an answer of its own; later the connection can only break.
    let first = export.next().await.transpose()?.unwrap_or_default();
    let rest = stream::unfold(export, async |mut export: Export| {
        let next = export.next().await?.map(Bytes::from).map_err(|problem| problem.what);
        Some((next, export))
    });
    let body = HttpBody::from_stream(stream::StreamExt::chain(stream::iter([Ok(Bytes::from(first))]), rest));
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON_LINES));
    Ok(Lines(response))
}

/// Lines of an export as an answer.
struct Lines(Response);

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Lines {
    fn describe(draft: &mut Draft) {
        let schema = draft.schema_of::<ExportLineDto>();
        let about = "One line of JSON each: the beginning, the facts, the end. Without the last it broke off.";
        draft.gives(200, about, json!({ "content": { JSON_LINES: { "schema": schema } } }));
    }
}
