//! What was carried by hand becomes JSON.

use antiphon_core::ids::NodeId;
use antiphon_core::log::NodeClock;
use antiphon_node::bundles::{CarriedGap, CarriedHandshake, Imported, RefusedLog};

use super::view::reason_dto;
use crate::bundle::heads;
use crate::dto::{CarriedDto, CursorDto, GapDto, ImportedDto, RefusedLogDto};

pub(crate) fn carried(handshake: &CarriedHandshake) -> CarriedDto {
    CarriedDto {
        peer_id: handshake.peer.to_string(),
        name: handshake.name.clone(),
        trust: handshake.trust.name().to_owned(),
        our_genome: handshake.our_genome.to_string(),
        their_genome: handshake.their_genome.to_string(),
        imported: None,
        import_problem: None,
    }
}

pub(crate) fn cursor(node: NodeId, clock: &NodeClock) -> CursorDto {
    CursorDto { peer_id: node.to_string(), heads: heads(clock) }
}

/// What came of a signed document.
pub(crate) fn imported(imported: Imported) -> ImportedDto {
    ImportedDto {
        signed: true,
        events: imported.events,
        facts: imported.facts,
        known: imported.known,
        deferred: imported.deferred,
        quarantined: imported.quarantined,
        filled: imported.filled,
        forked: imported.forked,
        refused: imported.refused.into_iter().map(refused).collect(),
        gaps: imported.gaps.into_iter().map(gap).collect(),
        ..ImportedDto::default()
    }
}

fn refused(refused: RefusedLog) -> RefusedLogDto {
    RefusedLogDto {
        store_id: refused.log.store.to_string(),
        stream: refused.log.stream.to_string(),
        peer_id: refused.node.to_string(),
        seq: refused.seq,
        reason: reason_dto(refused.reason),
    }
}

fn gap(gap: CarriedGap) -> GapDto {
    GapDto { store_id: gap.log.store.to_string(), stream: gap.log.stream.to_string(), held: gap.held, got: gap.got }
}
