//! What this node stores for others, as it tells members.

use antiphon_core::announce::QUOTA_BYTES_MAX;

use super::Handle;
use crate::announce::Ask;
use crate::api::{Error, StorageOffer};
use crate::config::StorageSettings;
use crate::inputs::Command;

impl Handle {
    /// What this node stores for others.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn storage_offer(&self) -> Result<StorageOffer, Error> {
        self.ask(|reply| Command::Announce(Ask::Storage(reply))).await
    }

    /// Sets what this node stores for others until it stops; the next start goes by its configuration. Members that are
    /// connected are told now, the others when they come.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn set_storage_offer(&self, settings: StorageSettings) -> Result<StorageOffer, Error> {
        let quota_bytes = settings.quota_bytes.min(QUOTA_BYTES_MAX);
        let settings = StorageSettings { quota_bytes, ..settings };
        self.ask(|reply| Command::Announce(Ask::SetStorage { settings, reply })).await
    }
}
