//! What this node is in its team, gathered once per change and shared as it is.

use std::sync::Arc;

use antiphon_core::charter::{Membership, Refusal};
use antiphon_core::genome::{Constitution, Genome};
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, Stream};
use antiphon_core::roles::Roles;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::handshake::Local;
use antiphon_protocol::join::StewardLocal;
use antiphon_store::{Own, Reader};

use crate::api::{Error, Team};
use crate::held::charter_of;

/// A snapshot of the team as this node's database knows it.
#[derive(Debug, Clone)]
pub(crate) struct TeamState {
    pub(crate) own: Own,
    /// The current genome.
    pub(crate) genome: Genome,
    pub(crate) founding: Genome,
    pub(crate) constitution: Constitution,
    pub(crate) roles: Roles,
    pub(crate) membership: Arc<Membership>,
    /// What a handshake brings.
    pub(crate) local: Arc<Local>,
}

impl TeamState {
    /// Reads the snapshot. Where this node listens is not known to the database, the loop adds it.
    pub(crate) fn read(reader: &Reader<'_>, agent_version: &str) -> Result<Self, antiphon_store::Error> {
        let own = reader.own()?.ok_or(antiphon_store::Error::NoTeam)?;
        let founding = reader.founding_genome()?;
        let constitution = founding.constitution()?;
        let records = reader.charter()?;
        let membership = records.shared_membership();
        let genome = founding.with(membership.genes());
        // The opening of the shared log, which every store has, shows whose store this is.
        let opening = reader.event_at(LogId::new(own.store, Stream::Shared), 1)?;
        let local = Arc::new(Local {
            node: own.node,
            name: own.name.clone(),
            team: own.team,
            genome: genome.hash(),
            records,
            charter: charter_of(&reader.clock()?),
            path: reader.grant_path(&own.node)?,
            store: own.store,
            opening: opening.map(antiphon_core::event::Event::into_unverified),
            agent_version: agent_version.to_owned(),
            addresses: Vec::new(),
        });
        let roles = Roles::of(&genome);
        Ok(Self { own, genome, founding, constitution, roles, membership, local })
    }

    /// The team as it is shown.
    pub(crate) fn shown(&self) -> Team {
        Team { id: self.own.team, name: self.constitution.name.clone() }
    }

    /// Members other than this node.
    pub(crate) fn others(&self) -> usize {
        self.membership.members().filter(|(node, _)| **node != self.own.node).count()
    }

    /// What a steward brings when somebody wants to join.
    pub(crate) fn steward_local(&self) -> Arc<StewardLocal> {
        Arc::new(StewardLocal {
            node: self.own.node,
            name: self.own.name.clone(),
            team: self.own.team,
            genome: self.founding.encode(),
            membership: self.membership.clone(),
            members_max: self.constitution.members_max,
        })
    }

    /// Whether `node` may be spoken to.
    pub(crate) fn check(&self, node: &NodeId, now: UnixMillis) -> Result<(), Refusal> {
        self.membership.check(node, now).map(drop)
    }

    /// Whether a member can read what is sealed to a role.
    pub(crate) fn may_read(&self, node: &NodeId, role: &str) -> bool {
        let member = self.membership.member(node);
        member.is_some_and(|member| member.steward || self.roles.may_read(&member.grant.roles, role))
    }

    /// # Errors
    /// [`Error::UnknownRole`] when the genome knows no such role.
    pub(crate) fn need_role(&self, role: &str) -> Result<(), Error> {
        if self.roles.get(role).is_some() {
            return Ok(());
        }
        let known = self.roles.names().map(str::to_owned).collect();
        Err(Error::UnknownRole { role: role.to_owned(), known })
    }

    /// # Errors
    /// [`Error::NotASteward`] when this node may not sign membership.
    pub(crate) fn need_steward(&self) -> Result<(), Error> {
        let steward = self.membership.is_steward(&self.own.node);
        if steward { Ok(()) } else { Err(Error::NotASteward { team: self.constitution.name.clone() }) }
    }
}
