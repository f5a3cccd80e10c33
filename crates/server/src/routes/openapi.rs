//! The route of the API's document.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::table;
use crate::openapi::{Draft, Output, Routes, document, get};

/// The document, as text. It is made when it is first asked for and never changes.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document(&table()).to_string());

/// The document itself, which is in it too.
pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/openapi.json", get("This document.", show))
}

async fn show() -> Document {
    Document
}

struct Document;

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
    }
}

impl Output for Document {
    fn describe(draft: &mut Draft) {
        let schema = json!({ "type": "object", "required": ["openapi", "info", "paths", "components"] });
        draft.gives(
            200,
            "An OpenAPI 3.1 document.",
            json!({ "content": { "application/json": { "schema": schema } } }),
        );
    }
}
