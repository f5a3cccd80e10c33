//! Trust in peers, gene backups, and what was noted.

use antiphon_node::{Counters, Error, Handle, PeerStats, TrailFilter};

use super::family::Family;

pub(super) fn families(stats: &PeerStats, counters: &Counters) -> Vec<Family> {
    let by_trust = stats.by_trust.iter().map(|(trust, count)| (vec![("trust", trust.name().to_owned())], *count));
    let refusals = counters
        .refusals
        .iter()
        .map(|((kind, reason), count)| (vec![("kind", (*kind).to_owned()), ("reason", (*reason).to_owned())], *count));
    let changes = counters
        .transitions
        .iter()
        .map(|((from, to), count)| (vec![("from", from.name().to_owned()), ("to", to.name().to_owned())], *count));
    vec![
        Family::gauge("peers", "Peers that are known, by how far they are trusted.").each(by_trust),
        Family::counter("trust_changes", "How often trust changed from what to what.").each(changes),
        Family::counter("refusals", "What was refused, and why.").each(refusals),
        Family::counter("refusals_unwritten", "Refusals for whose audit line there was no room.")
            .of(counters.refusals_unwritten),
        Family::gauge("gene_backups", "Gene backups that are kept.").of(stats.total_backups),
        Family::counter("gene_backups_made", "Gene backups that were made.").of(counters.backups_made),
        Family::counter("gene_backups_covered", "Gene backups that ended because the member has everything again.")
            .of(counters.backups_covered),
        Family::counter("events_restored", "Events that returning members got back.").of(counters.events_restored),
    ]
}

/// What was turned away before it had a name in the audit.
pub(super) fn turned_away(counts: Vec<(&'static str, u64)>) -> Family {
    let counts = counts.into_iter().map(|(what, count)| (vec![("what", what.to_owned())], count));
    Family::counter("turned_away", "What the network turned away or cut off.").each(counts)
}

/// How much was noted in all, also before the node started.
pub(super) async fn lines(handle: &Handle) -> Result<Vec<Family>, Error> {
    let trail = handle.trail(TrailFilter { limit: 1, ..TrailFilter::default() }).await?;
    let refused = handle.audit(1).await?;
    Ok(vec![
        Family::gauge("trail_lines", "Lines of the audit trail of documents.")
            .of(trail.first().map_or(0, |line| line.number)),
        Family::gauge("audit_last_line", "Number of the last line about something that was refused.")
            .of(refused.first().map_or(0, |line| line.number)),
    ])
}
