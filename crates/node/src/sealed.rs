//! Sealed copies: what this node keeps for members, and what members keep for it.
//!
//! A holder answers whoever the charter calls a member, by the key that the channel has proven. An owner leaves its parts
//! with the members it chose when a person says so, and after that whenever its local stream grew: now and then a task
//! looks which chosen members are here and lack something, and whether somebody has come who keeps something that was
//! lost. One such task runs at a time, together with what a person asks for, so that no part is written twice at once.

mod holder;
mod owner;
pub(crate) mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::charter::Membership;
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_net::{NetHandle, Responder};
use antiphon_protocol::backup::{Refusal, Request, Response};
use antiphon_store::{CopyHolder, Store};
use antiphon_vault::NodeKey;
use tokio::sync::Mutex;

use crate::api::{CopyFault, Error, HolderView, KeptFor, PeerView, SealedTo, SealedView};
use crate::audit::{self, Refused};
use crate::clock::{has_come, now};
use crate::event_loop::Engine;
use crate::handle::Handle;
use crate::inputs::Input;
use crate::team::TeamState;

pub(crate) use holder::QUOTA_BYTES;
use restore::Restorer;

/// How often the node looks whether a chosen member lacks something, in milliseconds.
const TEND_MS: u64 = 5_000;
/// How long a member that took nothing is left alone, in milliseconds.
const REFUSED_MS: u64 = 10 * 60 * 1_000;

/// What is known of the members that keep something. Whoever holds it seals and takes back alone.
pub(crate) type Sealing = Arc<Mutex<Keepers>>;

/// What is known of the members that keep something, or may.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    /// Until when those that took nothing are left alone.
    left_alone: BTreeMap<NodeId, UnixMillis>,
    /// Those that are connected and said what they keep of a former store, and gave it.
    asked: BTreeSet<NodeId>,
}

impl Keepers {
    /// Members that came since, or did not answer: they may keep something of a former store.
    fn unasked(&mut self, here: &[NodeId]) -> Vec<NodeId> {
        self.asked.retain(|node| here.contains(node));
        here.iter().filter(|node| !self.asked.contains(node)).copied().collect()
    }

    /// Notes who was asked. Who gave no answer is asked again; who answered, be it with a refusal, when it comes back.
    fn note_asked(&mut self, asked: Vec<NodeId>, unasked: &BTreeMap<NodeId, CopyFault>) {
        let again = |node: &NodeId| matches!(unasked.get(node), Some(CopyFault::NotConnected | CopyFault::Failed(_)));
        self.asked.extend(asked.into_iter().filter(|node| !again(node)));
    }
}

/// What the loop knows of sealed copies.
#[derive(Debug)]
pub(crate) struct Copies {
    /// Most bytes that are kept for one member.
    pub(crate) quota_bytes: u64,
    pub(crate) sealing: Sealing,
    /// When the node looks next.
    due: UnixMillis,
    /// Copies that are kept for those who are no members any more.
    strangers: Strangers,
}

impl Copies {
    pub(crate) fn new(quota_bytes: u64, sealing: Sealing) -> Self {
        Self { quota_bytes, sealing, due: UnixMillis(0), strangers: Strangers::default() }
    }
}

/// Whether what is kept for those who are no members any more was dropped. A disk that is full refuses that too, so it
/// counts when it is done and not when it is begun.
#[derive(Debug, Default)]
struct Strangers {
    /// The members as of the last look.
    members: Option<Arc<Membership>>,
    /// How often other members were seen.
    turn: u64,
    /// The last turn for which it was done.
    done: Arc<AtomicU64>,
}

impl Strangers {
    /// What is to be done by these members, if anything is.
    fn due(&mut self, members: &Arc<Membership>) -> Option<Dropping> {
        if !self.members.as_ref().is_some_and(|last| Arc::ptr_eq(last, members)) {
            self.members = Some(members.clone());
            self.turn += 1;
        }
        let (turn, done) = (self.turn, self.done.clone());
        (done.load(Ordering::Relaxed) < turn).then_some(Dropping { turn, done })
    }
}

