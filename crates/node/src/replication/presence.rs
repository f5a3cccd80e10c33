//! Who could hold copies: the members, how much room they offer, and whether they are here.
//!
//! The event loop shows it, and whoever cares for copies follows. A member that is away counts from the moment when it
//! went. After a start nobody knows how long the others were away, and a machine that was switched off for a night must
//! not begin its day by replacing everybody: whoever is not there yet counts as gone since the start.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use tokio::sync::watch;

use crate::clock::now;
use crate::event_loop::Engine;

/// One member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Here {
    /// Whether it takes what others want to store.
    pub(crate) offers: bool,
    /// How much it has room for, in bytes, as it said last.
    pub(crate) free_bytes: u64,
    /// Whether it is connected and let in.
    pub(crate) connected: bool,
    /// Since when it is not.
    pub(crate) away_since: Option<UnixMillis>,
    /// When there was last a sign of it.
    pub(crate) last_seen: Option<UnixMillis>,
}

/// The members of the team, this node among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Presence {
    /// This node.
    pub(crate) own: Option<NodeId>,
    /// Every member.
    pub(crate) members: BTreeMap<NodeId, Here>,
    /// How much this node offers to others, in bytes; `None` if it offers no room.
    pub(crate) quota_bytes: Option<u64>,
}

/// Where the loop shows it.
pub(crate) type Shown = watch::Sender<Presence>;

impl Presence {
    /// Whether the same would be decided by both: when somebody was last seen changes all the time.
    fn is_same(&self, other: &Self) -> bool {
        let alike = |(one, here): (&NodeId, &Here), (other, there): (&NodeId, &Here)| {
            one == other && Here { last_seen: there.last_seen, ..*here } == *there
        };
        (self.own, self.quota_bytes) == (other.own, other.quota_bytes)
            && self.members.len() == other.members.len()
            && self.members.iter().zip(&other.members).all(|(one, other)| alike(one, other))
    }
}

impl Engine {
    /// Shows what has changed of the members.
    pub(crate) fn show_presence(&mut self) {
        let at = now();
        let _changed = self.presence.send_if_modified(|shown| {
            let fresh = self.presence_after(shown, at);
            let changed = !fresh.is_same(shown);
            *shown = fresh;
            changed
        });
    }

    fn presence_after(&self, shown: &Presence, at: UnixMillis) -> Presence {
        let own = self.team.own.node;
        let storage = self.storage;
        let mut members = BTreeMap::new();
        for (node, _) in self.team.membership.members().filter(|(node, _)| self.team.check(node, at).is_ok()) {
            if *node == own {
                let free_bytes = storage.quota_bytes.saturating_sub(storage.used_bytes);
                let here =
                    Here { offers: storage.offer, free_bytes, connected: true, away_since: None, last_seen: Some(at) };
                members.insert(own, here);
                continue;
            }
            let entry = self.peers.get(node);
            let connected = entry.is_some_and(|entry| entry.connected) && self.is_in(node);
            let before = shown.members.get(node);
            let away_since = match before {
                _ if connected => None,
                Some(here) if !here.connected => here.away_since,
                _ => Some(at),
            };
            let said = entry.and_then(|entry| entry.storage);
            let here = Here {
                offers: said.is_some_and(|said| said.offers),
                free_bytes: said.map_or(0, |said| said.free_bytes()),
                connected,
                away_since,
                last_seen: if connected { Some(at) } else { entry.and_then(|entry| entry.last_seen) },
            };
            members.insert(*node, here);
        }
        Presence { own: Some(own), members, quota_bytes: storage.offer.then_some(storage.quota_bytes) }
    }
}
