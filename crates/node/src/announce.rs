//! What this node tells members about itself, and what they tell it.
//!
//! Whoever is let in is told; when a setting changes, whoever is connected is told again, and the others when they come.
//! What a member said last is kept with everything else that is known of it.

use antiphon_core::announce::{Announcement, FederationConfig, StorageConfig, follows};
use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Protocol;
use antiphon_protocol::outbox::{Item, Refusal};
use antiphon_store::{Effect, PeerMode};
use tokio::sync::oneshot;

use crate::api::StorageOffer;
use crate::clock::now;
use crate::config::StorageSettings;
use crate::event_loop::Engine;
use crate::outbox::effects::{Meaning, NOT_UNDERSTOOD, Then};

/// Something a handle asks about what is told.
#[derive(Debug)]
pub(crate) enum Ask {
    /// What this node stores for others.
    Storage(oneshot::Sender<StorageOffer>),
    /// A person set it otherwise.
    SetStorage { settings: StorageSettings, reply: oneshot::Sender<StorageOffer> },
    /// So much is stored for others now.
    Stored { bytes: u64 },
    /// Whether a peer gets the texts of some domains only.
    Filtered { peer: NodeId, filtered: bool },
}

/// What an item of a member means that tells about itself; `None` for an item of another kind.
pub(crate) fn meaning(protocol: Protocol, item: &Item) -> Option<Result<Meaning, Refusal>> {
    let read = Announcement::read(protocol, item.schema, item.subject, &item.body)?;
    let meaning = |announcement| Meaning { effect: Effect::Nothing, then: Some(Then::Announced(announcement)) };
    Some(read.map(meaning).map_err(|_| Refusal::named(NOT_UNDERSTOOD)))
}

impl Engine {
    pub(crate) fn on_announce(&mut self, ask: Ask) {
        // Whoever asked and has gone does not need the answer.
        match ask {
            Ask::Storage(reply) => drop(reply.send(self.storage)),
            Ask::SetStorage { settings, reply } => {
                let StorageSettings { offer, quota_bytes } = settings;
                tracing::info!(offer, quota_bytes, "what is stored for others");
                self.set_storage(StorageOffer { offer, quota_bytes, ..self.storage });
                let _ = reply.send(self.storage);
            }
            Ask::Stored { bytes } => self.set_storage(StorageOffer { used_bytes: bytes, ..self.storage }),
            Ask::Filtered { peer, filtered } => {
                if let Some(entry) = self.peers.get_mut(&peer) {
                    entry.filtered = filtered;
                }
                self.tell_federation(&[peer]);
            }
        }
    }

    fn set_storage(&mut self, offer: StorageOffer) {
        if offer == self.storage {
            return;
        }
        self.storage = offer;
        let announcement = self.own_storage();
        self.tell(self.are_here().into_iter().map(|peer| (peer, announcement.clone())).collect());
    }

    /// A peer was let in: it is told everything.
    pub(crate) fn tell_settings(&mut self, peer: NodeId) {
        self.tell(vec![(peer, self.own_storage()), (peer, self.own_federation(&peer))]);
    }

    /// What is shared changed: whoever is connected is told.
    pub(crate) fn tell_all_federation(&mut self) {
        self.tell_federation(&self.are_here());
    }

    /// What is shared with these peers changed. Those that are away are told when they come.
    pub(crate) fn tell_federation(&mut self, peers: &[NodeId]) {
        let here = |peer: &&NodeId| self.peers.get(peer).is_some_and(|entry| entry.connected);
        self.tell(peers.iter().filter(here).map(|peer| (*peer, self.own_federation(peer))).collect());
    }

    fn are_here(&self) -> Vec<NodeId> {
        self.let_in().into_iter().filter(|peer| self.peers.get(peer).is_some_and(|entry| entry.connected)).collect()
    }

    fn tell(&mut self, what: Vec<(NodeId, Announcement)>) {
        let members = &self.team.membership;
        let items = what.iter().filter(|(peer, _)| members.member(peer).is_some());
        let items = items.map(|(peer, announcement)| announcement.item(*peer)).collect();
        self.put_items(items);
    }

    fn own_storage(&self) -> Announcement {
        let StorageOffer { offer, quota_bytes, used_bytes } = self.storage;
        Announcement::Storage(StorageConfig { at: now(), offers: offer, quota_bytes, used_bytes })
    }

    fn own_federation(&self, peer: &NodeId) -> Announcement {
        let entry = self.peers.get(peer);
        Announcement::Federation(FederationConfig {
            at: now(),
            sends: self.mode.sends(),
            takes: self.mode.takes(),
            paused: entry.is_some_and(|entry| entry.mode == PeerMode::Paused),
            up_to: self.team.constitution.sharing.up_to,
            all_domains: !entry.is_some_and(|entry| entry.filtered),
            agent: self.agent_version.clone(),
        })
    }

    /// A member told something about itself. What its clock says is older than what is kept changes nothing.
    pub(crate) fn announced(&mut self, peer: NodeId, announcement: Announcement) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let at = now();
        match announcement {
            Announcement::Storage(config) => {
                if entry.storage.is_none_or(|kept| follows(config.at, kept.at, at)) {
                    entry.storage = Some(config);
                }
            }
            Announcement::Federation(config) => {
                if entry.federation.as_ref().is_none_or(|kept| follows(config.at, kept.at, at)) {
                    entry.federation = Some(config);
                }
            }
        }
        self.keep_peer(&peer);
    }
}