/// A turn that is due.
#[derive(Debug)]
struct Dropping {
    turn: u64,
    done: Arc<AtomicU64>,
}

impl Dropping {
    fn done(self) {
        self.done.fetch_max(self.turn, Ordering::Relaxed);
    }
}

impl Engine {
    /// A member asks something about its sealed copy.
    pub(crate) fn answer_backup(&mut self, peer: NodeId, request: Vec<u8>, responder: Responder) {
        let member = self.team.check(&peer, now()).is_ok();
        let (store, inputs, quota) = (self.store.clone(), self.inputs.clone(), self.copies.quota_bytes);
        self.tasks.spawn(async move {
            let response = if member {
                holder::answer(&store, peer, &request, quota).await
            } else {
                Response::Refused(Refusal::NotAMember)
            };
            if let Response::Refused(refusal) = &response {
                let refused =
                    Refused { kind: audit::COPY, node: Some(peer), reason: refusal.name(), detail: String::new() };
                // Only a stopping node does not want to know.
                let _ = inputs.send(Input::Refused(refused)).await;
            }
            if let Err(error) = responder.respond(response.encode()).await {
                tracing::debug!(%peer, %error, "an answer about a sealed copy was not wanted any more");
            }
        });
    }

    /// Leaves with chosen members what they lack, and drops what is kept for those who are no members any more.
    pub(crate) fn tend_copies(&mut self, at: UnixMillis) {
        if !has_come(self.copies.due, at, TEND_MS) {
            return;
        }
        self.copies.due = at.after(TEND_MS);
        let dropping = self.copies.strangers.due(&self.team.membership);
        let here: Vec<NodeId> = self.sessions.keys().copied().collect();
        let (store, net, key) = (self.store.clone(), self.net.clone(), self.key.clone());
        // If there is none, a person or the last look is still at it.
        let alone = self.copies.sealing.clone().try_lock_owned();
        let own = (self.team.own.team, self.team.own.store);
        self.tasks.spawn(async move {
            if let Some(dropping) = dropping {
                drop_copies(&store, dropping).await;
            }
            let Ok(mut keepers) = alone else { return };
            let restorer = Restorer { store: &store, net: &net, key: &key, team: own.0, own: own.1 };
            // Also where this database follows none by its own beginning: whoever gave its member the place back after a disk
            // was lost may have known of no former one.
            let unasked = keepers.unasked(&here);
            let done = match take_back(&restorer, unasked, &mut keepers).await {
                Ok(()) => tend(&store, &net, &key, &here, &mut keepers.left_alone).await,
                failed => failed,
            };
            if let Err(error) = done {
                tracing::error!(%error, "sealed copies could not be brought up to date");
            }
        });
    }
}

/// Takes back what members keep who were away during the recovery.
async fn take_back(restorer: &Restorer<'_>, from: Vec<NodeId>, keepers: &mut Keepers) -> Result<(), Error> {
    let restored = restorer.run(&from).await?;
    keepers.note_asked(from, &restored.unasked);
    if restored.events > 0 {
        tracing::info!(events = restored.events, "private facts came back out of sealed copies");
    }
    choose_again(restorer.store, restored.holders.into_iter().collect()).await;
    Ok(())
}

async fn drop_copies(store: &Store, dropping: Dropping) {
    match store.write(|db| db.drop_copies_of_strangers()).await {
        Ok(gone) => {
            dropping.done();
            for owner in gone {
                tracing::info!(peer = %owner, "it is no member any more; its sealed copies are dropped");
            }
        }
        Err(error) => tracing::error!(%error, "sealed copies of former members could not be dropped yet"),
    }
}

