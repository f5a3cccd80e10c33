//! The members of the team, its roles, and what its stewards do.

use antiphon_core::charter::GRANT_LIFE_MS;
use antiphon_core::ids::NodeId;

use super::Service;
use crate::convert;
use crate::dto::{
    AdoptedDto, ChangedDto, GrantedDto, MembersDto, RenewDto, RevokeDto, RevokedDto, RolesDto, RotateDto, RotatedDto,
    Scalar, SetRolesDto, StewardDto,
};
use crate::error::{Code, Problem};

/// Longest life of a grant, in milliseconds: ten years.
const LIFE_MAX_MS: u64 = 10 * GRANT_LIFE_MS;
/// Shortest life of a grant, in milliseconds: one minute. Shorter ones are mistakes of the unit.
const LIFE_MIN_MS: u64 = 60 * 1_000;

impl Service {
    pub(crate) async fn members(&self) -> Result<MembersDto, Problem> {
        Ok(convert::members(self.handle.members().await?))
    }

    pub(crate) async fn roles(&self) -> Result<RolesDto, Problem> {
        Ok(RolesDto { roles: self.handle.roles().await?.into_iter().map(convert::role).collect() })
    }

    pub(crate) async fn renew(&self, renew: RenewDto) -> Result<GrantedDto, Problem> {
        let life_ms = renew.life.map_or(Ok(GRANT_LIFE_MS), |life| life_of(&life))?;
        let nodes = match (renew.peer, renew.all) {
            (Some(peer), false) => vec![self.handle.renew(&peer, life_ms).await?],
            (None, true) => {
                let members = self.handle.members().await?.members;
                let nodes: Vec<NodeId> = members.iter().map(|member| member.node).collect();
                for node in &nodes {
                    self.handle.renew(&node.to_string(), life_ms).await?;
                }
                nodes
            }
            _ => {
                return Err(Problem::new(Code::Invalid, "renew one member, or all")
                    .hint("antiphon team renew PEER, or antiphon team renew --all"));
            }
        };
        self.granted(&nodes).await
    }

    pub(crate) async fn set_roles(&self, set: SetRolesDto) -> Result<GrantedDto, Problem> {
        let mut roles = set.roles;
        roles.sort();
        roles.dedup();
        let node = self.handle.set_roles(&set.peer, roles).await?;
        self.granted(&[node]).await
    }

    /// What these members are granted now.
    async fn granted(&self, nodes: &[NodeId]) -> Result<GrantedDto, Problem> {
        let members = self.handle.members().await?.members.into_iter();
        let members = members.filter(|member| nodes.contains(&member.node)).map(convert::member);
        Ok(GrantedDto { members: members.collect() })
    }

    pub(crate) async fn rotate_role(&self, rotate: RotateDto) -> Result<RotatedDto, Problem> {
        let RotateDto { role, fresh } = rotate;
        self.handle.rotate_role(&role, fresh).await?;
        let found = self.handle.roles().await?.into_iter().find(|view| view.name == role);
        let gone = || Problem::new(Code::Failed, format!("role {role} has a new key, but is not listed"));
        Ok(RotatedDto { role: convert::role(found.ok_or_else(gone)?), fresh })
    }

    pub(crate) async fn change_steward(&self, steward: StewardDto) -> Result<ChangedDto, Problem> {
        let (node, view) = self.handle.change_steward(&steward.peer, steward.add).await?;
        let change = if steward.add { "add" } else { "remove" };
        Ok(convert::changed(node, change, &view, &self.handle.members().await?))
    }

    pub(crate) async fn approve(&self, record: &str) -> Result<ChangedDto, Problem> {
        let record = record.trim().to_ascii_lowercase();
        // Once it has effect it does not wait any more, and what it was is only told here.
        let before = self.handle.members().await?.waiting;
        let waiting =
            before.iter().find(|waiting| !record.is_empty() && waiting.record.to_string().starts_with(&record));
        let change = waiting.map_or("", |waiting| convert::change_name(waiting.change));
        let (node, view) = self.handle.approve(&record).await?;
        Ok(convert::changed(node, change, &view, &self.handle.members().await?))
    }

    pub(crate) async fn revoke(&self, revoke: RevokeDto) -> Result<RevokedDto, Problem> {
        if revoke.reason.trim().is_empty() {
            return Err(Problem::bad_value("reason", &revoke.reason, "say why; every member reads it"));
        }
        let view = self.handle.revoke(&revoke.peer, &revoke.reason, revoke.compromised).await?;
        let team = self.handle.members().await?;
        let change = convert::changed(view.node, "revoke", &view.change, &team);
        Ok(RevokedDto { change, roles: view.roles, behind: view.behind })
    }

    pub(crate) async fn adopt(&self, peer: &str) -> Result<AdoptedDto, Problem> {
        let before = self.handle.members().await?;
        let view = self.handle.adopt(peer).await?;
        let team = self.handle.members().await?;
        let beyond = |team: &antiphon_node::TeamView| {
            team.former.iter().find(|former| former.node == view.node).map_or(0, |former| former.beyond)
        };
        let change = convert::changed(view.node, "revoke", &view.change, &team);
        Ok(AdoptedDto { change, adopted: beyond(&before).saturating_sub(beyond(&team)), beyond: beyond(&team) })
    }
}

fn life_of(life: &Scalar) -> Result<u64, Problem> {
    let ms = convert::duration_of("life", life)?;
    if (LIFE_MIN_MS..=LIFE_MAX_MS).contains(&ms) {
        return Ok(ms);
    }
    Err(Problem::bad_value("life", &life.0, "a grant holds for a minute at least and ten years at most, as in 365d"))
}
