//! `[storage]`: whether members may store here, how much, and how much of the disk stays free.

use super::setting::Setting;
use super::value::{Kind, Value};

/// Most MiB that can be offered: one exbibyte.
const QUOTA_MIB_MAX: u64 = 1 << 40;
/// Least and most bytes that can be kept free.
const RESERVE_BYTES_MIN: u64 = 1 << 20;
const RESERVE_BYTES_MAX: u64 = 1 << 50;

/// The table.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "storage.offer",
        Kind::Flag,
        "whether members may store documents here",
        |wanted| Value::Flag(wanted.storage.offer),
        |wanted, value| {
            if let Value::Flag(offer) = value {
                wanted.storage.offer = *offer;
            }
            Ok(())
        },
    )
    .reloads(),
    Setting::new(
        "storage.quota_mib",
        Kind::Number { least: 1, most: QUOTA_MIB_MAX },
        "how much they may store here, in MiB",
        |wanted| Value::Number(wanted.storage.quota_bytes >> 20),
        |wanted, value| {
            if let Value::Number(mib) = value {
                wanted.storage.quota_bytes = mib << 20;
            }
            Ok(())
        },
    )
    .reloads(),
    Setting::new(
        "storage.reserve",
        Kind::Bytes { least: RESERVE_BYTES_MIN, most: RESERVE_BYTES_MAX },
        "free space on the disk below which the node says that it is not ready",
        |wanted| Value::Bytes(wanted.reserve_bytes),
        |wanted, value| {
            if let Value::Bytes(bytes) = value {
                wanted.reserve_bytes = *bytes;
            }
            Ok(())
        },
    )
    .reloads(),
];
