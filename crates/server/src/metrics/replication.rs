//! Copies of documents.

use antiphon_node::ReplicationMetrics;

use super::family::{Family, Labels, seconds};

pub(super) fn families(metrics: &ReplicationMetrics) -> Vec<Family> {
    let mut families = standing(metrics);
    families.extend(done(metrics));
    families.extend(room(metrics));
    families
}

fn labelled(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

/// How the copies stand, as this node knows it.
fn standing(metrics: &ReplicationMetrics) -> Vec<Family> {
    let health = &metrics.health;
    let state = |name| labelled("health", name);
    vec![
        Family::gauge("replication_keys", "Ciphertexts that are needed, by how their copies stand.")
            .with(state("healthy"), health.healthy)
            .with(state("degraded"), health.degraded)
            .with(state("critical"), health.critical),
        Family::gauge("replication_total_keys", "Ciphertexts that are needed.").of(metrics.total_keys),
        Family::gauge("replication_total_providers", "Holders that are known of, of all of them together.")
            .of(metrics.total_providers),
        Family::gauge("replication_average_copies", "Copies that one has on average.").of(metrics.average_replication),
        Family::gauge("replication_factor", "Copies that there should be, while enough members offer room.")
            .of(u32::from(metrics.settings.factor)),
    ]
}

/// What was done for copies since the node started.
fn done(metrics: &ReplicationMetrics) -> Vec<Family> {
    let outcome = |name| labelled("outcome", name);
    let state = |name| labelled("state", name);
    vec![
        Family::counter("replication_reprovides", "How often the copies of a ciphertext were proved anew in time.")
            .of(metrics.reprovide_operations),
        Family::counter("replication_offers", "Attempts to have a copy made at another member, by how they ended.")
            .with(outcome("successful"), metrics.successful)
            .with(outcome("failed"), metrics.failed),
        Family::gauge("replication_offers_open", "Copies that are to be made at other members.")
            .with(state("under_way"), metrics.offers.0)
            .with(state("waiting"), metrics.offers.1),
        Family::counter("replication_answers", "Answers of members about a copy, by what they showed.")
            .with(outcome("held"), metrics.proofs)
            .with(outcome("wrong"), metrics.wrong),
        Family::counter("replication_taken", "Copies that this node took from others.").of(metrics.taken),
        Family::counter("replication_trimmed", "Own copies that were dropped because enough others hold it.")
            .of(metrics.trimmed),
        Family::gauge("replication_last_reprovide", "When copies were last proved anew.")
            .seconds()
            .maybe(metrics.last_reprovide.map(seconds)),
        Family::gauge("replication_last_cleanup", "When what is not needed was last cleared away.")
            .seconds()
            .maybe(metrics.last_cleanup.map(seconds)),
    ]
}

/// What copies for others take.
fn room(metrics: &ReplicationMetrics) -> Vec<Family> {
    vec![
        Family::gauge("replication_held_for_others", "Held for others.").bytes().of(metrics.held_for_others_bytes),
        Family::gauge("replication_promised", "Being fetched for others.").bytes().of(metrics.promised_bytes),
        Family::gauge("replication_quota", "Most that is held for others; missing where no room is offered.")
            .bytes()
            .maybe(metrics.quota_bytes),
    ]
}
