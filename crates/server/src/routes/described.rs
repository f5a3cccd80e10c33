//! What the arguments and results of routes mean in the API's document.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;

use super::input::{Body, Query, Raw};
use crate::error::Problem;
use crate::openapi::{Draft, Input, Output};
use crate::service::Service;

impl Input for State<Arc<Service>> {
    fn describe(_: &mut Draft) {}
}

impl Input for Path<String> {
    fn describe(draft: &mut Draft) {
        draft.reads_path();
    }
}

impl<T: JsonSchema> Input for Query<T> {
    fn describe(draft: &mut Draft) {
        draft.reads_query::<T>();
    }
}

impl<T: JsonSchema> Input for Body<T> {
    fn describe(draft: &mut Draft) {
        draft.reads_json::<T>();
    }
}

impl Input for Raw {
    fn describe(draft: &mut Draft) {
        draft.reads_bytes();
    }
}

impl Input for axum::body::Body {
    fn describe(draft: &mut Draft) {
        draft.reads_bytes();
    }
}

impl<T: JsonSchema> Output for Json<T> {
    fn describe(draft: &mut Draft) {
        draft.gives_json::<T>();
    }
}

impl<T: Output> Output for Result<T, Problem> {
    fn describe(draft: &mut Draft) {
        T::describe(draft);
    }
}
