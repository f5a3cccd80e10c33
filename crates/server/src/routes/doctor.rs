//! The route of the doctor.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::dto::DoctorDto;
use crate::error::Problem;
use crate::openapi::{Routes, get};
use crate::service::Service;

/// It reads a good part of the database.
pub(super) fn long() -> Routes {
    let summary = "Looks for what is wrong with the node, and names the command that mends each finding.";
    Routes::new().route("/api/v1/doctor", get(summary, doctor))
}

async fn doctor(service: State<Arc<Service>>) -> Result<Json<DoctorDto>, Problem> {
    service.doctor().await.map(Json)
}
