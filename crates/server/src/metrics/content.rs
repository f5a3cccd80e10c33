//! Documents, and what is stored for others.

use antiphon_node::{ContentMetrics, StorageOffer};

use super::family::{Family, micros, seconds};

pub(super) fn families(metrics: &ContentMetrics) -> Vec<Family> {
    vec![
        Family::counter("content_stored", "Documents stored.").of(metrics.stored),
        Family::counter("content_retrieved", "Documents read to their end.").of(metrics.retrieved),
        Family::counter("content_cache_hits", "Reads that the cache answered.").of(metrics.cache_hits),
        Family::counter("content_cache_misses", "Reads that it did not.").of(metrics.cache_misses),
        Family::counter("content_encryptions", "Documents encrypted.").of(metrics.encryptions),
        Family::counter("content_decryptions", "Documents decrypted.").of(metrics.decryptions),
        Family::gauge("content_store_mean", "Mean time that storing took.").seconds().of(micros(metrics.store_us)),
        Family::gauge("content_retrieve_mean", "Mean time that reading took.")
            .seconds()
            .of(micros(metrics.retrieve_us)),
        Family::gauge("content_updated", "When one of these last changed.")
            .seconds()
            .maybe(metrics.updated.map(seconds)),
        Family::gauge("content_cached_items", "Documents in the cache.").of(metrics.cached),
        Family::gauge("content_cache", "Plaintext in the cache.").bytes().of(metrics.cache_bytes),
        Family::gauge("content_blobs", "Ciphertexts on this node.").of(metrics.blobs),
        Family::gauge("content_held", "Bytes of them.").bytes().of(metrics.blob_bytes),
    ]
}

/// What this node stores for others.
pub(super) fn storage(offer: &StorageOffer) -> Vec<Family> {
    let offered = if offer.offer { offer.quota_bytes } else { 0 };
    vec![
        Family::gauge("storage_offered", "How much members may store here.").bytes().of(offered),
        Family::gauge("storage_used", "How much of that is taken.").bytes().of(offer.used_bytes),
    ]
}
