//! Catalogues: what this node offers, what others offer, and who can use what when.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::ids::{Hash, NodeId, ResourceId};
use antiphon_core::outbox::{Outgoing, Protocol, Subject};
use antiphon_core::resource::notice::{Consider, Plan, Removal, Verify, Window};
use antiphon_core::resource::{Edit, PER_OWNER_MAX, Resource, SCHEMA, Stamp};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::moderate::Push as Pushed;
use antiphon_store::{Checked, Kept, Resolved, ResourceChange, ResourceFilter, ResourceRow};
use antiphon_vault::random;
use tokio::time::{Instant, sleep};

use super::Handle;
use super::sending::Sent;
use crate::api::{
    ConsiderView, Error, Offer, Ownership, ResourceDetail, ResourceDraft, ResourceError, ResourceTold, ResourceView,
    Verdict, Verification,
};
use crate::clock::now;
use crate::team::TeamState;

/// How often it is looked whether an owner has answered.
const ANSWER_STEP: Duration = Duration::from_millis(25);

/// What an acknowledgement of a planned use says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedUse {
    /// When the use begins.
    pub from: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
    /// Yes or no.
    pub yes: bool,
    /// What else there is to say.
    pub note: Option<String>,
}

impl Handle {
    /// Puts a resource into the own catalogue and tells every other member.
    ///
    /// # Errors
    /// [`Error::Resource`], [`Error::Store`] also when the outbox is full; then nothing
    /// was changed. So for all that follow.
    pub async fn create_resource(&self, draft: ResourceDraft) -> Result<ResourceTold, Error> {
        let _one = self.shared.settings.lock().await;
        let (team, time) = (self.team().await?, now());
        let own = team.own.node;
        let ResourceDraft { kind, name, description, address, capabilities, tags, key } = draft;
        let id = match key {
            Some(key) => id_of_key(&own, &key),
            None => ResourceId::of_owner(&own, time, random::bytes()?),
        };
        let read = self.store().read(move |reader| Ok((reader.resource(id)?, reader.catalogue_gone(&own)?)));
        let (there, gone) = read.await?;
        if let Some(row) = there {
            return Ok(ResourceTold { id, stamp: row.resource.stamp, members: 0 });
        }
        // What was offered under this key and taken away again must not keep it away.
        let before = gone.into_iter().find(|removal| removal.id == id).map(|removal| removal.stamp);
        let stamp = before.unwrap_or_default().next(time);
        let resource = Resource { id, kind, name, description, address, capabilities, tags, stamp };
        resource.check()?;
        if self.store().read(move |reader| reader.catalogue_size(&own)).await? >= PER_OWNER_MAX {
            return Err(ResourceError::TooMany(PER_OWNER_MAX).into());
        }
        let body = resource.encode();
        self.announce(&team, Protocol::RESOURCE_CREATE, body, ResourceChange::Entry(resource), stamp).await
    }

    /// Changes a resource of the own catalogue and tells every other member.
    ///
    /// # Errors
    /// [`Error::Resource`], and as [`Handle::create_resource`].
    pub async fn update_resource(&self, id: ResourceId, edit: Edit) -> Result<ResourceTold, Error> {
        let _one = self.shared.settings.lock().await;
        let team = self.team().await?;
        let resource = self.own_resource(&team, id).await?.edited(edit, now())?;
        let (body, stamp) = (resource.encode(), resource.stamp);
        self.announce(&team, Protocol::RESOURCE_UPDATE, body, ResourceChange::Entry(resource), stamp).await
    }

    /// Takes a resource out of the own catalogue and tells every other member.
    ///
    /// # Errors
    /// As [`Handle::update_resource`].
    pub async fn delete_resource(&self, id: ResourceId) -> Result<ResourceTold, Error> {
        let _one = self.shared.settings.lock().await;
        let team = self.team().await?;
        let stamp = self.own_resource(&team, id).await?.stamp.next(now());
        let removal = Removal { id, stamp };
        let change = ResourceChange::Removal(removal);
        self.announce(&team, Protocol::RESOURCE_DELETE, removal.encode(), change, stamp).await
    }

