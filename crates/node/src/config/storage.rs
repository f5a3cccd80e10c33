//! What this node stores for others.

/// Bytes that a node offers unless a person set otherwise.
pub const STORAGE_QUOTA_BYTES: u64 = 1 << 30;

/// What a person set about storing for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageSettings {
    /// Whether members may store here.
    pub offer: bool,
    /// How much they may store here together, in bytes.
    pub quota_bytes: u64,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self { offer: true, quota_bytes: STORAGE_QUOTA_BYTES }
    }
}
