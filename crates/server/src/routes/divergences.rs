//! Routes about divergences.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::{Body, Query};
use crate::dto::{DivergenceDto, DivergenceFilterDto, DivergencesDto, ResolveDto, ResolvedDto};
use crate::error::Problem;
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;

pub(super) async fn list(
    service: State<Arc<Service>>,
    Query(filter): Query<DivergenceFilterDto>,
) -> Answer<DivergencesDto> {
    service.divergences(filter).await.map(Json)
}

pub(super) async fn show(service: State<Arc<Service>>, Path(id): Path<String>) -> Answer<DivergenceDto> {
    service.divergence(&id).await.map(Json)
}

pub(super) async fn resolve(
    service: State<Arc<Service>>,
    Path(id): Path<String>,
    Body(resolve): Body<ResolveDto>,
) -> Answer<ResolvedDto> {
    service.resolve(&id, resolve).await.map(Json)
}
