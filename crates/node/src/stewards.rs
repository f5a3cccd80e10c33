//! What a steward does: granting, removing, re-keying, appointing, adding genes.
//!
//! Each of these reads the charter and writes what follows from it in one job of the database's writer, so nothing
//! comes in between.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::charter::{
    Approve, Change, Cut, GeneAdd, Grant, Pending, ROLE_KEYS_MAX, Record, Revoke, RoleKey, StewardChange,
};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::{NodeClock, Stream};
use antiphon_store::{Authored, Db, Draft, Store};
use antiphon_vault::{NodeKey, random};
use tokio::time::{Instant, sleep};

use crate::api::Error;
use crate::clock::now;
use crate::event_loop::Engine;
use crate::handle::Handle;
use crate::inputs::Command;
use crate::peers::Peer;
use crate::rekey::KeyMaker;
use crate::team::TeamState;
use crate::team_view::{ChangeView, RevokedView};

/// Longest wait for what reachable members hold of a member that is removed, in milliseconds.
const COLLECT_MS: u64 = 3_000;
/// Wait between two looks at that, in milliseconds.
const COLLECT_STEP_MS: u64 = 50;
/// Most bytes of role keys in one revocation; the others follow in records of their own.
const ROLE_KEYS_BYTES_MAX: usize = 384 * 1024;

/// The team and the key, as a job of the writer sees them.
pub(crate) struct CharterJob<'a> {
    pub(crate) db: &'a mut Db,
    pub(crate) team: TeamState,
    key: &'a NodeKey,
}

impl CharterJob<'_> {
    pub(crate) fn maker(&self) -> KeyMaker<'_> {
        KeyMaker { local: &self.team.local, roles: &self.team.roles, key: self.key, now: now() }
    }

    /// Writes records; all of them or, at the first that is refused, none after it.
    pub(crate) fn write(&mut self, records: Vec<Record>) -> Result<Vec<Authored>, Error> {
        let drafts: Vec<Draft> = records.into_iter().map(Draft::Record).collect();
        let written = self.db.author(&drafts, now(), random::bytes()?)?;
        self.team = TeamState::read(&self.db.reader(), "")?;
        written.into_iter().map(|one| one.map_err(Error::from)).collect()
    }

    /// Writes one record of several and tells what became of it.
    fn change(&mut self, before: Vec<RoleKey>, record: Record) -> Result<ChangeView, Error> {
        let at = before.len();
        let records = before.into_iter().map(Record::RoleKey).chain([record]).collect();
        let written = self.write(records)?;
        let authored = written.get(at).ok_or(Error::Stopped)?;
        let event = self.db.reader().event_at(authored.log, authored.seq)?.ok_or(Error::Stopped)?;
        Ok(self.became(event.hash()))
    }

    /// Agrees to the very change, if it waits already; two records of one change would need two consents. To one whose
    /// author did not know this node as a steward it cannot agree.
    fn agree(&mut self, change: Change, node: NodeId) -> Result<Option<ChangeView>, Error> {
        let own = self.team.own.node;
        let same = |pending: &&Pending| pending.change == change && pending.node == node;
        let waiting: Vec<&Pending> = self.team.membership.pending().iter().filter(same).collect();
        let asked = waiting.iter().find(|pending| pending.awaited.contains(&own)).map(|pending| pending.record);
        let signed = waiting.iter().find(|pending| pending.signers.contains(&own)).map(|pending| pending.record);
        if let Some(record) = asked {
            self.write(vec![Record::Approve(Approve { record })])?;
        }
        Ok(asked.or(signed).map(|record| self.became(record)))
    }

    fn became(&self, record: Hash) -> ChangeView {
        let pending = self.team.membership.pending().iter().find(|pending| pending.record == record);
        ChangeView {
            record,
            effective: pending.is_none(),
            signers: pending.map_or_else(|| vec![self.team.own.node], |pending| pending.signers.clone()),
            needed: pending.map_or(1, |pending| pending.needed),
        }
    }

    /// A new grant for a member, with the keys it needs.
    fn regrant(&mut self, node: NodeId, change: impl FnOnce(&mut Grant)) -> Result<(), Error> {
        let member = self.team.membership.member(&node).ok_or(Error::NotAMember(node))?;
        let (mut grant, steward) = (member.grant.clone(), member.steward);
        change(&mut grant);
        let (made, grant) = self.maker().grant(grant, steward)?;
        let records = made.into_iter().map(Record::RoleKey).chain([Record::Grant(grant)]);
        self.write(records.collect()).map(drop)
    }

    /// What follows once a change of stewards has effect: a new one gets every key, a former one loses those of roles
    /// that it does not have.
    fn settle_change(&mut self, change: Change, node: NodeId) -> Result<(), Error> {
        match (change, self.team.membership.member(&node)) {
            (Change::Add, Some(_)) => self.regrant(node, |_| {}),
            (Change::Remove, Some(member)) => {
                let roles = member.grant.roles.clone();
                let keys = self.maker().lost(node, &roles, false)?;
                self.write(keys.into_iter().map(Record::RoleKey).collect()).map(drop)
            }
            // Keys that were made after the removal was written, or did not fit into it.
            (Change::Revoke, _) => self.mend_keys(),
            _ => Ok(()),
        }
    }

    /// Makes the keys that roles lack.
    fn mend_keys(&mut self) -> Result<(), Error> {
        let keys = self.maker().missing()?;
        self.write(keys.into_iter().map(Record::RoleKey).collect()).map(drop)
    }
}

