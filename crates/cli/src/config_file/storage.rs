//! `[storage]`: whether members may store here, and how much.

use antiphon_node::StorageSettings;

use crate::outcome::Problem;
use crate::toml_reader::Entry;

/// Most MiB that can be offered: one exbibyte.
const QUOTA_MIB_MAX: u64 = 1 << 40;

/// Reads the table.
///
/// # Errors
/// Where it is wrong.
pub(super) fn read(entry: &Entry<'_>) -> Result<StorageSettings, Problem> {
    let table = entry.table(&["offer", "quota_mib"])?;
    let mut settings = StorageSettings::default();
    if let Some(offer) = table.get("offer") {
        settings.offer = offer.flag()?;
    }
    if let Some(quota) = table.get("quota_mib") {
        settings.quota_bytes = quota.number(1, QUOTA_MIB_MAX)? << 20;
    }
    Ok(settings)
}
