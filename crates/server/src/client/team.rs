//! Calls about the team: members, roles, what stewards do, genes.

use hyper::Method;

use super::calls::percent_encoded;
use super::{Client, ClientError};
use crate::dto::{
    AdoptDto, AdoptedDto, ApproveDto, ChangedDto, GeneAddedDto, GeneDto, GenesDto, GenomeReportDto, GrantedDto,
    MembersDto, NewGeneDto, ProofDto, RenewDto, RevokeDto, RevokedDto, RolesDto, RotateDto, RotatedDto, SetRolesDto,
    StewardDto,
};

impl Client {
    /// The members of the team, and what waits for its stewards.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn members(&self) -> Result<MembersDto, ClientError> {
        self.get("/api/v1/team/members").await
    }

    /// The roles of the team.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn roles(&self) -> Result<RolesDto, ClientError> {
        self.get("/api/v1/team/roles").await
    }

    /// Renews grants.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn renew(&self, renew: &RenewDto) -> Result<GrantedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/renew", renew).await
    }

    /// Gives a member other roles.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_roles(&self, set: &SetRolesDto) -> Result<GrantedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/roles", set).await
    }

    /// Makes a new key of a role.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rotate_role(&self, rotate: &RotateDto) -> Result<RotatedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/rotate-role", rotate).await
    }

    /// Makes a member a steward, or ends that.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn change_steward(&self, steward: &StewardDto) -> Result<ChangedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/steward", steward).await
    }

    /// Agrees to a change of stewards that waits; `record` is the beginning of its hash.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approve(&self, record: &str) -> Result<ChangedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/approve", &ApproveDto { record: record.to_owned() }).await
    }

    /// Removes a member.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke(&self, revoke: &RevokeDto) -> Result<RevokedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/revoke", revoke).await
    }

    /// Takes in what is held of a removed member beyond the cut of its removal.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn adopt(&self, peer: &str) -> Result<AdoptedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/adopt", &AdoptDto { peer: peer.to_owned() }).await
    }

    /// The genome.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn genes(&self) -> Result<GenesDto, ClientError> {
        self.get("/api/v1/genes").await
    }

    /// One gene.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn gene(&self, id: &str) -> Result<GeneDto, ClientError> {
        self.get(&path(id, "")).await
    }

    /// Adds a gene, for good.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn add_gene(&self, gene: &NewGeneDto) -> Result<GeneAddedDto, ClientError> {
        self.send(Method::POST, "/api/v1/genes", gene).await
    }

    /// The proof that a gene belongs to the genome; [`proof::check`](crate::proof::check) needs no node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prove_gene(&self, id: &str) -> Result<ProofDto, ClientError> {
        self.get(&path(id, "/proof")).await
    }

    /// Checks the genome in the database against the team's id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn verify_genome(&self) -> Result<GenomeReportDto, ClientError> {
        self.get("/api/v1/gene-report").await
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("/api/v1/genes/{}{rest}", percent_encoded(id))
}