async fn tend(
    store: &Store,
    net: &NetHandle,
    key: &NodeKey,
    here: &[NodeId],
    left_alone: &mut BTreeMap<NodeId, UnixMillis>,
) -> Result<(), Error> {
    let read = store.read(|reader| Ok((reader.copy_holders()?, reader.own_local_logs()?, reader.must_reseal()?)));
    let (holders, logs, stale) = read.await?;
    let at = now();
    left_alone.retain(|_, until| !has_come(*until, at, REFUSED_MS));
    for holder in holders {
        let lacks = logs.iter().any(|(store, head)| holder.confirmed.get(store).is_none_or(|seq| seq < head));
        if !(lacks || stale.contains(&holder.node))
            || !here.contains(&holder.node)
            || left_alone.contains_key(&holder.node)
        {
            continue;
        }
        let left = owner::leave_with(store, net, key, holder.node).await?;
        if let Some(fault) = left.fault {
            tracing::warn!(peer = %holder.node, %fault, "a sealed copy could not be left");
            left_alone.insert(holder.node, at.after(REFUSED_MS));
        }
    }
    Ok(())
}

impl Handle {
    /// Leaves a sealed copy of the local stream with the members that `with` names, or with all other members, and has
    /// it kept up to date from now on. Without either, those that were chosen before get what they lack now.
    ///
    /// # Errors
    /// [`Error::NoHolder`] when nobody was ever chosen, [`Error::TooManyHolders`], [`Error::PeerNotFound`],
    /// [`Error::PeerAmbiguous`], [`Error::NotAMember`]. What one member says against it stands in the answer.
    pub async fn seal_backup(&self, with: &[String], all: bool) -> Result<Vec<SealedTo>, Error> {
        let (team, peers) = (self.team().await?, self.peers().await?);
        let named = self.holders_named(&team, with, all).await?;
        let chosen = owner::choose(&self.shared.store, named.clone()).await?;
        let targets = match named.is_empty() {
            true => chosen.into_iter().map(|holder| holder.node).collect(),
            false => named,
        };
        if targets.is_empty() {
            return Err(Error::NoHolder);
        }
        let logs = self.shared.store.read(|reader| reader.own_local_logs()).await?;
        let mut keepers = self.shared.sealing.lock().await;
        let mut sealed = Vec::new();
        for peer_id in targets {
            keepers.left_alone.remove(&peer_id);
            let member = team.membership.member(&peer_id).is_some();
            let left = match member {
                true => owner::leave_with(&self.shared.store, &self.shared.net, &self.shared.key, peer_id).await?,
                false => owner::Left { fault: Some(CopyFault::Refused(Refusal::NotAMember)), ..owner::Left::default() },
            };
            let events = left.confirmed.values().sum();
            let total: u64 = logs.values().sum();
            let name = name_of(&team, &peers, &peer_id);
            let (parts, bytes, fault) = (left.parts, left.bytes, left.fault);
            let missing = total.saturating_sub(events);
            sealed.push(SealedTo { peer_id, name, parts, bytes, events, missing, fault });
        }
        Ok(sealed)
    }

    async fn holders_named(&self, team: &TeamState, with: &[String], all: bool) -> Result<Vec<NodeId>, Error> {
        let mut named = Vec::new();
        if all {
            named.extend(team.membership.members().map(|(node, _)| *node).filter(|node| *node != team.own.node));
        }
        for text in with {
            let node = self.resolve_peer(text).await?;
            if team.membership.member(&node).is_none() {
                return Err(Error::NotAMember(node));
            }
            if !named.contains(&node) {
                named.push(node);
            }
        }
        Ok(named)
    }

    /// Asks a member to forget the sealed copy it keeps, and leaves none with it any more; returns how many parts it had.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`]; [`Error::CopyFault`] when it could not be asked: it is not
    /// chosen any more then, but keeps what it has.
    pub async fn unseal_backup(&self, peer: &str) -> Result<(NodeId, u64), Error> {
        let node = self.resolve_peer(peer).await?;
        let sealing = self.shared.sealing.lock().await;
        let kept = self.shared.store.write(move |db| {
            let mut holders = db.reader().copy_holders()?;
            holders.retain(|holder| holder.node != node);
            db.keep_copy_holders(&holders)
        });
        kept.await?;
        let asked = owner::ask(&self.shared.net, node, &Request::Drop).await;
        drop(sealing);
        match asked {
            Ok(Response::Dropped(parts)) => Ok((node, parts)),
            Ok(_) => Err(Error::CopyFault { peer: node, fault: CopyFault::Malformed }),
            Err(fault) => Err(Error::CopyFault { peer: node, fault }),
        }
    }