/// Makes the keys that roles of the team lack, if this node is a steward.
pub(crate) async fn mend_keys(store: &Store, key: Arc<NodeKey>) -> Result<(), Error> {
    let mended = store.write(move |db| {
        let team = TeamState::read(&db.reader(), "")?;
        let steward = team.need_steward().is_ok();
        Ok(if steward { CharterJob { db, team, key: &key }.mend_keys() } else { Ok(()) })
    });
    mended.await?
}

impl Handle {
    /// Runs `work` inside the database's writer, as a steward. What it changed holds here when this returns.
    pub(crate) async fn as_steward<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut CharterJob<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let key: Arc<NodeKey> = self.shared.key.clone();
        let done = self.shared.store.write(move |db| {
            let team = TeamState::read(&db.reader(), "")?;
            if let Err(error) = team.need_steward() {
                return Ok(Err(error));
            }
            Ok(work(&mut CharterJob { db, team, key: &key }))
        });
        let done = done.await??;
        self.ask(Command::CatchUp).await?;
        Ok(done)
    }

    /// Removes a member for good. `peer` is its name, its id or the beginning of it. What reachable members hold of it
    /// is waited for, so that nothing honest is cut off; not where somebody else may have the key.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn revoke(&self, peer: &str, reason: &str, compromised: bool) -> Result<RevokedView, Error> {
        self.team().await?.need_steward()?;
        let node = self.resolve_member(peer).await?;
        let behind = if compromised { Vec::new() } else { self.collect(&node).await? };
        let reason = reason.to_owned();
        self.as_steward(move |job| {
            // A key in wrong hands is a reason of its own, and counts for more than the record that waits.
            if !compromised && let Some(change) = job.agree(Change::Revoke, node)? {
                if change.effective {
                    job.settle_change(Change::Revoke, node)?;
                }
                return Ok(RevokedView { node, change, roles: Vec::new(), behind });
            }
            let cuts = held_cuts(job, &node)?;
            let (role_keys, later) = fitting(job.maker().without(node)?);
            let roles = role_keys.iter().chain(&later).map(|key| key.role.clone()).collect();
            let revoke = Revoke { node, reason, compromised, cuts, role_keys };
            let change = job.change(Vec::new(), Record::Revoke(revoke))?;
            if change.effective {
                job.write(later.into_iter().map(Record::RoleKey).collect())?;
            }
            Ok(RevokedView { node, change, roles, behind })
        })
        .await
    }

    /// Waits until this node holds what connected members said they hold of a member's logs; returns the names of those
    /// whose events did not come in time.
    async fn collect(&self, node: &NodeId) -> Result<Vec<String>, Error> {
        let until = Instant::now() + Duration::from_millis(COLLECT_MS);
        loop {
            let node = *node;
            let behind = self.ask(|reply| Command::WhoIsAhead { node, reply }).await?;
            if behind.is_empty() || Instant::now() >= until {
                return Ok(behind);
            }
            sleep(Duration::from_millis(COLLECT_STEP_MS)).await;
        }
    }

    /// Takes in what this node holds of a removed member beyond the cut of its removal.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::NotRevoked`].
    pub async fn adopt(&self, peer: &str) -> Result<RevokedView, Error> {
        let node = self.resolve_member(peer).await?;
        self.as_steward(move |job| {
            if !job.team.membership.is_revoked(&node) {
                return Err(Error::NotRevoked(node));
            }
            let cuts = held_cuts(job, &node)?;
            let reason = "what was held is adopted".to_owned();
            let revoke = Revoke { node, reason, compromised: false, cuts, role_keys: Vec::new() };
            let change = job.change(Vec::new(), Record::Revoke(revoke))?;
            Ok(RevokedView { node, change, roles: Vec::new(), behind: Vec::new() })
        })
        .await
    }

    /// Renews a member's grant for `life_ms` milliseconds from now, with the keys it may have missed.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::PeerNotFound`].
    pub async fn renew(&self, peer: &str, life_ms: u64) -> Result<NodeId, Error> {
        let node = self.resolve_member(peer).await?;
        self.as_steward(move |job| {
            job.regrant(node, |grant| grant.not_after = now().after(life_ms))?;
            Ok(node)
        })
        .await
    }

    /// Gives a member other roles. Roles that it loses get new keys.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::UnknownRole`], [`Error::PeerNotFound`].
    pub async fn set_roles(&self, peer: &str, roles: Vec<String>) -> Result<NodeId, Error> {
        let node = self.resolve_member(peer).await?;
        self.as_steward(move |job| {
            for role in &roles {
                job.team.need_role(role)?;
            }
            let steward = job.team.membership.is_steward(&node);
            let lost = job.maker().lost(node, &roles, steward)?;
            job.regrant(node, |grant| grant.roles = roles)?;
            job.write(lost.into_iter().map(Record::RoleKey).collect())?;
            Ok(node)
        })
        .await
    }

    /// Makes a new key of a role. A `fresh` one does not open what was sealed before.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::UnknownRole`].
    pub async fn rotate_role(&self, role: &str, fresh: bool) -> Result<Hash, Error> {
        let role = role.to_owned();
        self.as_steward(move |job| {
            job.team.need_role(&role)?;
            let key = job.maker().make(&role, &[], None, fresh)?;
            Ok(job.change(Vec::new(), Record::RoleKey(key))?.record)
        })
        .await
    }

    /// Makes a member a steward, or ends that. It has effect once enough stewards agree.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::PeerNotFound`], [`Error::NoChange`] when it is so already.
    pub async fn change_steward(&self, peer: &str, add: bool) -> Result<(NodeId, ChangeView), Error> {
        let node = self.resolve_member(peer).await?;
        self.as_steward(move |job| {
            if job.team.membership.is_steward(&node) == add {
                return Err(Error::NoChange { node, steward: add });
            }
            if add && job.team.membership.member(&node).is_none() {
                return Err(Error::NotAMember(node));
            }
            let change = if add { Change::Add } else { Change::Remove };
            let view = match job.agree(change, node)? {
                Some(view) => view,
                None => job.change(Vec::new(), Record::StewardChange(StewardChange { node, add }))?,
            };
            if view.effective {
                job.settle_change(change, node)?;
            }
            Ok((node, view))
        })
        .await
    }

    /// Agrees to a change of stewards that waits. `text` is the beginning of its record's hash.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::NothingToApprove`], [`Error::NotAsked`].
    pub async fn approve(&self, text: &str) -> Result<(NodeId, ChangeView), Error> {
        let text = text.to_owned();
        self.as_steward(move |job| {
            let waiting = job.team.membership.pending().iter();
            let named: Vec<_> =
                waiting.filter(|pending| pending.record.to_string().starts_with(&text)).cloned().collect();
            let [pending] = named.as_slice() else { return Err(Error::NothingToApprove(text)) };
            let own = job.team.own.node;
            if pending.awaited.contains(&own) {
                job.write(vec![Record::Approve(Approve { record: pending.record })])?;
            } else if !pending.signers.contains(&own) {
                return Err(Error::NotAsked(pending.record));
            }
            let view = job.became(pending.record);
            if view.effective {
                job.settle_change(pending.change, pending.node)?;
            }
            Ok((pending.node, view))
        })
        .await
    }

    /// Adds a gene. Genes can neither be changed nor removed.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::Refused`] with what is wrong with the gene.
    pub async fn add_gene(&self, id: &str, text: &str) -> Result<Hash, Error> {
        let gene = GeneAdd { id: id.to_owned(), text: text.to_owned() };
        self.as_steward(move |job| {
            job.write(vec![Record::GeneAdd(gene)])?;
            Ok(job.team.genome.hash())
        })
        .await
    }
}

