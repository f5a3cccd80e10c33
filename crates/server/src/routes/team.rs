//! Routes about the team's members, its roles, and what its stewards do.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::input::Body;
use crate::dto::{
    AdoptDto, AdoptedDto, ApproveDto, ChangedDto, CheckProofDto, GeneAddedDto, GeneDto, GenesDto, GenomeReportDto,
    GrantedDto, MembersDto, NewGeneDto, ProofDto, ProvenDto, RenewDto, RevokeDto, RevokedDto, RolesDto, RotateDto,
    RotatedDto, SetRolesDto, StewardDto,
};
use crate::error::Problem;
use crate::openapi::{Routes, get, post};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// Those that ask, or sign one record.
pub(super) fn short() -> Routes {
    Routes::new()
        .route(
            "/api/v1/team/members",
            get("The members of the team, former ones, and records that wait for stewards.", members),
        )
        .route(
            "/api/v1/team/roles",
            get("The roles of the team.", roles).and(post("Sets the roles of a member.", set_roles)),
        )
        .route("/api/v1/team/rotate-role", post("Makes a new key for a role.", rotate_role))
        .route("/api/v1/team/steward", post("Makes a member a steward, or a steward none.", change_steward))
        .route("/api/v1/team/approve", post("Approves a record that waits for stewards.", approve))
        .route("/api/v1/team/adopt", post("Has events of a removed member count again.", adopt))
        .route("/api/v1/genes", get("The genes of the team.", genes).and(post("Adds a gene.", add_gene)))
        .route("/api/v1/genes/{id}", get("Shows a gene.", gene))
        .route("/api/v1/genes/{id}/proof", get("Proves that a gene is in the genome.", prove_gene))
        .route("/api/v1/gene-check", post("Checks a proof that a gene is in a genome.", check_proof))
        .route(
            "/api/v1/gene-report",
            get("Computes the genome's hash again and names genes that were tampered with.", verify_genome),
        )
}

/// Those that wait for others, or sign many records.
pub(super) fn long() -> Routes {
    Routes::new()
        .route("/api/v1/team/renew", post("Renews the membership of a member.", renew))
        .route("/api/v1/team/revoke", post("Removes a member from the team.", revoke))
}

async fn members(service: Node) -> Answer<MembersDto> {
    service.members().await.map(Json)
}

async fn roles(service: Node) -> Answer<RolesDto> {
    service.roles().await.map(Json)
}

async fn set_roles(service: Node, Body(set): Body<SetRolesDto>) -> Answer<GrantedDto> {
    service.set_roles(set).await.map(Json)
}

async fn renew(service: Node, Body(renew): Body<RenewDto>) -> Answer<GrantedDto> {
    service.renew(renew).await.map(Json)
}

async fn rotate_role(service: Node, Body(rotate): Body<RotateDto>) -> Answer<RotatedDto> {
    service.rotate_role(rotate).await.map(Json)
}

async fn change_steward(service: Node, Body(steward): Body<StewardDto>) -> Answer<ChangedDto> {
    service.change_steward(steward).await.map(Json)
}

async fn approve(service: Node, Body(approve): Body<ApproveDto>) -> Answer<ChangedDto> {
    service.approve(&approve.record).await.map(Json)
}

async fn revoke(service: Node, Body(revoke): Body<RevokeDto>) -> Answer<RevokedDto> {
    service.revoke(revoke).await.map(Json)
}

async fn adopt(service: Node, Body(adopt): Body<AdoptDto>) -> Answer<AdoptedDto> {
    service.adopt(&adopt.peer).await.map(Json)
}

async fn genes(service: Node) -> Answer<GenesDto> {
    service.genes().await.map(Json)
}

async fn gene(service: Node, Path(id): Path<String>) -> Answer<GeneDto> {
    service.gene(&id).await.map(Json)
}

async fn add_gene(service: Node, Body(gene): Body<NewGeneDto>) -> Answer<GeneAddedDto> {
    service.add_gene(gene).await.map(Json)
}

async fn prove_gene(service: Node, Path(id): Path<String>) -> Answer<ProofDto> {
    service.prove_gene(&id).await.map(Json)
}

async fn check_proof(service: Node, Body(check): Body<CheckProofDto>) -> Answer<ProvenDto> {
    service.check_proof(check).await.map(Json)
}

async fn verify_genome(service: Node) -> Answer<GenomeReportDto> {
    service.verify_genome().await.map(Json)
}
