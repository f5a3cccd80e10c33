//! How much there is, for whoever shows it beside everything else.

use antiphon_store::view::Counts;

use super::Handle;
use crate::api::Error;

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Facts that can be read here.
    pub facts: u64,
    /// Incidents.
    pub incidents: u64,
    /// Facts and incidents that wait for a resolution.
    pub diverged: u64,
    /// Documents of which a version counts.
    pub documents: u64,
}

impl Handle {
    /// How much there is of everything.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn tally(&self) -> Result<Tally, Error> {
        let read = self.store().read(|reader| Ok((reader.counts()?, reader.content_counts()?)));
        let (Counts { facts, incidents, diverged, diverged_incidents, .. }, contents) = read.await?;
        Ok(Tally { facts, incidents, diverged: diverged + diverged_incidents, documents: contents.documents })
    }
}