impl Engine {
    /// Names of connected members that said they hold more of the logs of `node` than this node does.
    pub(crate) fn who_is_ahead(&self, node: &NodeId) -> Vec<String> {
        let logs = self.held.clock.iter().filter(|(log, _)| self.held.keys.get(&log.store) == Some(node));
        let logs: Vec<_> = logs.collect();
        let ahead = |peer: &Peer| {
            let holds = peer.holds.as_ref().filter(|_| peer.connected);
            let more = |holds: &NodeClock| {
                logs.iter().any(|(log, head)| holds.get(log).is_some_and(|held| held.seq > head.seq))
            };
            holds.is_some_and(more)
        };
        let ahead = self.peers.iter().filter(|(_, peer)| ahead(peer));
        ahead.map(|(key, peer)| if peer.name.is_empty() { key.short() } else { peer.name.clone() }).collect()
    }
}

/// A cut of every shared log of a key at what is held.
fn held_cuts(job: &CharterJob<'_>, node: &NodeId) -> Result<Vec<Cut>, Error> {
    let logs = job.db.reader().logs()?.into_iter();
    let theirs = logs.filter(|log| log.node == *node && log.log.stream == Stream::Shared);
    Ok(theirs.map(|log| Cut { log: log.log, head: log.head }).collect())
}

