//! Routes about the hash table.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::input::{Body, Query};
use crate::dto::{
    DhtAnnounceDto, DhtChoiceDto, DhtEnteredDto, DhtKeyDto, DhtPeerDto, DhtPeerFilterDto, DhtPeersDto, DhtProvideDto,
    DhtProvidersDto, DhtProvidesDto, DhtRecordDto, DhtStatsDto, DhtStatusDto, DhtStoredDto, DhtTopicDto,
    NewDhtRecordDto,
};
use crate::error::Problem;
use crate::openapi::{Routes, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// Those that ask this node alone.
pub(super) fn short() -> Routes {
    Routes::new()
        .route("/api/v1/dht", get("How the hash table is.", status))
        .route("/api/v1/dht/stats", get("The hash table in numbers.", stats))
        .route("/api/v1/dht/backend", post("Sets from where the hash table is answered.", backend))
        .route(
            "/api/v1/dht/provided",
            get("What this node says in the hash table that it provides.", provided)
                .and(post("Says in the hash table that this node provides something.", provide)),
        )
        .route("/api/v1/dht/provided/withdraw", post("Stops saying that this node provides something.", withdraw))
        .route("/api/v1/dht/announce", post("Says what roles and capabilities this node has.", announce))
}

/// Those that ask members, who take their time.
pub(super) fn long() -> Routes {
    Routes::new()
        .route("/api/v1/dht/bootstrap", post("Enters the hash table anew.", bootstrap))
        .route("/api/v1/dht/values", get("Looks up a record.", value).and(post("Publishes a record.", put)))
        .route("/api/v1/dht/providers", get("Finds who provides something.", providers))
        .route("/api/v1/dht/peers", get("Finds members by role or capability.", peers))
}

async fn status(service: Node) -> Answer<DhtStatusDto> {
    service.dht_status().await.map(Json)
}

async fn stats(service: Node) -> Answer<DhtStatsDto> {
    service.dht_stats().await.map(Json)
}

async fn backend(service: Node, Body(choice): Body<DhtChoiceDto>) -> Answer<DhtStatusDto> {
    service.dht_backend(choice).await.map(Json)
}

async fn bootstrap(service: Node) -> Answer<DhtEnteredDto> {
    service.dht_bootstrap().await.map(Json)
}

async fn value(service: Node, Query(key): Query<DhtKeyDto>) -> Answer<DhtRecordDto> {
    service.dht_get(key).await.map(Json)
}

async fn put(service: Node, Body(new): Body<NewDhtRecordDto>) -> Answer<DhtStoredDto> {
    service.dht_put(new).await.map(Json)
}

async fn provided(service: Node) -> Answer<DhtProvidesDto> {
    service.dht_provided().await.map(Json)
}

async fn provide(service: Node, Body(topic): Body<DhtTopicDto>) -> Answer<DhtProvideDto> {
    service.dht_provide(topic).await.map(Json)
}

async fn withdraw(service: Node, Body(topic): Body<DhtTopicDto>) -> Answer<DhtProvideDto> {
    service.dht_withdraw(topic).await.map(Json)
}

async fn providers(service: Node, Query(topic): Query<DhtTopicDto>) -> Answer<DhtProvidersDto> {
    service.dht_providers(topic).await.map(Json)
}

async fn peers(service: Node, Query(filter): Query<DhtPeerFilterDto>) -> Answer<DhtPeersDto> {
    service.dht_peers(filter).await.map(Json)
}

async fn announce(service: Node, Body(said): Body<DhtAnnounceDto>) -> Answer<DhtPeerDto> {
    service.dht_announce(said).await.map(Json)
}
