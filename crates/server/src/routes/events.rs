//! The stream that tells programs what has changed.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

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
        let schema = json!({
            "type": "string",
            "contentMediaType": "text/event-stream",
            "contentSchema": { "type": "array", "items": event(&draft.schema_of::<ChangedTopicsDto>()) },
        });
        draft.gives(
            200,
            "A stream that goes on until either side ends it: one event after the other, each as the schema of items says.",
            json!({ "content": { "text/event-stream": { "schema": schema } } }),
        );
    }
}

/// One event of the stream: the lines `event:`, `data:` and, in the first one, `retry:`.
fn event(data: &Value) -> Value {
    json!({
        "type": "object",
        "description": "One event.",
        "required": ["event", "data"],
        "properties": {
            "event": {
                "enum": ["hello", "changed", "beat"],
                "description": "`hello` comes first and names every topic, `changed` those that changed, `beat` none.",
            },
            "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": data },
            "retry": {
                "type": "integer",
                "minimum": 0,
                "description": "In the first event: after how many milliseconds to come back when the stream broke.",
            },
        },
    })
}

async fn events(State(service): State<Arc<Service>>, Extension(tasks): Extension<Tasks>) -> Result<Feed, Problem> {
    live::feed(service, tasks.stop().clone(), None).map(Feed)
}
