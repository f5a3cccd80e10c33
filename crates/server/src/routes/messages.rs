//! Routes about messages between agents.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::input::{Body, Query};
use crate::dto::{
    DeleteMessagesDto, DeletedMessagesDto, MarkReadDto, MarkedDto, MessageDto, MessageFilterDto, MessagesDto,
    NewMessageDto,
};
use crate::error::Problem;
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;

/// Every one.
pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/api/v1/messages", get(list).post(send))
        .route("/api/v1/messages/read", post(read))
        .route("/api/v1/messages/delete", post(delete))
        .route("/api/v1/messages/{id}", get(show))
}

async fn list(service: State<Arc<Service>>, Query(filter): Query<MessageFilterDto>) -> Answer<MessagesDto> {
    service.messages(filter).await.map(Json)
}

async fn send(service: State<Arc<Service>>, Body(message): Body<NewMessageDto>) -> Answer<MessageDto> {
    service.send_message(message).await.map(Json)
}

async fn read(service: State<Arc<Service>>, Body(which): Body<MarkReadDto>) -> Answer<MarkedDto> {
    service.mark_read(which).await.map(Json)
}

async fn delete(service: State<Arc<Service>>, Body(which): Body<DeleteMessagesDto>) -> Answer<DeletedMessagesDto> {
    service.delete_messages(which).await.map(Json)
}

async fn show(service: State<Arc<Service>>, Path(id): Path<String>) -> Answer<MessageDto> {
    service.message(&id).await.map(Json)
}
