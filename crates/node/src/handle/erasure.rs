//! Forgetting for good, and how far that has come.

use antiphon_core::event::Provenance;
use antiphon_core::ids::FactId;
use antiphon_store::{Authored, Draft, Erasure};

use super::Handle;
use crate::api::Error;

impl Handle {
    /// Erases a fact everywhere: its author's, or a steward's.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not this node's to erase, [`Error::Store`].
    pub async fn erase(&self, fact: FactId, provenance: Provenance) -> Result<Authored, Error> {
        let mut results = self.author(vec![Draft::Erase { fact, provenance }]).await?;
        results.pop().ok_or(Error::Stopped)?
    }

    /// How far the erasure of a fact has come, if it was erased.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn erasure(&self, fact: FactId) -> Result<Option<Erasure>, Error> {
        Ok(self.store().read(move |reader| reader.erasure(fact)).await?)
    }
}
