//! Routes about resources.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::{Body, Query};
use crate::dto::{
    NewConsiderDto, NewResourceDto, OfferListDto, ResourceDetailDto, ResourceEditDto, ResourceFilterDto,
    ResourcePlanDto, ResourceSearchDto, ResourceToldDto, ResourceVerifiedDto, ResourcesDto,
};
use crate::error::Problem;
use crate::openapi::{Routes, delete, get, patch, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// Those that ask and write little.
pub(super) fn short() -> Routes {
    Routes::new()
        .route(
            "/api/v1/resources",
            get("Lists resources, own and others'.", list).and(post("Publishes a resource.", create)),
        )
        .route(
            "/api/v1/resources/{id}",
            get("Shows a resource.", show)
                .and(patch("Changes a resource of this node.", update))
                .and(delete("Withdraws a resource of this node.", withdraw)),
        )
        .route("/api/v1/resources/{id}/plan", post("Says when a resource of this node can be used.", plan))
        .route("/api/v1/resources/{id}/considers", post("Says whether a planned use of a resource suits.", consider))
        .route("/api/v1/offers", get("What every node offers, in numbers.", offers))
}

/// Those that wait for members.
pub(super) fn long() -> Routes {
    Routes::new()
        .route("/api/v1/resources/search", post("Searches resources, and asks members where that is wanted.", search))
        .route("/api/v1/resources/{id}/verify", post("Asks the owner of a resource whether it still stands.", verify))
}

async fn list(service: Node, Query(filter): Query<ResourceFilterDto>) -> Answer<ResourcesDto> {
    service.resources(filter).await.map(Json)
}

async fn create(service: Node, Body(resource): Body<NewResourceDto>) -> Answer<ResourceToldDto> {
    service.create_resource(resource).await.map(Json)
}

async fn show(service: Node, Path(id): Path<String>) -> Answer<ResourceDetailDto> {
    service.resource(&id).await.map(Json)
}

async fn update(service: Node, Path(id): Path<String>, Body(edit): Body<ResourceEditDto>) -> Answer<ResourceToldDto> {
    service.update_resource(&id, edit).await.map(Json)
}

async fn withdraw(service: Node, Path(id): Path<String>) -> Answer<ResourceToldDto> {
    service.delete_resource(&id).await.map(Json)
}

async fn plan(service: Node, Path(id): Path<String>, Body(plan): Body<ResourcePlanDto>) -> Answer<ResourceToldDto> {
    service.plan_resource(&id, plan).await.map(Json)
}

async fn consider(
    service: Node,
    Path(id): Path<String>,
    Body(consider): Body<NewConsiderDto>,
) -> Answer<ResourceToldDto> {
    service.consider_resource(&id, consider).await.map(Json)
}

async fn offers(service: Node) -> Answer<OfferListDto> {
    service.offers().await.map(Json)
}

async fn search(service: Node, Body(filter): Body<ResourceFilterDto>) -> Answer<ResourceSearchDto> {
    service.search_resources(filter).await.map(Json)
}

async fn verify(service: Node, Path(id): Path<String>) -> Answer<ResourceVerifiedDto> {
    service.verify_resource(&id).await.map(Json)
}
