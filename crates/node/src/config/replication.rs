//! How a node cares for copies of documents.

use antiphon_core::replication::{FACTOR_MAX, Settings};

/// Shortest of all spans, in milliseconds. What is shorter would have members ask each other without end.
const SPAN_MS_MIN: u64 = 50;
/// Most copies that are made at once, whatever is set.
const CONCURRENT_MAX: usize = 64;
/// Most holders that are remembered of one ciphertext, whatever is set.
const PROVIDERS_MAX: usize = 64;

/// The settings with what cannot be meant put right.
pub(crate) fn fit(settings: Settings) -> Settings {
    let span = |ms: u64| ms.max(SPAN_MS_MIN);
    let factor = settings.factor.clamp(1, FACTOR_MAX);
    Settings {
        factor,
        grace_ms: span(settings.grace_ms),
        reprovide_ms: span(settings.reprovide_ms),
        cleanup_ms: span(settings.cleanup_ms),
        provider_ttl_ms: span(settings.provider_ttl_ms),
        // Whoever proved a copy does not give it up while the proof counts, so there must be time between proofs.
        proof_ms: span(settings.proof_ms).min(span(settings.reprovide_ms) / 2),
        providers_per_key: settings.providers_per_key.clamp(usize::from(factor), PROVIDERS_MAX),
        concurrent: settings.concurrent.clamp(1, CONCURRENT_MAX),
        ..settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_put_right_and_the_defaults_stay() {
        assert_eq!(fit(Settings::default()), Settings::default());
        let odd = Settings { factor: 0, grace_ms: 0, providers_per_key: 0, concurrent: 1_000, ..Settings::default() };
        let fit = fit(odd);
        assert_eq!((fit.factor, fit.grace_ms, fit.providers_per_key), (1, SPAN_MS_MIN, 1));
        assert_eq!(fit.concurrent, CONCURRENT_MAX);
        let hasty = super::fit(Settings { reprovide_ms: 4_000, proof_ms: 60_000, ..Settings::default() });
        assert_eq!(hasty.proof_ms, 2_000);
    }
}
