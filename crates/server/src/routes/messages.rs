//! Routes about messages between agents.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::{Body, Query};
use crate::dto::{
    DeleteMessagesDto, DeletedMessagesDto, MarkReadDto, MarkedDto, MessageDto, MessageFilterDto, MessagesDto,
    NewMessageDto,
};
use crate::error::Problem;
use crate::openapi::{Routes, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;

/// Every one.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/messages", get("Lists messages.", list).and(post("Sends a message.", send)))
        .route("/api/v1/messages/read", post("Marks messages as read.", read))
        .route("/api/v1/messages/delete", post("Deletes messages on this node.", delete))
        .route("/api/v1/messages/{id}", get("Shows a message.", show))
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
