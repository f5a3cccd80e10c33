//! Routes about facts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::input::{Body, Query};
use crate::dto::{
    ActorDto, BatchResultDto, EditDto, FactAskDto, FactDto, FactFilterDto, FactsDto, HistoryDto, NewFactDto, WrittenDto,
};
use crate::error::{Code, Problem};
use crate::service::{BATCH_FACTS_MAX, Service};

type Answer<T> = Result<Json<T>, Problem>;

pub(super) async fn list(service: State<Arc<Service>>, Query(filter): Query<FactFilterDto>) -> Answer<FactsDto> {
    service.facts(filter).await.map(Json)
}

pub(super) async fn remember(service: State<Arc<Service>>, Body(fact): Body<NewFactDto>) -> Answer<WrittenDto> {
    service.remember(fact).await.map(Json)
}

/// A batch whose items are read one by one, so that a bad one does not harm the others.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// The facts.
    #[schemars(with = "Vec<NewFactDto>")]
    facts: Vec<Value>,
}

pub(super) async fn remember_all(service: State<Arc<Service>>, Body(batch): Body<Batch>) -> Answer<BatchResultDto> {
    if batch.facts.len() > BATCH_FACTS_MAX {
        let what = format!("the batch has {} facts, the limit is {BATCH_FACTS_MAX}", batch.facts.len());
        return Err(Problem::new(Code::TooLarge, what).hint("send several batches"));
    }
    let read = |fact| serde_json::from_value::<NewFactDto>(fact).map_err(|error| Problem::bad_json(&error));
    service.remember_all(batch.facts.into_iter().map(read).collect()).await.map(Json)
}

pub(super) async fn show(
    service: State<Arc<Service>>,
    Path(id): Path<String>,
    Query(ask): Query<FactAskDto>,
) -> Answer<FactDto> {
    service.fact_asked(&id, &ask).await.map(Json)
}

pub(super) async fn edit(
    service: State<Arc<Service>>,
    Path(id): Path<String>,
    Body(edit): Body<EditDto>,
) -> Answer<WrittenDto> {
    service.edit(&id, edit).await.map(Json)
}

pub(super) async fn forget(
    service: State<Arc<Service>>,
    Path(id): Path<String>,
    Query(actor): Query<ActorDto>,
) -> Answer<WrittenDto> {
    service.forget(&id, actor).await.map(Json)
}

pub(super) async fn restore(
    service: State<Arc<Service>>,
    Path(id): Path<String>,
    Body(actor): Body<ActorDto>,
) -> Answer<WrittenDto> {
    service.restore(&id, actor).await.map(Json)
}

pub(super) async fn history(service: State<Arc<Service>>, Path(id): Path<String>) -> Answer<HistoryDto> {
    service.history(&id).await.map(Json)
}
