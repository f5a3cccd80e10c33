//! Settings that change while the node runs.

use std::sync::atomic::Ordering;

use antiphon_core::replication::Settings as ReplicationSettings;

use super::Handle;
use crate::api::Error;
use crate::config::{OutboxConfig, StorageSettings};
use crate::inputs::Command;

/// All that can be changed while a node runs. What is not here holds from the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSettings {
    /// What may wait for peers.
    pub outbox: OutboxConfig,
    /// What it stores for others.
    pub storage: StorageSettings,
    /// How it cares for copies.
    pub replication: ReplicationSettings,
    /// Most bytes of documents that stay decrypted in memory.
    pub content_cache_bytes: u64,
    /// How long a verified peer may be silent before it counts as expired, in milliseconds.
    pub peer_timeout_ms: u64,
    /// Free space on the disk below which the node is not ready, in bytes.
    pub reserve_bytes: u64,
}

impl Handle {
    /// Goes by other settings from now on, until the node stops. What waits or is held already stays.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn reconfigure(&self, settings: LiveSettings) -> Result<(), Error> {
        let _one_at_a_time = self.shared.settings.lock().await;
        let LiveSettings { outbox, storage, replication, content_cache_bytes, peer_timeout_ms, reserve_bytes } =
            settings;
        self.shared.pen.set_rules(outbox.bounds, outbox.levels);
        self.shared.contents.set_cache_bytes(content_cache_bytes);
        self.shared.reserve_bytes.store(reserve_bytes, Ordering::Relaxed);
        self.shared.care.set_settings(replication).await?;
        self.tell(Command::Retime { outbox_retry_ms: outbox.retry_ms, peer_timeout_ms }).await?;
        self.set_storage_offer(storage).await?;
        Ok(())
    }

    /// Free space on the disk below which the node is not ready, in bytes.
    pub fn reserve_bytes(&self) -> u64 {
        self.shared.reserve_bytes.load(Ordering::Relaxed)
    }
}
