//! Calls about messages between agents.

use hyper::Method;

use super::calls::{percent_encoded, with_query};
use super::{Client, ClientError};
use crate::dto::{
    DeleteMessagesDto, DeletedMessagesDto, MarkReadDto, MarkedDto, MessageDto, MessageFilterDto, MessagesDto,
    NewMessageDto,
};

const MESSAGES: &str = "/api/v1/messages";

impl Client {
    /// Sends a message; it waits on this node until its receivers can be reached.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send_message(&self, message: &NewMessageDto) -> Result<MessageDto, ClientError> {
        self.send(Method::POST, MESSAGES, message).await
    }

    /// Lists messages.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn messages(&self, filter: &MessageFilterDto) -> Result<MessagesDto, ClientError> {
        self.get(&with_query(MESSAGES, filter)).await
    }

    /// One message by its id or the beginning of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn message(&self, id: &str) -> Result<MessageDto, ClientError> {
        self.get(&format!("{MESSAGES}/{}", percent_encoded(id))).await
    }

    /// Deletes messages from this node; their writers are not told.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_messages(&self, which: &DeleteMessagesDto) -> Result<DeletedMessagesDto, ClientError> {
        self.send(Method::POST, &format!("{MESSAGES}/delete"), which).await
    }

    /// Marks messages as read, and lets their writers know.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn mark_read(&self, which: &MarkReadDto) -> Result<MarkedDto, ClientError> {
        self.send(Method::POST, &format!("{MESSAGES}/read"), which).await
    }
}
