//! The team and its genes become JSON.

use antiphon_core::charter::Change;
use antiphon_core::genome::{Genome, Proof};
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_node::{ChangeView, FormerView, GenomeReport, MemberView, RoleView, Team, TeamView, WaitingView};

use super::view::team;
use crate::dto::{
    ChangedDto, FormerDto, GeneDto, GenesDto, GenomeReportDto, MemberDto, MembersDto, ProofDto, RoleDto, WaitingDto,
};
use crate::proof;
use crate::time::rfc3339;

pub(crate) fn members(view: TeamView) -> MembersDto {
    MembersDto {
        team: team(&Team { id: view.id, name: view.name }),
        genome_hash: view.genome.to_string(),
        members: view.members.into_iter().map(member).collect(),
        former: view.former.into_iter().map(former).collect(),
        stewards: view.stewards,
        needed: view.needed as u64,
        waiting: view.waiting.into_iter().map(waiting).collect(),
        critical: view.critical,
    }
}

pub(crate) fn member(view: MemberView) -> MemberDto {
    MemberDto {
        peer_id: view.node.to_string(),
        name: view.name,
        roles: view.roles,
        steward: view.steward,
        own: view.own,
        not_after: rfc3339(view.not_after),
        expired: view.expired,
        lacks: view.lacks,
    }
}

fn former(view: FormerView) -> FormerDto {
    FormerDto {
        peer_id: view.node.to_string(),
        name: view.name,
        by: view.by.map(|by| by.to_string()),
        reason: view.reason,
        compromised: view.compromised,
        beyond: view.beyond,
    }
}

fn waiting(view: WaitingView) -> WaitingDto {
    WaitingDto {
        record: view.record.to_string(),
        change: change_name(view.change).to_owned(),
        peer_id: view.node.to_string(),
        name: view.name,
        signers: view.signers,
        signed: view.own,
        asked: view.asked,
        needed: view.needed as u64,
    }
}

pub(crate) const fn change_name(change: Change) -> &'static str {
    match change {
        Change::Revoke => "revoke",
        Change::Remove => "remove",
        Change::Add => "add",
    }
}

pub(crate) fn role(view: RoleView) -> RoleDto {
    RoleDto {
        name: view.name,
        rule: view.rule,
        members: view.members,
        epoch: view.epoch.map(|epoch| epoch.to_string()),
        epochs: view.epochs as u64,
        holders: view.holders as u64,
    }
}

/// The name of a key in a team; its id where it has none there.
fn name_in(team: &TeamView, node: &NodeId) -> String {
    let members = team.members.iter().map(|member| (member.node, &member.name));
    let former = team.former.iter().map(|former| (former.node, &former.name));
    members.chain(former).find(|(known, _)| known == node).map_or_else(|| node.short(), |(_, name)| name.clone())
}

/// A change and what became of it; `team` is the team after it.
pub(crate) fn changed(node: NodeId, change: &str, view: &ChangeView, team: &TeamView) -> ChangedDto {
    ChangedDto {
        peer_id: node.to_string(),
        name: name_in(team, &node),
        change: change.to_owned(),
        record: view.record.to_string(),
        effective: view.effective,
        signers: view.signers.iter().map(|signer| name_in(team, signer)).collect(),
        needed: view.needed as u64,
    }
}

pub(crate) fn genes(genome: &Genome, founding: &Genome) -> GenesDto {
    let gene = |(id, text): (&str, &str)| gene(id, text, founding);
    GenesDto { genome_hash: genome.hash().to_string(), genes: genome.genes().map(gene).collect() }
}

pub(crate) fn gene(id: &str, text: &str, founding: &Genome) -> GeneDto {
    GeneDto { id: id.to_owned(), text: text.to_owned(), founding: founding.get(id).is_some() }
}

pub(crate) fn gene_proof(proof: Proof, genome: &Genome, team: TeamId) -> ProofDto {
    ProofDto {
        version: proof::VERSION.to_owned(),
        id: proof.id,
        text: proof.text,
        index: proof.index,
        size: proof.size,
        path: proof.path.iter().map(ToString::to_string).collect(),
        root: genome.hash().to_string(),
        team: team.to_string(),
    }
}

pub(crate) fn genome_report(report: GenomeReport) -> GenomeReportDto {
    GenomeReportDto {
        ok: report.is_ok(),
        genome_hash: report.genome.to_string(),
        genes: report.genes as u64,
        founding_root: report.founding.to_string(),
        team: report.team.to_string(),
        tampered: report.tampered,
    }
}
