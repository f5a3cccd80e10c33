//! The audit trail of documents.

use antiphon_core::ids::Hash;
use antiphon_store::{TrailFilter, TrailLine, TrailVerdict};

use super::Handle;
use crate::api::Error;

impl Handle {
    /// Who stored and read which document on this node, the newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn trail(&self, filter: TrailFilter) -> Result<Vec<TrailLine>, Error> {
        Ok(self.store().read(move |reader| reader.trail(&filter)).await?)
    }

    /// Whether every line of the trail follows from those before it, and where a hash stands that was noted earlier.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn verify_trail(&self, noted: Option<Hash>) -> Result<TrailVerdict, Error> {
        Ok(self.store().read(move |reader| reader.verify_trail(noted.as_ref())).await?)
    }
}
