//! Asking the memory.

use hyper::Method;

use super::calls::with_query;
use super::{Client, ClientError};
use crate::dto::{ContextAskDto, ContextDto, RecallDto, RecallRequestDto, ShownDto};

impl Client {
    /// Finds facts, best first; also what they said at a time, and what members keep to themselves.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn recall(&self, request: &RecallRequestDto) -> Result<RecallDto, ClientError> {
        self.send(Method::POST, "/api/v1/recall", request).await
    }

    /// What matters now, within a number of tokens.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn context(&self, ask: &ContextAskDto) -> Result<ContextDto, ClientError> {
        self.get(&with_query("/api/v1/context", ask)).await
    }

    /// Down to which level facts that are not shared are shown to members who ask.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn shown(&self) -> Result<ShownDto, ClientError> {
        self.get("/api/v1/recall/shown").await
    }

    /// Sets down to which level they are shown.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_shown(&self, shown: &ShownDto) -> Result<ShownDto, ClientError> {
        self.send(Method::PUT, "/api/v1/recall/shown", shown).await
    }
}
