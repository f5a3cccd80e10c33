//! Who is there, and what members say of the room that they offer.
//!
//! In a team such an announcement waits in the outbox until it is delivered. Here it is said again until it was heard.

use std::collections::BTreeMap;

use antiphon_core::announce::{StorageConfig, follows};
use antiphon_core::time::UnixMillis;
use antiphon_core::trust::Trust;
use antiphon_protocol::replication::manager::{Input, Member};

use crate::failure::{Broken, Law, Step};
use crate::network::{Body, Packet};
use crate::world::World;

/// Says that a message is an announcement, or that one was heard.
const SAYS: u64 = 1;
const HEARD: u64 = 2;

/// What a member says of its room, and what others said of theirs.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) quota_bytes: u64,
    pub(super) offers: bool,
    /// What others said last.
    pub(super) said: BTreeMap<usize, StorageConfig>,
    /// What each of the others has heard.
    heard: BTreeMap<usize, (bool, u64, u64)>,
}

impl Room {
    pub(super) fn new(quota_bytes: u64, offers: bool) -> Self {
        Self { quota_bytes, offers, said: BTreeMap::new(), heard: BTreeMap::new() }
    }

    /// An older disk knows nothing of what was heard.
    pub(super) fn forget_heard(&mut self) {
        self.heard.clear();
    }
}

impl World {
    /// Whether a member is connected to another one and has let it in.
    pub(super) fn is_connected_to(&self, node: usize, peer: usize) -> bool {
        let id = self.nodes[peer].id;
        let Some(up) = self.nodes[node].up.as_ref() else { return false };
        let let_in = up.peers.get(&id).is_some_and(|known| known.gate && known.trust == Trust::Verified);
        let_in && up.sessions.contains_key(&peer)
    }

    /// Those whom a member is connected to.
    pub(super) fn connected_to(&self, node: usize) -> Vec<usize> {
        (0..self.plan.nodes).filter(|peer| *peer != node && self.is_connected_to(node, *peer)).collect()
    }

    /// Bytes that a member keeps for others.
    pub(super) fn used_bytes(&self, node: usize) -> Step<u64> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(0) };
        Ok(up.db.reader().held_for_others()?)
    }

    /// Bytes that a member has free for others.
    pub(super) fn free_bytes(&self, node: usize) -> Step<u64> {
        let Some(room) = self.contents.rooms.get(&node).filter(|room| room.offers) else { return Ok(0) };
        Ok(room.quota_bytes.saturating_sub(self.used_bytes(node)?))
    }

    /// Tells the machine what changed of the members, and the members what changed of the room.
    pub(super) fn meet(&mut self, node: usize) -> Step {
        let used = self.used_bytes(node)?;
        let members = self.members_of(node, used);
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        if shelf.members != members {
            shelf.members.clone_from(&members);
            self.manage(node, Input::Members(members))?;
        }
        self.announce_room(node, used);
        Ok(())
    }

    fn members_of(&mut self, node: usize, used: u64) -> Vec<Member> {
        let now = self.nodes[node].clock(self.at);
        let Some(team) = self.in_acme(node) else { return Vec::new() };
        let membership = team.membership.clone();
        let granted = membership.members().map(|(id, _)| *id).filter(|id| membership.check(id, now).is_ok());
        let mut members = Vec::new();
        for id in granted {
            let Some(peer) = self.member_number(&id) else { continue };
            let Some(room) = self.contents.rooms.get(&node) else { continue };
            if peer == node {
                let free_bytes = Some(if room.offers { room.quota_bytes.saturating_sub(used) } else { 0 });
                let (offers, away_since) = (room.offers, UnixMillis(0));
                members.push(Member { node: id, offers, free_bytes, connected: true, away_since });
                continue;
            }
            let said = room.said.get(&peer).copied();
            let connected = self.is_connected_to(node, peer);
            let Some(shelf) = self.shelf(node) else { return Vec::new() };
            let away_since = match shelf.presence.get(&peer) {
                Some((false, since)) if !connected => *since,
                _ => now,
            };
            shelf.presence.insert(peer, (connected, away_since));
            members.push(Member {
                node: id,
                offers: said.is_some_and(|said| said.offers),
                free_bytes: Some(said.map_or(0, |said| said.free_bytes())),
                connected,
                away_since: if connected { UnixMillis(0) } else { away_since },
            });
        }
        members
    }

    /// Says to who is connected how much room there is, unless it has heard that.
    fn announce_room(&mut self, node: usize, used: u64) {
        let (at, peers) = (self.nodes[node].clock(self.at), self.connected_to(node));
        let Some(room) = self.contents.rooms.get(&node) else { return };
        let (offers, quota) = (room.offers, room.quota_bytes);
        let unheard = |peer: &usize| room.heard.get(peer) != Some(&(offers, quota, used));
        let peers: Vec<usize> = peers.into_iter().filter(unheard).collect();
        let bytes = StorageConfig { at, offers, quota_bytes: quota, used_bytes: used }.encode();
        for to in peers {
            let body = Body::Response { id: SAYS, bytes: bytes.clone() };
            let sent = self.contents.lanes.send(self.at, Packet { from: node, to, body });
            self.deliver_lanes(sent);
        }
    }

    /// Somebody says how much room it has, or that it has heard so.
    pub(super) fn hear_of_room(&mut self, node: usize, from: usize, id: u64, bytes: &[u8]) -> Step {
        let said = StorageConfig::decode(bytes);
        let said =
            said.map_err(|error| Broken(Law::BoundsHold, format!("n{node} cannot read an announcement: {error}")))?;
        let peer = self.nodes[from].id;
        let known = self.nodes[node].up.as_ref().and_then(|up| up.peers.get(&peer)).is_some_and(|known| known.gate);
        let now = self.nodes[node].clock(self.at);
        let Some(room) = self.contents.rooms.get_mut(&node) else { return Ok(()) };
        if id == HEARD {
            room.heard.insert(from, (said.offers, said.quota_bytes, said.used_bytes));
            return Ok(());
        }
        if !known {
            return Ok(());
        }
        if room.said.get(&from).is_none_or(|kept| follows(said.at, kept.at, now)) {
            room.said.insert(from, said);
        }
        let body = Body::Response { id: HEARD, bytes: bytes.to_vec() };
        let sent = self.contents.lanes.send(self.at, Packet { from: node, to: from, body });
        self.deliver_lanes(sent);
        Ok(())
    }
}
