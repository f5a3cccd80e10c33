//! What the event loop shows of the team and its peers, and what it hears from the network about the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_core::charter::Membership;
use antiphon_core::dht::{Prefix, Realm};
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_net::Multiaddr;
use antiphon_net::dht::Happened;
use tokio::sync::{mpsc, watch};

use super::{Judge, News};
use crate::clock::now;
use crate::connect::{parse_all, told};
use crate::event_loop::Engine;
use crate::team::TeamState;

/// The team and its peers, as the table needs to know them.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) own: NodeId,
    /// This node's name.
    pub(crate) name: String,
    pub(crate) realm: Realm,
    pub(crate) membership: Arc<Membership>,
    /// Members that are connected and let in.
    pub(crate) present: BTreeSet<NodeId>,
    /// Where this node listens.
    pub(crate) listen: Vec<String>,
}

impl Sight {
    /// Before anybody is connected.
    pub(crate) fn new(team: &TeamState, prefix: Option<&Prefix>) -> Self {
        Self {
            own: team.own.node,
            name: team.own.name.clone(),
            realm: realm(team.own.team, prefix),
            membership: team.membership.clone(),
            present: BTreeSet::new(),
            listen: Vec::new(),
        }
    }

    /// The roles that this node was granted.
    pub(crate) fn roles(&self) -> BTreeSet<String> {
        let member = self.membership.member(&self.own);
        member.map(|member| member.grant.roles.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether the node belongs to the team now.
    pub(crate) fn is_member(&self, node: &NodeId) -> bool {
        self.membership.check(node, now()).is_ok()
    }

    fn is_same(&self, other: &Self) -> bool {
        let mine = (&self.name, &self.realm, &self.present, &self.listen);
        let theirs = (&other.name, &other.realm, &other.present, &other.listen);
        mine == theirs && Arc::ptr_eq(&self.membership, &other.membership)
    }
}

fn realm(team: TeamId, prefix: Option<&Prefix>) -> Realm {
    prefix.map_or_else(|| Realm::of_team(team), |prefix| Realm { team, prefix: prefix.clone() })
}

/// Through it the loop shows what it knows.
pub(crate) struct Window {
    sight: watch::Sender<Sight>,
    judge: Arc<Judge>,
    news: mpsc::Sender<News>,
    prefix: Option<Prefix>,
}

impl Window {
    pub(super) const fn new(
        sight: watch::Sender<Sight>,
        judge: Arc<Judge>,
        news: mpsc::Sender<News>,
        prefix: Option<Prefix>,
    ) -> Self {
        Self { sight, judge, news, prefix }
    }
}

impl Engine {
    /// Shows what has changed of the team and its peers.
    pub(crate) fn show_table(&mut self) {
        let mut sight = Sight::new(&self.team, self.table.prefix.as_ref());
        let present =
            |(node, entry): (&NodeId, &crate::peers::Peer)| (entry.connected && self.is_in(node)).then_some(*node);
        sight.present = self.peers.iter().filter_map(present).collect();
        sight.listen = told(&self.listen, antiphon_core::dht::ADDRESSES_MAX);
        let changed = |shown: &mut Sight| {
            let changed = !shown.is_same(&sight);
            if changed {
                // Before anybody hears of it: what the network is given from now on is judged by what holds now.
                self.table.judge.know(sight.realm.clone(), sight.membership.clone());
                *shown = sight;
            }
            changed
        };
        let _changed = self.table.sight.send_if_modified(changed);
        self.show_presence();
    }

    /// The network tells something about the table.
    pub(crate) fn on_table(&mut self, happened: Happened) {
        match happened {
            // Put by this node, from its own disk.
            Happened::Stored { own: true, .. } => {}
            Happened::Stored { key, value, .. } => {
                // The network holds it; what the disk misses now is kept when it is told again.
                if self.table.news.try_send(News::Heard { key, value }).is_err() {
                    tracing::debug!("a record of the table was not kept on disk");
                }
            }
            Happened::Wanted { peer, addresses } => self.wanted(peer, &addresses),
        }
    }

    /// The table looks for a member. Others say where it is, so the handshake checks who answers there.
    fn wanted(&mut self, peer: NodeId, addresses: &[Multiaddr]) {
        if peer == self.team.own.node || self.team.check(&peer, now()).is_err() || self.sessions.contains_key(&peer) {
            return;
        }
        let known = self.peers.get(&peer).map(|entry| parse_all(&entry.addresses)).unwrap_or_default();
        let addresses = addresses.iter().cloned().chain(known).collect();
        if !self.greeting.contains(&peer) {
            self.greet(peer, addresses, None);
        }
    }
}
