//! One typed method per route about the audit trail.

use super::calls::with_query;
use super::{Client, ClientError};
use crate::dto::{TrailCheckDto, TrailDto, TrailFilterDto, TrailVerdictDto};

impl Client {
    /// Who stored and read which document, the newest first.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn trail(&self, filter: &TrailFilterDto) -> Result<TrailDto, ClientError> {
        self.get(&with_query("/api/v1/trail", filter)).await
    }

    /// Whether the trail is what it was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn verify_trail(&self, check: &TrailCheckDto) -> Result<TrailVerdictDto, ClientError> {
        self.get(&with_query("/api/v1/trail/verify", check)).await
    }
}
