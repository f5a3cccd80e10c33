//! What a program may ask of a node about incidents. They are written with [`Handle::author`], like everything else.

use antiphon_core::ids::IncidentId;
use antiphon_core::incident;
use antiphon_store::{EditView, IncidentFilter, IncidentView, Resolved};

use crate::api::Error;
use crate::handle::Handle;

/// Most characters of an unknown id that an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

impl Handle {
    /// The incident that `text` names: a whole id, or the beginning of exactly one.
    ///
    /// # Errors
    /// [`Error::IncidentNotFound`], [`Error::IncidentAmbiguous`].
    pub async fn resolve_incident(&self, text: &str) -> Result<IncidentId, Error> {
        let prefix = text.to_owned();
        match self.shared.store.read(move |reader| reader.resolve_incident(&prefix)).await? {
            Resolved::One(incident) => Ok(incident),
            Resolved::Ambiguous(found) => Err(Error::IncidentAmbiguous { prefix: text.to_owned(), count: found.len() }),
            Resolved::None => Err(Error::IncidentNotFound(text.chars().take(SHOWN_CHARS_MAX).collect())),
        }
    }

    /// One incident.
    ///
    /// # Errors
    /// [`Error::IncidentNotFound`].
    pub async fn incident(&self, id: IncidentId) -> Result<IncidentView, Error> {
        let found = self.shared.store.read(move |reader| reader.incident(id)).await?;
        found.ok_or_else(|| Error::IncidentNotFound(id.to_string()))
    }

    /// Incidents, the newest id first: at most `limit` of those before `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn incidents(
        &self,
        filter: IncidentFilter,
        limit: usize,
        after: Option<IncidentId>,
    ) -> Result<Vec<IncidentView>, Error> {
        Ok(self.shared.store.read(move |reader| reader.incidents(&filter, limit, after)).await?)
    }

    /// Every edit of an incident, the oldest first.
    ///
    /// # Errors
    /// [`Error::IncidentNotFound`].
    pub async fn incident_history(&self, id: IncidentId) -> Result<Vec<EditView<incident::Field>>, Error> {
        let edits = self.shared.store.read(move |reader| reader.incident_history(id)).await?;
        if edits.is_empty() { Err(Error::IncidentNotFound(id.to_string())) } else { Ok(edits) }
    }
}
