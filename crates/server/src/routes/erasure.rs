//! Routes about forgetting for good.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::Body;
use crate::dto::{ActorDto, ErasureDto};
use crate::error::Problem;
use crate::service::Service;

type Answer = Result<Json<ErasureDto>, Problem>;

pub(super) async fn show(service: State<Arc<Service>>, Path(id): Path<String>) -> Answer {
    service.erasure(&id).await.map(Json)
}

pub(super) async fn erase(service: State<Arc<Service>>, Path(id): Path<String>, Body(actor): Body<ActorDto>) -> Answer {
    service.erase(&id, actor).await.map(Json)
}
