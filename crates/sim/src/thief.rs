//! A thief with the key of one steward of three, and what can be done with it alone.
//!
//! It removes the other stewards, lets its own keys in, adds genes, makes role keys that it can open without being
//! named, and looks for hashes that beat those of others. It can do so for as long as the others have not removed it.

use std::sync::Arc;

use antiphon_core::charter::{GeneAdd, Grant, Record, Revoke, StewardChange};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::Stream;
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_store::{Db, Draft};
use antiphon_vault::{NodeKey, Phrase};

use crate::agenda::Event;
use crate::disk;
use crate::failure::{Broken, Law, Step};
use crate::jobs::Job;
use crate::joining::LONG_LIFE_MS;
use crate::keyring::ROLES;
use crate::world::World;

/// Shortest and longest time between two acts of the thief, in milliseconds.
const AGAIN_MS: (u64, u64) = (1_000, 8_000);
/// Hashes that the thief tries for each record.
const GRINDS: usize = 3;

impl World {
    /// The thief does something.
    pub(crate) fn steal(&mut self) -> Step {
        let Some(thief) = self.plan.trust.thief.filter(|_| !self.calm) else { return Ok(()) };
        let again = self.at + self.trust_random.between(AGAIN_MS.0, AGAIN_MS.1);
        self.agenda.put(again, Event::Thief);
        let node = thief.node;
        let Some(membership) = self.membership(node).filter(|held| held.is_steward(&self.nodes[node].id)) else {
            return Ok(());
        };
        let draft = match self.trust_random.below(7) {
            0 | 1 => {
                let own = self.nodes[node].id;
                let others: Vec<NodeId> = membership.stewards().iter().filter(|id| **id != own).copied().collect();
                self.trust_random.pick(&others).map(|victim| self.coup(node, victim)).transpose()?.flatten()
            }
            2 | 3 => Some(self.let_eve_in(node)?),
            4 => {
                let (gene, text) = (self.trust_random.below(4), self.trust_random.next());
                let (id, text) = (format!("law.{gene}"), format!("eve says {text}"));
                Some(Draft::Record(Record::GeneAdd(GeneAdd { id, text })))
            }
            5 => {
                let (own, role) = (self.nodes[node].id, self.trust_random.pick(&ROLES).unwrap_or(ROLES[0]));
                let made = self.with_maker(node, |keys, maker| keys.make(maker, role, &[own], false))?;
                made.map(|key| Draft::Record(Record::RoleKey(key)))
            }
            _ => {
                let eve = self.model.eves.last().map(|eve| eve.node_id());
                eve.map(|node| Draft::Record(Record::StewardChange(StewardChange { node, add: true })))
            }
        };
        if let Some(draft) = draft {
            self.note(node, "thief", &[], || format!("{draft:.200?}"));
            self.tally.attempts += 1;
            self.give(node, Job::Author(vec![draft]));
        }
        Ok(())
    }

    /// Removes another steward, and makes keys that only the thief's friends can open.
    fn coup(&mut self, node: usize, victim: NodeId) -> Step<Option<Draft>> {
        let keys = self.with_maker(node, |keys, maker| {
            ROLES.into_iter().map(|role| keys.make(maker, role, &[victim], false)).collect::<Step<Vec<_>>>()
        })?;
        let revoke = |role_keys| {
            let reason = "it is mine now".to_owned();
            Draft::Revoke(Revoke { node: victim, reason, compromised: true, cuts: Vec::new(), role_keys })
        };
        Ok(keys.map(revoke))
    }

    /// Grants a place and all keys to a key of the thief's own making.
    fn let_eve_in(&mut self, node: usize) -> Step<Draft> {
        let broken = |error: String| Broken(Law::StoreWorks, error);
        let phrase = Phrase::from_entropy(&self.trust_random.bytes()).map_err(|error| broken(error.to_string()))?;
        let eve = Arc::new(NodeKey::from_phrase(&phrase).map_err(|error| broken(error.to_string()))?);
        let (id, recipient) = (eve.node_id(), eve.age_recipient());
        let not_after = self.nodes[node].clock(self.at).after(LONG_LIFE_MS);
        let roles: Vec<String> = ROLES.iter().map(|role| (*role).to_owned()).collect();
        let wraps = self.with_maker(node, |_, maker| maker.wraps(&recipient, &roles, false))?.unwrap_or_default();
        self.model.eves.push(eve);
        Ok(Draft::Grant(Grant { node: id, recipient, roles, not_after, wraps, name: "eve".to_owned() }))
    }

    /// Of some ways to write the same, the randomness that gives the lowest hash.
    pub(crate) fn grind(&mut self, node: usize, drafts: &[Draft], now: UnixMillis) -> Step<[u8; 32]> {
        let mut best: Option<(Hash, [u8; 32])> = None;
        for _ in 0..GRINDS {
            let random: [u8; 32] = self.trust_random.bytes();
            let copy = self.dir.path().join("grind");
            let Some(up) = self.nodes[node].up.as_ref() else { break };
            disk::copy(up.db.dir(), &copy)?;
            let signer: Arc<dyn Signer> = self.nodes[node].key.clone();
            let hash = {
                let mut db = Db::open(&copy, antiphon_store::Options { durable: false }, Some(signer))?;
                // A full disk is a reason to write nothing, which the real attempt will find out.
                let written = db.author(drafts, now, random).is_ok();
                let heads = db.reader().logs()?;
                let own =
                    heads.iter().find(|view| view.node == self.nodes[node].id && view.log.stream == Stream::Charter);
                own.filter(|_| written).map_or(Hash([255; 32]), |view| view.head.hash)
            };
            std::fs::remove_dir_all(&copy)?;
            best = best.min(Some((hash, random))).or(Some((hash, random)));
        }
        Ok(best.map_or([0; 32], |(_, random)| random))
    }
}
