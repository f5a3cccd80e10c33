//! The hash table.

use antiphon_node::{DhtBackend, DhtHealth, DhtHealthStatus, DhtOperation, DhtStatus};

use super::family::{Family, Labels, micros, seconds};

pub(super) fn families(status: &DhtStatus) -> Vec<Family> {
    let backends = [(DhtBackend::Local, &status.local), (DhtBackend::Kad, &status.kad)];
    let mut families = table(status);
    families.extend(network(status));
    families.extend(health(&backends));
    families.extend(operations(&backends));
    families
}

fn table(status: &DhtStatus) -> Vec<Family> {
    let using: Labels = vec![("using", status.using.name().to_owned()), ("choice", status.choice.name().to_owned())];
    let counts = &status.counts;
    vec![
        Family::info("dht_backend", "Which backend is used, and who decides it.").with(using, 1_u64),
        Family::gauge("dht_bootstrapped", "Whether this node has entered the network.").of(status.bootstrapped),
        Family::counter("dht_bootstrap_attempts", "How often it tried.").of(status.bootstrap_attempts),
        Family::gauge("dht_peers", "Members that were heard of in the table.").of(status.seen.len()),
        Family::gauge("dht_routing_table_peers", "Members in the routing table.").of(status.routing.len()),
        Family::gauge("dht_connected_peers", "Members of the table that are connected.").of(status.connected.len()),
        Family::gauge("dht_records", "Records in the database, by who signed them.")
            .with(vec![("author", "own".to_owned())], counts.own)
            .with(vec![("author", "others".to_owned())], counts.others),
        Family::gauge("dht_provided_keys", "Keys that this node provides.").of(counts.provides),
        Family::gauge("dht_providers", "Others that are remembered as providers, over all keys.").of(counts.providers),
        Family::gauge("dht_published", "What this node says in the table, by how it stands with it.")
            .with(vec![("state", "known".to_owned())], status.items)
            .with(vec![("state", "waiting".to_owned())], status.waiting)
            .with(vec![("state", "under_way".to_owned())], status.under_way),
    ]
}

fn network(status: &DhtStatus) -> Vec<Family> {
    let network = &status.network;
    let refused = network.refused.iter().map(|(reason, count)| (vec![("reason", (*reason).to_owned())], *count));
    vec![
        Family::gauge("dht_serves", "Whether members may ask this node.").of(network.serves),
        Family::gauge("dht_memory_records", "Records that are held for the network.").of(network.records),
        Family::gauge("dht_memory_records_size", "Their values.").bytes().of(network.record_bytes),
        Family::gauge("dht_memory_providers", "Provider records that are held for the network.").of(network.providers),
        Family::counter("dht_stored", "Records that were stored for the network.").of(network.stored),
        Family::counter("dht_refused", "Records and providers that were refused, by reason.").each(refused),
        Family::gauge("dht_queries_running", "Operations in the network that are under way.").of(network.running),
        Family::counter("dht_queries", "Operations in the network that ended, by how.")
            .with(vec![("outcome", "succeeded".to_owned())], network.succeeded)
            .with(vec![("outcome", "failed".to_owned())], network.failed),
    ]
}

type Backends<'a> = [(DhtBackend, &'a DhtHealth); 2];

fn backend(backend: DhtBackend) -> Labels {
    vec![("backend", backend.name().to_owned())]
}

fn health(backends: &Backends<'_>) -> Vec<Family> {
    let states = [DhtHealthStatus::Healthy, DhtHealthStatus::Degraded, DhtHealthStatus::Failed];
    let state = backends.iter().flat_map(|(name, health)| {
        states.map(|state| {
            let mut labels = backend(*name);
            labels.push(("state", state.name().to_owned()));
            (labels, health.status == state)
        })
    });
    vec![
        Family::gauge("dht_backend_state", "1 for the state that a backend is in, 0 for the others.").each(state),
        Family::counter("dht_backend_errors", "Failures of a backend.")
            .each(backends.iter().map(|(name, health)| (backend(*name), health.errors))),
        Family::gauge("dht_backend_failures", "Failures of a backend one after the other, up to now.")
            .each(backends.iter().map(|(name, health)| (backend(*name), health.consecutive_failures))),
        Family::gauge("dht_backend_checked", "When a backend was last heard of.")
            .seconds()
            .each(backends.iter().filter_map(|(name, health)| Some((backend(*name), seconds(health.last_check?))))),
        Family::gauge("dht_backend_latency_p50", "Half of a backend's last operations took no longer.")
            .seconds()
            .each(backends.iter().map(|(name, health)| (backend(*name), micros(health.latency.p50_us)))),
        Family::gauge("dht_backend_latency_p95", "Of twenty of its last operations, nineteen took no longer.")
            .seconds()
            .each(backends.iter().map(|(name, health)| (backend(*name), micros(health.latency.p95_us)))),
    ]
}

fn operations(backends: &Backends<'_>) -> Vec<Family> {
    let mut done = Vec::new();
    let mut took = Vec::new();
    for (name, health) in backends {
        for (operation, tally) in DhtOperation::ALL.iter().zip(health.operations) {
            let mut labels = backend(*name);
            labels.push(("operation", operation.name().to_owned()));
            took.push((labels.clone(), micros(tally.took_us)));
            for (outcome, count) in [("done", tally.done), ("failed", tally.failed)] {
                let mut labels = labels.clone();
                labels.push(("outcome", outcome.to_owned()));
                done.push((labels, count));
            }
        }
    }
    vec![
        Family::counter("dht_operations", "What was asked of a backend, and how it ended.").each(done),
        Family::counter("dht_operations_time", "How long those took that were done.").seconds().each(took),
    ]
}