    /// Says when a resource of the own catalogue can be used, instead of what was said before.
    ///
    /// # Errors
    /// As [`Handle::update_resource`].
    pub async fn plan_resource(&self, id: ResourceId, windows: Vec<Window>) -> Result<ResourceTold, Error> {
        let _one = self.shared.settings.lock().await;
        let team = self.team().await?;
        let stamp = self.own_resource(&team, id).await?.stamp;
        let last = self.store().read(move |reader| reader.resource_plan(id)).await?.map(|plan| plan.at);
        let plan = Plan::new(id, later(last), windows);
        plan.check()?;
        self.announce(&team, Protocol::PLANNER, plan.encode(), ResourceChange::Plan(plan), stamp).await
    }

    /// Acknowledges a planned use of a resource: tells its owner, or `peer` if this node is the owner.
    ///
    /// # Errors
    /// [`Error::Resource`], also for an own resource without a peer, and one of a former member.
    pub async fn consider_resource(
        &self,
        id: ResourceId,
        planned: PlannedUse,
        peer: Option<NodeId>,
    ) -> Result<ResourceTold, Error> {
        let _one = self.shared.settings.lock().await;
        let team = self.team().await?;
        let own = team.own.node;
        let row = self.resource_row(id).await?;
        let receiver = if row.owner == own { peer.ok_or(ResourceError::NobodyToTell(id))? } else { row.owner };
        if team.membership.member(&receiver).is_none() {
            return Err(ResourceError::OfFormer(self.name_of(&receiver).await?).into());
        }
        let PlannedUse { from, until, yes, note } = planned;
        let said = self.store().read(move |reader| reader.resource_considers(id)).await?;
        let last = said.iter().filter(|said| said.node == own).map(|said| said.consider.at).max();
        let consider = Consider { id, at: later(last), from, until, yes, note };
        consider.check()?;
        let body = consider.encode();
        let items = vec![outgoing(receiver, Protocol::CONSIDERS, id, body)];
        self.say(own, items, ResourceChange::Consider(consider), row.resource.stamp).await
    }

