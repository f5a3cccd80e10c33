//! The stream that tells programs what has changed.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::dashboard::live;
use crate::door::Tasks;
use crate::dto::ChangedTopicsDto;
use crate::error::Problem;
use crate::openapi::{Draft, Output, Routes, get};
use crate::service::Service;

/// The one.
pub(super) fn routes() -> Routes {
    let summary = "Tells what has changed, as server-sent events: `hello`, `changed`, and `beat` while nothing does.";
    Routes::new().route("/api/v1/events", get(summary, events))
}

/// A stream that goes on until somebody ends it.
struct Feed(Response);

impl IntoResponse for Feed {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Feed {
    fn describe(draft: &mut Draft) {
        let data = draft.schema_of::<ChangedTopicsDto>();
        let schema = json!({ "type": "string", "contentMediaType": "text/event-stream", "contentSchema": data });
        draft.gives(
            200,
            "Events whose data is a JSON object with the topics.",
            json!({ "content": { "text/event-stream": { "schema": schema } } }),
        );
    }
}

async fn events(State(service): State<Arc<Service>>, Extension(tasks): Extension<Tasks>) -> Result<Feed, Problem> {
    live::feed(service, tasks.stop().clone(), None).map(Feed)
}
