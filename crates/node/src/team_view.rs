//! What a team looks like from outside: its members, roles, stewards, and what waits for consent.

use antiphon_core::charter::{Change, Choice, Membership, Pending, Removal};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{Hash, NodeId, TeamId};
use antiphon_core::log::{Head, Stream};
use antiphon_core::time::UnixMillis;
use antiphon_store::{LogView, Reader};

use crate::api::Error;
use crate::clock::now;
use crate::handle::Handle;
use crate::rekey::KeyMaker;

/// A member, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its key.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether it may sign membership.
    pub steward: bool,
    /// Whether it is this node.
    pub own: bool,
    /// When its grant ends.
    pub not_after: UnixMillis,
    /// Whether that is over.
    pub expired: bool,
    /// Roles that it may read and whose present key it was not given.
    pub lacks: Vec<String>,
}

/// A removed member, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerView {
    /// Its key.
    pub node: NodeId,
    /// Its name when it was last granted something, as far as it is known.
    pub name: String,
    /// Who removed it.
    pub by: Option<NodeId>,
    /// Why.
    pub reason: String,
    /// Whether somebody else may hold its key.
    pub compromised: bool,
    /// Events of it that are held beyond the cut.
    pub beyond: u64,
}

/// A change of stewards that waits for consent, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingView {
    /// Hash of the record.
    pub record: Hash,
    /// What it does.
    pub change: Change,
    /// To whom.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Names of those who signed.
    pub signers: Vec<String>,
    /// Whether this node is among them.
    pub own: bool,
    /// Whether this node's signature is missing and would count.
    pub asked: bool,
    /// How many must.
    pub needed: usize,
}

/// A role, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleView {
    /// Its name.
    pub name: String,
    /// What it may do, as its gene says.
    pub rule: String,
    /// Names of the members that have it.
    pub members: Vec<String>,
    /// The present key: hash of the record that made it.
    pub epoch: Option<Hash>,
    /// Keys it had so far.
    pub epochs: usize,
    /// Members that hold the present key.
    pub holders: usize,
}

/// A team, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamView {
    /// Root of its founding genome.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Hash of its present genome.
    pub genome: Hash,
    /// Members, in the order of their names.
    pub members: Vec<MemberView>,
    /// Who was removed.
    pub former: Vec<FormerView>,
    /// Names of the stewards, from the oldest right to the youngest.
    pub stewards: Vec<String>,
    /// How many of them must agree to appoint one more.
    pub needed: usize,
    /// What waits for their consent.
    pub waiting: Vec<WaitingView>,
    /// The number of a record kind that this version does not know and must not ignore.
    pub critical: Option<u64>,
    /// Roles that had keys and have none that may be used.
    pub keyless: Vec<String>,
}

/// What became of a record that may need the consent of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeView {
    /// Hash of the record.
    pub record: Hash,
    /// Whether it has effect.
    pub effective: bool,
    /// Who has signed it.
    pub signers: Vec<NodeId>,
    /// How many must.
    pub needed: usize,
}

/// How a removal went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedView {
    /// Who.
    pub node: NodeId,
    /// What became of the record.
    pub change: ChangeView,
    /// Roles that got new keys.
    pub roles: Vec<String>,
    /// Members whose events of the removed one did not come in time, so that they are cut off.
    pub behind: Vec<String>,
}

/// The genome as the database holds it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenomeReport {
    /// Hash of the present genome.
    pub genome: Hash,
    /// Root of the founding genes as they are in the database.
    pub founding: Hash,
    /// The team's id, which that must be.
    pub team: TeamId,
    /// Number of genes.
    pub genes: usize,
    /// Ids of genes that are not what they were when they were written.
    pub tampered: Vec<String>,
}

impl GenomeReport {
    /// Whether every gene is what it was.
    pub fn is_ok(&self) -> bool {
        self.tampered.is_empty() && self.founding.0 == self.team.0
    }
}

impl Handle {
    /// The members of the team, and what waits for its stewards.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn members(&self) -> Result<TeamView, Error> {
        // Not read from the store: what is shown here the node must go by, and it hears of a commit after readers do.
        let team = self.team().await?;
        let logs = self.shared.store.read(|reader: &Reader<'_>| reader.logs()).await?;
        let (membership, at) = (&team.membership, now());
        let names: std::collections::BTreeMap<NodeId, String> =
            logs.iter().map(|log| (log.node, log.name.clone())).collect();
        let name = |node: &NodeId| match (membership.member(node), names.get(node)) {
            (Some(member), _) => member.grant.name.clone(),
            (None, Some(name)) => name.clone(),
            (None, None) => node.short(),
        };
        let maker = KeyMaker { local: &team.local, roles: &team.roles, key: &self.shared.key, now: at };
        let members = membership.members().map(|(node, member)| MemberView {
            node: *node,
            name: member.grant.name.clone(),
            roles: member.grant.roles.clone(),
            steward: member.steward,
            own: *node == team.own.node,
            not_after: member.grant.not_after,
            expired: at > member.grant.not_after,
            lacks: maker.lacking(node, member),
        });
        let mut members: Vec<MemberView> = members.collect();
        members.sort_by(|one, other| (&one.name, one.node).cmp(&(&other.name, other.node)));
        let former = membership.revoked().into_iter();
        let former = former.filter_map(|node| Some(former_view(node, name(&node), membership.removal(&node)?, &logs)));
        let waiting =
            membership.pending().iter().filter(|pending| is_open(membership, pending)).map(|pending| WaitingView {
                record: pending.record,
                change: pending.change,
                node: pending.node,
                name: name(&pending.node),
                signers: pending.signers.iter().map(name).collect(),
                own: pending.signers.contains(&team.own.node),
                asked: pending.awaited.contains(&team.own.node),
                needed: pending.needed,
            });
        Ok(TeamView {
            id: team.own.team,
            name: team.constitution.name.clone(),
            genome: team.genome.hash(),
            former: former.collect(),
            stewards: membership.stewards().iter().map(name).collect(),
            needed: membership.needed(),
            waiting: waiting.collect(),
            critical: membership.critical(),
            keyless: crate::keyring::keyless(&team),
            members,
        })
    }

