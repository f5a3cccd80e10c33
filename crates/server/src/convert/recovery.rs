//! Sealed copies and recoveries become JSON.

use std::collections::BTreeMap;

use antiphon_core::log::{LogId, Stream};
use antiphon_node::{CopyFault, FormerPlace, Recovery, SealedTo, SealedView};

use crate::dto::{
    CopyGapDto, DamagedPartDto, ExpectedLogDto, FormerPlaceDto, HolderDto, KeptForDto, ReasonDto, RecoveryDto,
    SealedDto, SealedToDto, TeamDto, UnaskedDto,
};
use crate::error::Problem;
use crate::time::rfc3339;

fn fault(fault: CopyFault) -> ReasonDto {
    ReasonDto { code: fault.name().to_owned(), text: fault.to_string(), hint: None }
}

pub(crate) fn sealed_to(sealed: SealedTo) -> SealedToDto {
    SealedToDto {
        peer_id: sealed.peer_id.to_string(),
        name: sealed.name,
        parts: sealed.parts,
        bytes: sealed.bytes,
        events: sealed.events,
        missing: sealed.missing,
        refused: sealed.fault.map(fault),
    }
}

pub(crate) fn sealed(view: SealedView) -> SealedDto {
    let holder = |holder: antiphon_node::HolderView| HolderDto {
        peer_id: holder.peer_id.to_string(),
        name: holder.name,
        member: holder.member,
        events: holder.events,
        missing: holder.missing,
        confirmed_at: holder.confirmed_at.map(rfc3339),
        refused: holder.refused,
    };
    let kept = |kept: antiphon_node::KeptFor| KeptForDto {
        peer_id: kept.peer_id.to_string(),
        name: kept.name,
        parts: kept.parts,
        bytes: kept.bytes,
        updated_at: rfc3339(kept.updated_at),
    };
    SealedDto {
        private_facts: view.private_facts,
        events: view.events,
        holders: view.holders.into_iter().map(holder).collect(),
        kept: view.kept.into_iter().map(kept).collect(),
        quota_bytes: view.quota_bytes,
    }
}

pub(crate) fn former_place(place: FormerPlace) -> FormerPlaceDto {
    let expected = place.expected.iter();
    FormerPlaceDto {
        peer_id: place.peer_id.to_string(),
        peer_name: place.peer_name,
        team: TeamDto { id: place.team.id.to_string(), name: place.team.name },
        stewards: place.stewards,
        name: place.name,
        roles: place.roles,
        previous_store_id: place.previous.map(|store| store.to_string()),
        expected: expected.map(|(log, seq)| ExpectedLogDto { store_id: log.store.to_string(), seq: *seq }).collect(),
    }
}

pub(crate) fn expected_of(logs: &[ExpectedLogDto]) -> Result<BTreeMap<LogId, u64>, Problem> {
    let read = |log: &ExpectedLogDto| {
        let store = log
            .store_id
            .parse()
            .map_err(|_| Problem::bad_value("store_id", &log.store_id, "give the id of a store"))?;
        Ok((LogId::new(store, Stream::Shared), log.seq))
    };
    logs.iter().map(read).collect()
}

/// `names` are those of [`Recovery::peers`], then of `unasked`, then of `away`.
pub(crate) fn recovery(recovery: &Recovery, names: Vec<String>) -> RecoveryDto {
    let mut names = names.into_iter();
    let peers = names.by_ref().take(recovery.peers.len()).collect();
    let unasked = recovery.unasked.iter().zip(names.by_ref()).map(|((peer, why), name)| UnaskedDto {
        peer_id: peer.to_string(),
        name,
        reason: fault(*why),
    });
    let unasked = unasked.collect();
    let damaged = recovery.damaged.iter().map(|part| DamagedPartDto {
        peer_id: part.peer_id.to_string(),
        store_id: part.store.to_string(),
        first: part.first,
        why: part.why.clone(),
    });
    let gaps = recovery.gaps.iter().map(|gap| CopyGapDto {
        store_id: gap.store.to_string(),
        after: gap.after,
        last: gap.last,
    });
    RecoveryDto {
        complete: recovery.is_complete(),
        events: recovery.events,
        missing: recovery.missing,
        own_facts: recovery.own_facts,
        shared_facts: recovery.shared_facts,
        private_facts: recovery.private_facts,
        restored: recovery.restored,
        peers,
        asked: recovery.asked as u64,
        damaged: damaged.collect(),
        gaps: gaps.collect(),
        unasked,
        away: names.collect(),
    }
}
