//! Routes about the node, its peers and its team.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::input::Body;
use crate::dto::{
    HandshakeDto, HandshakeRequestDto, InvitationDto, InviteDto, JoinDto, JoinedDto, NothingDto, PeersDto,
    StateHashDto, StatusDto, VerifyDto,
};
use crate::error::Problem;
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;

pub(super) async fn status(service: State<Arc<Service>>) -> Answer<StatusDto> {
    service.status().await.map(Json)
}

pub(super) async fn peers(service: State<Arc<Service>>) -> Answer<PeersDto> {
    service.peers().await.map(Json)
}

pub(super) async fn handshake(
    service: State<Arc<Service>>,
    Body(request): Body<HandshakeRequestDto>,
) -> Answer<HandshakeDto> {
    service.handshake(&request.address).await.map(Json)
}

pub(super) async fn invite(service: State<Arc<Service>>, Body(invite): Body<InviteDto>) -> Answer<InvitationDto> {
    service.invite(invite).await.map(Json)
}

pub(super) async fn join(service: State<Arc<Service>>, Body(join): Body<JoinDto>) -> Answer<JoinedDto> {
    service.join(join).await.map(Json)
}

pub(super) async fn verify(service: State<Arc<Service>>) -> Answer<VerifyDto> {
    service.verify().await.map(Json)
}

pub(super) async fn state_hash(service: State<Arc<Service>>) -> Answer<StateHashDto> {
    service.state_hash().await.map(Json)
}

pub(super) async fn shutdown(service: State<Arc<Service>>) -> Json<NothingDto> {
    service.shutdown().await;
    Json(NothingDto {})
}
