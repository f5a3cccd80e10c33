//! Another name for the table: the node has moved to another team.
//!
//! What a connection speaks is fixed when it is opened, and so are the records of one team worth nothing in another.
//! So the table begins anew, empty, once nobody is let in any more; whoever is still is sent away, and finds the new
//! table when it comes back.

use std::collections::{BTreeSet, VecDeque};

use antiphon_core::dht::Prefix;
use libp2p::swarm::behaviour::ExternalAddrConfirmed;
use libp2p::swarm::{CloseConnection, FromSwarm, NetworkBehaviour as _, THandlerInEvent, ToSwarm};
use libp2p::{Multiaddr, PeerId};

use super::{Out, Table};

/// What is remembered for the table that follows.
#[derive(Debug, Default)]
pub(super) struct Renaming {
    /// The name that it gets when nobody is let in any more.
    next: Option<Prefix>,
    /// Who is sent away for it.
    closing: VecDeque<PeerId>,
    /// Where this node listens, which the next table has not heard.
    listens: BTreeSet<Multiaddr>,
    /// Counts the tables: operations of an earlier one never end.
    tables: u64,
}

impl Renaming {
    pub(super) fn listens(&mut self, address: &Multiaddr) {
        self.listens.insert(address.clone());
    }

    pub(super) fn listens_no_more(&mut self, address: &Multiaddr) {
        self.listens.remove(address);
    }
}

impl Table {
    /// How many tables there were before this one.
    pub(super) const fn tables(&self) -> u64 {
        self.renaming.tables
    }

    /// Gives the table another prefix.
    pub(super) fn rename(&mut self, prefix: Prefix) {
        if prefix == self.config.prefix {
            self.renaming.next = None;
            return;
        }
        self.renaming.next = Some(prefix);
        self.renaming.closing = self.open.iter().copied().collect();
        self.begin_anew();
    }

    /// Begins the table of the next prefix, if there is one and nobody is let in.
    pub(super) fn begin_anew(&mut self) {
        let Some(prefix) = self.renaming.next.take_if(|_| self.open.is_empty()) else { return };
        self.config.prefix = prefix;
        (self.kad, self.protocol) = Self::build(self.local, &self.config);
        self.set_mode(self.mode);
        for addr in &self.renaming.listens {
            self.kad.on_swarm_event(FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr }));
        }
        self.known.values_mut().for_each(|member| member.serves = false);
        self.wanted.clear();
        self.answers.clear();
        self.renaming.tables += 1;
    }

    /// Sends the next one away who must go.
    pub(super) fn send_away(&mut self) -> Option<ToSwarm<Out, THandlerInEvent<Self>>> {
        let peer_id = self.renaming.closing.pop_front()?;
        Some(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::All })
    }
}