/// The role keys that fit into a revocation, and those that must follow it.
fn fitting(keys: Vec<RoleKey>) -> (Vec<RoleKey>, Vec<RoleKey>) {
    let (mut room, mut places) = (ROLE_KEYS_BYTES_MAX, ROLE_KEYS_MAX);
    keys.into_iter().partition(|key| {
        let bytes = 256 + key.wraps.iter().map(|wrap| wrap.sealed.len() + 48).sum::<usize>();
        let fits = bytes <= room && places > 0;
        if fits {
            (room, places) = (room - bytes, places - 1);
        }
        fits
    })
}

#[cfg(test)]
mod tests {
    use antiphon_core::charter::Wrap;

    use super::*;

    fn keys(count: usize, wrap_bytes: usize) -> Vec<RoleKey> {
        let wraps = vec![Wrap { node: NodeId([1; 32]), sealed: vec![0; wrap_bytes] }];
        let key = |n| RoleKey { role: format!("r{n}"), recipient: String::new(), wraps: wraps.clone(), previous: None };
        (0..count).map(key).collect()
    }

    #[test]
    fn a_revocation_brings_as_many_keys_as_may_be_read_back_and_the_others_follow() {
        let sizes = |keys| {
            let (now, later) = fitting(keys);
            (now.len(), later.len())
        };
        assert_eq!(sizes(keys(ROLE_KEYS_MAX + 5, 200)), (ROLE_KEYS_MAX, 5));
        assert_eq!(sizes(keys(5, ROLE_KEYS_BYTES_MAX / 2 - 400)), (2, 3));
        assert_eq!(sizes(keys(3, 200)), (3, 0));
    }
}
