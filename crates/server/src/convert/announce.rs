//! What nodes say about themselves becomes JSON.

use antiphon_core::announce::{FederationConfig, StorageConfig};
use antiphon_core::fact::Level;
use antiphon_node::{NodeMode, StorageOffer};

use crate::dto::{SharesDto, StorageDto};
use crate::time::rfc3339;

pub(super) fn own_storage(offer: StorageOffer) -> StorageDto {
    let StorageOffer { offer, quota_bytes, used_bytes } = offer;
    StorageDto { offer, quota_bytes, used_bytes, at: None }
}

pub(super) fn storage(config: StorageConfig) -> StorageDto {
    let StorageConfig { at, offers, quota_bytes, used_bytes } = config;
    StorageDto { offer: offers, quota_bytes, used_bytes, at: Some(rfc3339(at)) }
}

pub(super) fn shares(config: FederationConfig) -> SharesDto {
    let mode = match (config.sends, config.takes) {
        (true, true) => NodeMode::Sync.name(),
        (true, false) => NodeMode::Publish.name(),
        (false, true) => NodeMode::Subscribe.name(),
        (false, false) => "none",
    };
    SharesDto {
        mode: mode.to_owned(),
        paused: config.paused,
        levels: Level::ALL
            .iter()
            .filter(|level| **level <= config.up_to)
            .map(|level| level.name().to_owned())
            .collect(),
        all_domains: config.all_domains,
        agent: config.agent,
        at: rfc3339(config.at),
    }
}
