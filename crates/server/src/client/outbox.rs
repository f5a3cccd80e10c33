//! One typed method per route about what waits for peers.

use hyper::Method;

use super::calls::{percent_encoded, with_query};
use super::{Client, ClientError};
use crate::dto::{
    OutboxFilterDto, OutboxItemDto, OutboxItemsDto, OutboxLevelsDto, OutboxRetriedDto, OutboxRetryDto, OutboxStatsDto,
};

impl Client {
    /// What waits, and what waited in vain.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn outbox(&self, filter: &OutboxFilterDto) -> Result<OutboxItemsDto, ClientError> {
        self.get(&with_query("/api/v1/outbox", filter)).await
    }

    /// One item.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn outbox_item(&self, id: &str) -> Result<OutboxItemDto, ClientError> {
        self.get(&item(id)).await
    }

    /// Tries one item, or everything that waits, again now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn retry_outbox(&self, id: Option<&str>) -> Result<OutboxRetriedDto, ClientError> {
        let retry = OutboxRetryDto { id: id.map(str::to_owned) };
        self.send(Method::POST, "/api/v1/outbox/retry", &retry).await
    }

    /// Drops an item, and says what it was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn drop_outbox(&self, id: &str) -> Result<OutboxItemDto, ClientError> {
        self.send(Method::DELETE, &item(id), &()).await
    }

    /// Every kind of request, and whether it waits.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn outbox_levels(&self) -> Result<OutboxLevelsDto, ClientError> {
        self.get("/api/v1/outbox/levels").await
    }

    /// The outbox in numbers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn outbox_stats(&self) -> Result<OutboxStatsDto, ClientError> {
        self.get("/api/v1/outbox/stats").await
    }
}

fn item(id: &str) -> String {
    format!("/api/v1/outbox/items/{}", percent_encoded(id))
}
