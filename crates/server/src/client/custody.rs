//! One typed method per route about who holds what.

use hyper::Method;

use super::calls::percent_encoded;
use super::{Client, ClientError};
use crate::dto::{FactReceiptsDto, ReceiptsAskedDto, ReceiptsDto, WipeCheckDto};

impl Client {
    /// Who has signed that it holds a fact.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn fact_receipts(&self, id: &str) -> Result<FactReceiptsDto, ClientError> {
        self.get(&format!("/api/v1/facts/{}/receipts", percent_encoded(id))).await
    }

    /// What every other member has signed, compared with what this node holds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn receipts(&self) -> Result<ReceiptsDto, ClientError> {
        self.get("/api/v1/receipts").await
    }

    /// Asks every other member to sign anew what it holds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ask_for_receipts(&self) -> Result<ReceiptsAskedDto, ClientError> {
        self.send(Method::POST, "/api/v1/receipts/ask", &serde_json::json!({})).await
    }

    /// Whether this machine can be wiped, and what would be lost.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn wipe_check(&self) -> Result<WipeCheckDto, ClientError> {
        self.get("/api/v1/wipe-check").await
    }
}
