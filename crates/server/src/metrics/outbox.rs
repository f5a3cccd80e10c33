//! What waits for peers.

use antiphon_core::outbox::Level;
use antiphon_node::{OutboxLevelView, OutboxStats};

use super::family::{Family, Labels};

pub(super) fn families(stats: &OutboxStats, levels: &[OutboxLevelView]) -> Vec<Family> {
    let mut families = waiting(stats);
    families.extend(counted(stats));
    let levels = levels.iter().map(|level| (kind(level), 1_u64));
    families.push(Family::info("outbox_level", "Which kind of request matters how much on this node.").each(levels));
    families
}

/// How many items of each level wait.
pub(super) fn by_level(levels: &[(Level, u64)]) -> Family {
    let one = |(level, items): &(Level, u64)| (vec![("level", level.name().to_owned())], *items);
    Family::gauge("outbox_pending", "Items that wait, by how much it matters that they arrive.")
        .each(levels.iter().map(one))
}

fn kind(level: &OutboxLevelView) -> Labels {
    vec![("kind", level.protocol.to_string()), ("level", level.level.name().to_owned())]
}

fn waiting(stats: &OutboxStats) -> Vec<Family> {
    let state = |name: &str| vec![("state", name.to_owned())];
    let waits = stats.peers.iter().filter(|peer| peer.pending > 0).count();
    let tries = stats.peers.iter().map(|peer| peer.tries).max().unwrap_or_default();
    vec![
        Family::gauge("outbox_items", "Items in the outbox, by how it stands with them.")
            .with(state("pending"), stats.pending())
            .with(state("refused"), stats.refused)
            .with(state("damaged"), stats.damaged)
            .with(state("abandoned"), stats.abandoned),
        Family::gauge("outbox", "Bytes of the bodies of all items.").bytes().of(stats.bytes()),
        Family::gauge("outbox_limit", "Most bytes that may wait.").bytes().of(stats.bounds.bytes_in_all),
        Family::gauge("outbox_peers", "Peers for which something waits.").of(waits),
        Family::gauge("outbox_tries", "Most attempts in vain at one peer.").of(tries),
        Family::gauge("outbox_restored", "Peers with whom the database of one side was found to be an older copy.")
            .of(stats.restored.len()),
    ]
}

fn counted(stats: &OutboxStats) -> Vec<Family> {
    let counted = &stats.counters;
    let outcome = |name: &str| vec![("outcome", name.to_owned())];
    vec![
        Family::counter("outbox_enqueued_items", "Items that were put into the outbox.").of(counted.enqueued),
        Family::counter("outbox_enqueued", "Bytes of their bodies.").bytes().of(counted.enqueued_bytes),
        Family::counter("outbox_delivered", "Bytes of the bodies of items that were taken.")
            .bytes()
            .of(counted.delivered_bytes),
        Family::counter("outbox_outcomes", "What became of items.")
            .with(outcome("delivered"), counted.delivered)
            .with(outcome("merged"), counted.merged)
            .with(outcome("refused"), counted.refused)
            .with(outcome("abandoned"), counted.abandoned)
            .with(outcome("dropped"), counted.dropped)
            .with(outcome("set_aside"), counted.set_aside)
            .with(outcome("full"), counted.full),
        Family::counter("outbox_busy", "Answers of receivers that could take nothing more.").of(counted.busy),
    ]
}
