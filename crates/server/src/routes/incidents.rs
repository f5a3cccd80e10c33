//! Routes about incidents.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::{Body, Query};
use crate::dto::{
    HistoryDto, IncidentDto, IncidentEditDto, IncidentFilterDto, IncidentsDto, NewIncidentDto, WrittenDto,
};
use crate::error::Problem;
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;

pub(super) async fn list(
    service: State<Arc<Service>>,
    Query(filter): Query<IncidentFilterDto>,
) -> Answer<IncidentsDto> {
    service.incidents(filter).await.map(Json)
}

pub(super) async fn report(service: State<Arc<Service>>, Body(incident): Body<NewIncidentDto>) -> Answer<WrittenDto> {
    service.report_incident(incident).await.map(Json)
}

pub(super) async fn show(service: State<Arc<Service>>, Path(id): Path<String>) -> Answer<IncidentDto> {
    service.incident(&id).await.map(Json)
}

pub(super) async fn update(
    service: State<Arc<Service>>,
    Path(id): Path<String>,
    Body(edit): Body<IncidentEditDto>,
) -> Answer<WrittenDto> {
    service.update_incident(&id, edit).await.map(Json)
}

pub(super) async fn history(service: State<Arc<Service>>, Path(id): Path<String>) -> Answer<HistoryDto> {
    service.incident_history(&id).await.map(Json)
}