    /// At most `limit` entries that fit: the best first where words are searched for, else in the order of the ids.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn resources(&self, filter: ResourceFilter, limit: usize) -> Result<Vec<ResourceView>, Error> {
        let rows = self.store().read(move |reader| reader.resources(&filter, limit)).await?;
        self.resource_views(rows).await
    }

    /// Everything that is known of one resource.
    ///
    /// # Errors
    /// [`Error::Resource`].
    pub async fn resource(&self, id: ResourceId) -> Result<ResourceDetail, Error> {
        let row = self.resource_row(id).await?;
        let said = self.store().read(move |reader| Ok((reader.resource_plan(id)?, reader.resource_considers(id)?)));
        let (plan, considers) = said.await?;
        let nodes: Vec<NodeId> = considers.iter().map(|said| said.node).collect();
        let names = self.names_of(&nodes).await?;
        let shown = |(said, name): (antiphon_store::Considered, String)| ConsiderView {
            node: said.node,
            name,
            consider: said.consider,
        };
        let considers = considers.into_iter().zip(names).map(shown).collect();
        Ok(ResourceDetail { view: self.resource_view(row).await?, plan, considers })
    }

    /// The resource that `text` names: its id, the beginning of exactly one, or the name of exactly one.
    ///
    /// # Errors
    /// [`Error::Resource`].
    pub async fn resolve_resource(&self, text: &str) -> Result<ResourceId, Error> {
        let asked = text.to_owned();
        let shown = || text.chars().take(64).collect();
        match self.store().read(move |reader| reader.resolve_resource(&asked)).await? {
            Resolved::One(id) => Ok(id),
            Resolved::Ambiguous(ids) => Err(ResourceError::Ambiguous { text: shown(), count: ids.len() }.into()),
            Resolved::None => Err(ResourceError::NotFound(shown()).into()),
        }
    }

    /// What each node offers, at a glance: this one first, then by name.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn offers(&self) -> Result<Vec<Offer>, Error> {
        let team = self.team().await?;
        let read = self.store().read(|reader| {
            let owners = reader.resource_owners()?.into_iter();
            owners.map(|(owner, _)| Ok((owner, reader.catalogue_summary(&owner)?))).collect::<Result<Vec<_>, _>>()
        });
        let summaries: Vec<_> = read.await?;
        let nodes: Vec<NodeId> = summaries.iter().map(|(node, _)| *node).collect();
        let names = self.names_of(&nodes).await?;
        let offers = summaries.into_iter().zip(names);
        let mut offers: Vec<Offer> = offers
            .map(|((node, summary), name)| Offer { node, name, ownership: ownership(&team, &node), summary })
            .collect();
        offers.sort_by(|one, other| {
            let key = |offer: &Offer| (offer.ownership != Ownership::Own, offer.name.clone(), offer.node);
            key(one).cmp(&key(other))
        });
        Ok(offers)
    }

    /// Asks the owner of a resource whether it is there, and waits for the answer at most so long, or not at all if the
    /// owner is not connected.
    ///
    /// # Errors
    /// [`Error::Resource`], also for an own resource and one of a former member.
    pub async fn verify_resource(&self, id: ResourceId, patience: Duration) -> Result<Verification, Error> {
        let team = self.team().await?;
        let row = self.resource_row(id).await?;
        let owner = row.owner;
        if owner == team.own.node {
            return Err(ResourceError::Own(id).into());
        }
        if team.membership.member(&owner).is_none() {
            return Err(ResourceError::OfFormer(self.name_of(&owner).await?).into());
        }
        let item = outgoing(owner, Protocol::RESOURCE_VERIFY, id, Verify::Ask { id }.encode());
        let ((), sent) = self.send_items(vec![item], |_| Ok(())).await?;
        if full(&sent) > 0 {
            return Err(ResourceError::NoRoom(self.name_of(&owner).await?).into());
        }
        let connected = self.peers().await?.iter().any(|peer| peer.peer_id == owner && peer.connected);
        let patience = if connected { patience } else { Duration::ZERO };
        let now = self.checked_again(&row, patience).await?;
        let verdict = if now.checked == row.checked { Verdict::Unanswered } else { verdict(&now) };
        Ok(Verification { view: self.resource_view(now).await?, verdict, connected })
    }

    /// The entry as soon as its owner has answered again, or after so long.
    async fn checked_again(&self, before: &ResourceRow, patience: Duration) -> Result<ResourceRow, Error> {
        let until = Instant::now() + patience;
        loop {
            let now = self.resource_row(before.resource.id).await?;
            if now.checked != before.checked || Instant::now() >= until {
                return Ok(now);
            }
            sleep(ANSWER_STEP).await;
        }
    }

    /// Writes what this node says of one of its resources and lets every other member know.
    async fn announce(
        &self,
        team: &TeamState,
        protocol: Protocol,
        body: Vec<u8>,
        change: ResourceChange,
        stamp: Stamp,
    ) -> Result<ResourceTold, Error> {
        let own = team.own.node;
        let others = team.membership.members().map(|(node, _)| *node).filter(|node| *node != own);
        let told: Vec<NodeId> = others.collect();
        let id = change.id();
        let items = told.iter().map(|node| outgoing(*node, protocol, id, body.clone())).collect();
        let done = self.say(own, items, change, stamp).await?;
        // Who became a member meanwhile may have been told the catalogue as it was before.
        let members = self.team().await?.membership;
        let since = members.members().map(|(node, _)| *node).filter(|node| *node != own && !told.contains(node));
        let late: Vec<Outgoing> = since.map(|node| outgoing(node, protocol, id, body.clone())).collect();
        if !late.is_empty() {
            let ((), _pushed) = self.send_items(late, |_| Ok(())).await?;
        }
        Ok(done)
    }

    async fn say(
        &self,
        own: NodeId,
        items: Vec<Outgoing>,
        change: ResourceChange,
        stamp: Stamp,
    ) -> Result<ResourceTold, Error> {
        let (id, members, time) = (change.id(), items.len() as u64, now());
        let first = items.first().map(|item| item.peer);
        let (kept, sent) = self.send_items(items, move |db| db.change_resource(&own, &change, time)).await?;
        // What is only kept in memory may find no room there.
        let members = members.saturating_sub(full(&sent));
        if let (0, Some(peer)) = (members, first) {
            return Err(ResourceError::NoRoom(self.name_of(&peer).await?).into());
        }
        match kept {
            Kept::Kept | Kept::Old => Ok(ResourceTold { id, stamp, members }),
            Kept::Full => Err(ResourceError::TooMany(PER_OWNER_MAX).into()),
            Kept::NotTheirs => Err(ResourceError::NotOwn { id, owner: self.name_of(&own).await? }.into()),
            Kept::Unknown => Err(ResourceError::NotFound(id.to_string()).into()),
        }
    }

    async fn resource_row(&self, id: ResourceId) -> Result<ResourceRow, Error> {
        let row = self.store().read(move |reader| reader.resource(id)).await?;
        row.ok_or_else(|| ResourceError::NotFound(id.to_string()).into())
    }

    async fn own_resource(&self, team: &TeamState, id: ResourceId) -> Result<Resource, Error> {
        let row = self.resource_row(id).await?;
        if row.owner == team.own.node {
            return Ok(row.resource);
        }
        Err(ResourceError::NotOwn { id, owner: self.name_of(&row.owner).await? }.into())
    }

    async fn name_of(&self, node: &NodeId) -> Result<String, Error> {
        Ok(self.names_of(&[*node]).await?.pop().unwrap_or_else(|| node.short()))
    }

    async fn resource_view(&self, row: ResourceRow) -> Result<ResourceView, Error> {
        let missing = || Error::from(ResourceError::NotFound(String::new()));
        self.resource_views(vec![row]).await?.pop().ok_or_else(missing)
    }

    pub(crate) async fn resource_views(&self, rows: Vec<ResourceRow>) -> Result<Vec<ResourceView>, Error> {
        let team = self.team().await?;
        let owners: std::collections::BTreeSet<NodeId> = rows.iter().map(|row| row.owner).collect();
        let owners: Vec<NodeId> = owners.into_iter().collect();
        let names: BTreeMap<NodeId, String> = owners.iter().copied().zip(self.names_of(&owners).await?).collect();
        let view = |row: ResourceRow| ResourceView {
            owner_name: names.get(&row.owner).cloned().unwrap_or_else(|| row.owner.short()),
            ownership: ownership(&team, &row.owner),
            resource: row.resource,
            owner: row.owner,
            learned_at: row.learned_at,
            checked: row.checked,
        };
        Ok(rows.into_iter().map(view).collect())
    }
}

