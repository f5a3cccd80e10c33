//! Erasures become JSON.

use antiphon_core::log::Stream;
use antiphon_node::{Erasure, ErasureAt};

use crate::dto::{ErasedAtDto, ErasureDto};
use crate::time::rfc3339;

pub(crate) fn erasure(erasure: Erasure) -> ErasureDto {
    let members: Vec<ErasedAtDto> = erasure.members.into_iter().map(erased_at).collect();
    ErasureDto {
        id: erasure.fact.to_string(),
        event: erasure.event.to_string(),
        author: erasure.author.name,
        origin: erasure.author.node.to_string(),
        at: rfc3339(erasure.hlc.time()),
        cleaning: erasure.purging,
        shared: erasure.log.stream == Stream::Shared || !members.is_empty(),
        erased: members.iter().filter(|member| member.erased).count() as u64,
        members,
    }
}

fn erased_at(member: ErasureAt) -> ErasedAtDto {
    ErasedAtDto {
        peer_id: member.node.to_string(),
        name: member.name,
        erased: member.erased_at.is_some(),
        signed_at: member.erased_at.map(rfc3339),
        reason: member.stuck.filter(|_| member.erased_at.is_none()),
    }
}