    /// The roles of the team, with who has them and their keys.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn roles(&self) -> Result<Vec<RoleView>, Error> {
        let team = self.team().await?;
        let membership = &team.membership;
        let view = |name: &str| {
            let has = membership.members().filter(|(_, member)| member.grant.roles.iter().any(|role| role == name));
            let key = membership.role_key(name);
            RoleView {
                name: name.to_owned(),
                rule: team.roles.get(name).map(ToString::to_string).unwrap_or_default(),
                members: has.map(|(_, member)| member.grant.name.clone()).collect(),
                epoch: key.map(|key| key.epoch),
                epochs: membership.role_keys().of_role(name).len(),
                holders: key.map_or(0, |key| key.wraps.len()),
            }
        };
        Ok(team.roles.names().map(view).collect())
    }

    /// The genes that the team was founded with. Those that [`Handle::genome`] has besides were added later.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn founding_genome(&self) -> Result<Genome, Error> {
        Ok(self.team().await?.founding)
    }

    /// Checks the genome against the team's id, gene by gene.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn verify_genome(&self) -> Result<GenomeReport, Error> {
        let report = self.shared.store.read(|reader| {
            let own = reader.own()?.ok_or(antiphon_store::Error::NoTeam)?;
            let (founding, genome) = (reader.founding_genome()?, reader.genome()?);
            Ok(GenomeReport {
                genome: genome.hash(),
                founding: founding.hash(),
                team: own.team,
                genes: genome.len(),
                tampered: reader.tampered_genes()?,
            })
        });
        Ok(report.await?)
    }

    /// The member or former member that `text` names: by name, id, or the beginning of an id.
    pub(crate) async fn resolve_member(&self, text: &str) -> Result<NodeId, Error> {
        let team = self.members().await?;
        let known = team.members.iter().map(|member| (member.node, &member.name));
        let known: Vec<(NodeId, &String)> =
            known.chain(team.former.iter().map(|former| (former.node, &former.name))).collect();
        // A founding steward that never joined has no name here, but can still be removed.
        if let Some(node) = text.parse().ok().filter(|node| !known.iter().any(|(known, _)| known == node))
            && self.team().await?.membership.is_steward(&node)
        {
            return Ok(node);
        }
        let begins = |node: &NodeId| !text.is_empty() && node.to_string().starts_with(text);
        let called = |name: &str| !text.is_empty() && name == text;
        let by_name: Vec<NodeId> = known.iter().filter(|(_, name)| called(name)).map(|(node, _)| *node).collect();
        // A machine that came back under a new key has the name of its former one; the present member is meant.
        let present: Vec<NodeId> =
            by_name.iter().filter(|node| team.members.iter().any(|member| member.node == **node)).copied().collect();
        let by_id = || known.iter().filter(|(node, _)| begins(node)).map(|(node, _)| *node).collect::<Vec<_>>();
        let found = [present, by_name].into_iter().find(|found| !found.is_empty()).unwrap_or_else(by_id);
        let text = text.chars().take(64).collect::<String>();
        match found.as_slice() {
            [node] => Ok(*node),
            [] => Err(Error::PeerNotFound(text)),
            several => Err(Error::PeerAmbiguous { text, count: several.len() }),
        }
    }
}

/// Whether a change still waits: what has become true, or can no more, waits for nobody.
fn is_open(membership: &Membership, pending: &Pending) -> bool {
    match pending.change {
        Change::Add => membership.member(&pending.node).is_some_and(|member| !member.steward),
        Change::Remove => membership.is_steward(&pending.node),
        Change::Revoke => !membership.is_revoked(&pending.node),
    }
}

fn former_view(node: NodeId, name: String, removal: &Removal, logs: &[LogView]) -> FormerView {
    let seq = |head: &Head| head.seq;
    let theirs = logs.iter().filter(|log| log.node == node && log.log.stream != Stream::Charter);
    let beyond = theirs.map(|log| {
        let last = match removal.cuts(&log.log) {
            Choice::Unnamed => 0,
            Choice::Lowest(heads) => heads.iter().map(seq).min().unwrap_or(0),
            Choice::Highest(heads) => heads.iter().map(seq).max().unwrap_or(0),
        };
        log.head.seq.saturating_sub(last)
    });
    let shown = removal.record.as_ref();
    FormerView {
        node,
        name,
        by: shown.map(|shown| shown.by),
        reason: shown.map(|shown| shown.reason.clone()).unwrap_or_default(),
        compromised: removal.compromised,
        beyond: beyond.sum(),
    }
}