/// The same key always names the same resource of a node.
fn id_of_key(own: &NodeId, key: &str) -> ResourceId {
    let [b0, b1, b2, b3, b4, b5, rest @ ..] = Hash::of(key.as_bytes()).0;
    let at = u64::from_be_bytes([0, 0, b0, b1, b2, b3, b4, b5]);
    ResourceId::of_owner(own, UnixMillis(at), [rest[0], rest[1], rest[2], rest[3]])
}

fn ownership(team: &TeamState, node: &NodeId) -> Ownership {
    if *node == team.own.node {
        Ownership::Own
    } else if team.membership.member(node).is_some() {
        Ownership::Member
    } else {
        Ownership::Former
    }
}

/// Now, and later than what was said before.
fn later(last: Option<UnixMillis>) -> UnixMillis {
    last.map_or_else(now, |last| now().max(last.after(1)))
}

pub(crate) fn outgoing(peer: NodeId, protocol: Protocol, id: ResourceId, body: Vec<u8>) -> Outgoing {
    Outgoing { peer, protocol, schema: SCHEMA, subject: Subject(id.0), body }
}

/// How many items found no room in memory.
fn full(sent: &Sent) -> u64 {
    sent.memory.iter().filter(|pushed| matches!(pushed, Pushed::Full { .. })).count() as u64
}

fn verdict(row: &ResourceRow) -> Verdict {
    match row.checked {
        None => Verdict::Unanswered,
        Some(Checked { held: None, .. }) => Verdict::Gone,
        Some(Checked { held: Some(stamp), .. }) if stamp == row.resource.stamp => Verdict::Stands,
        Some(_) => Verdict::Changed,
    }
}