    /// Who keeps sealed copies of this node's local stream, and for whom it keeps some.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn sealed_copies(&self) -> Result<SealedView, Error> {
        let (team, peers) = (self.team().await?, self.peers().await?);
        let read = self.shared.store.read(|reader| {
            let (holders, owners) = (reader.copy_holders()?, reader.copy_owners()?);
            Ok((holders, owners, reader.own_local_logs()?, reader.facts_by_stream()?.local))
        });
        let (holders, owners, logs, private_facts) = read.await?;
        let events = logs.values().sum();
        let holder = |holder: CopyHolder| {
            let kept = |(store, head): (_, &u64)| holder.confirmed.get(store).map_or(0, |seq| (*seq).min(*head));
            let held: u64 = logs.iter().map(kept).sum();
            HolderView {
                peer_id: holder.node,
                name: name_of(&team, &peers, &holder.node),
                member: team.membership.member(&holder.node).is_some(),
                events: held,
                missing: events - held,
                confirmed_at: holder.confirmed_at,
                refused: holder.refused,
            }
        };
        let kept = |owner: antiphon_store::CopyOwner| KeptFor {
            peer_id: owner.node,
            name: name_of(&team, &peers, &owner.node),
            parts: owner.parts,
            bytes: owner.bytes,
            updated_at: owner.updated_at,
        };
        Ok(SealedView {
            private_facts,
            events,
            holders: holders.into_iter().map(holder).collect(),
            kept: owners.into_iter().map(kept).collect(),
            quota_bytes: self.shared.quota_bytes,
        })
    }
}

/// What people call a node: as it calls itself, else as its grant does.
pub(crate) fn name_of(team: &TeamState, peers: &[PeerView], node: &NodeId) -> String {
    let peer = peers.iter().find(|peer| peer.peer_id == *node).map(|peer| peer.name.clone());
    let granted = || team.membership.member(node).map(|member| member.grant.name.clone());
    peer.filter(|name| !name.is_empty()).or_else(granted).unwrap_or_default()
}

/// Members that restored something are chosen from now on, as far as there is room: they were before the loss.
pub(crate) async fn choose_again(store: &Store, nodes: Vec<NodeId>) {
    for node in nodes {
        if let Err(error) = owner::choose(store, vec![node]).await {
            tracing::warn!(peer = %node, %error, "a holder of sealed copies is not chosen again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::charter::{Charter, Founders};
    use antiphon_protocol::reason::Reason;

    #[test]
    fn what_could_not_be_dropped_is_dropped_later_and_what_was_is_left_alone() {
        let members = || Charter::new(&Founders::one(NodeId([1; 32])), []).shared_membership();
        let (before, after) = (members(), members());
        let mut strangers = Strangers::default();
        let failed = strangers.due(&before);
        assert!(failed.is_some());
        let slow = strangers.due(&before).unwrap();
        let latest = strangers.due(&after).unwrap();
        // What was begun for others says nothing about these.
        slow.done();
        assert!(strangers.due(&after).is_some());
        latest.done();
        assert!(strangers.due(&after).is_none());
        assert!(strangers.due(&members()).is_some());
    }

    #[test]
    fn who_did_not_answer_is_asked_again_and_who_did_when_it_comes_back() {
        let [alice, bob, carol] = [1, 2, 3].map(|byte| NodeId([byte; 32]));
        let mut keepers = Keepers::default();
        let here = vec![alice, bob, carol];
        assert_eq!(keepers.unasked(&here), here);
        let silent = BTreeMap::from([
            (alice, CopyFault::Refused(Refusal::NotAMember)),
            (bob, CopyFault::Failed(Reason::NetworkTimeout)),
        ]);
        keepers.note_asked(here.clone(), &silent);
        assert_eq!(keepers.unasked(&here), [bob]);
        assert_eq!(keepers.unasked(&[bob]), [bob]);
        keepers.note_asked(vec![bob], &BTreeMap::new());
        assert_eq!(keepers.unasked(&here), [alice, carol], "they were away meanwhile");
    }
}
