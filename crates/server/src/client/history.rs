//! What the figures of the node were.

use super::calls::with_query;
use super::{Client, ClientError};
use crate::dto::{FiguresAskDto, FiguresDto};

impl Client {
    /// Figures over time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn figures(&self, ask: &FiguresAskDto) -> Result<FiguresDto, ClientError> {
        self.get(&with_query("/api/v1/history", ask)).await
    }
}
