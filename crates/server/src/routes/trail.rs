//! Routes about the audit trail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::input::Query;
use crate::dto::{TrailCheckDto, TrailDto, TrailFilterDto, TrailVerdictDto};
use crate::error::Problem;
use crate::service::Service;

type Node = State<Arc<Service>>;

pub(super) async fn trail(service: Node, Query(filter): Query<TrailFilterDto>) -> Result<Json<TrailDto>, Problem> {
    service.trail(filter).await.map(Json)
}

pub(super) async fn verify(
    service: Node,
    Query(check): Query<TrailCheckDto>,
) -> Result<Json<TrailVerdictDto>, Problem> {
    service.verify_trail(check).await.map(Json)
}
