//! Meeting peers: what the network reports, and what becomes of a handshake.

use antiphon_core::charter::Refusal;
use antiphon_core::ids::NodeId;
use antiphon_net::{Event, Multiaddr, Protocol, RequestBytes, Responder, StreamKind};
use antiphon_protocol::handshake::{By, Known, Rejected, Verified};
use antiphon_protocol::reason::Reason;
use antiphon_vault::random;
use tokio::sync::oneshot;

use crate::api::{HandshakeView, PeerView, Trust};
use crate::audit::Refused;
use crate::clock::now;
use crate::event_loop::Engine;
use crate::handshakes::{self, Outcome};
use crate::inputs::Input;
use crate::{audit, joins, reasons};

/// The addresses that can be read.
pub(crate) fn parse_all(addresses: &[String]) -> Vec<Multiaddr> {
    addresses.iter().filter_map(|address| address.parse().ok()).collect()
}

/// The addresses that others are told, at most `max`: those that other machines can use come first.
pub(crate) fn told(listen: &[String], max: usize) -> Vec<String> {
    let own = |address: &&String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    let (here, elsewhere): (Vec<_>, Vec<_>) = listen.iter().partition(own);
    elsewhere.into_iter().chain(here).take(max).cloned().collect()
}

impl Engine {
    pub(crate) fn on_network(&mut self, event: Event) {
        match event {
            Event::Listening(address) => {
                // A task beside the loop writes them, since the loop does not wait for the disk.
                self.ports.send_if_modified(|ports| ports.note(&address.to_string()));
                self.reachable_at(&address);
            }
            Event::Reachable(address) => self.reachable_at(&address),
            Event::ListenerClosed(addresses) => {
                let gone: Vec<String> = addresses.iter().map(|address| self.with_peer_id(address)).collect();
                self.listen.retain(|address| !gone.contains(address));
                self.refresh_local();
            }
            Event::Discovered { peer, addresses } => self.discovered(peer, &addresses),
            Event::Connected { peer, address, outbound } => self.connected(peer, &address, outbound),
            Event::Disconnected { peer } => self.disconnected(&peer),
            Event::Direct { peer } => tracing::info!(%peer, "connected directly, without the relay"),
            Event::DialFailed { peer, reason } => {
                // A dial for a handshake is counted when the handshake ends.
                let other = peer.filter(|peer| !self.greeting.contains(peer));
                if let Some(peer) = other.and_then(|peer| self.peers.entry(peer, false)) {
                    peer.failed(reasons::of_network(reason), now());
                }
            }
            Event::Identified { peer, agent_version, listen_addresses } => {
                self.identified(peer, agent_version, &listen_addresses);
            }
            Event::Request { peer, protocol: Protocol::Handshake, bytes: RequestBytes(bytes), responder } => {
                // The network counts the requests of those who are not let in.
                if self.is_in(&peer) && self.is_too_often(audit::HANDSHAKE, peer) {
                    return;
                }
                self.answer_handshake(peer, bytes, responder);
            }
            Event::Request { peer, protocol: Protocol::Join, bytes: RequestBytes(bytes), responder } => {
                self.answer_join(peer, bytes, responder);
            }
            Event::Request { peer, protocol: Protocol::Backup, bytes: RequestBytes(bytes), responder } => {
                self.answer_backup(peer, bytes, responder);
            }
            Event::Request { peer, protocol: Protocol::Query, bytes: RequestBytes(bytes), responder } => {
                self.answer_query(peer, &bytes, responder);
            }
            Event::StreamOpened { peer, kind: StreamKind::Sync, stream } => {
                // Each begins with all of our clock, which costs more than to ask for it.
                if !self.is_too_often(audit::SYNC, peer) {
                    self.on_stream(peer, Ok(stream));
                }
            }
            Event::StreamOpened { peer, kind: StreamKind::Outbox, stream } => self.on_offer(peer, stream),
            Event::StreamOpened { peer, kind: StreamKind::Blocks, stream } => self.on_blocks(peer, stream),
            Event::StreamOpened { peer, kind: StreamKind::Replication, stream } => self.on_replication(peer, stream),
            Event::Dht(happened) => self.on_table(happened),
        }
    }

    fn answer_join(&mut self, peer: NodeId, bytes: Vec<u8>, responder: Responder) {
        // Whoever is in and asks to join gets all of the charter again.
        if self.is_in(&peer) && self.is_too_often(audit::JOIN, peer) {
            return;
        }
        let (store, key, local, inputs) =
            (self.store.clone(), self.key.clone(), self.team.steward_local(), self.inputs.clone());
        self.tasks.spawn(async move {
            match joins::answer(&store, key, local, peer, bytes, responder).await {
                Ok(None) => {}
                Ok(Some(refusal)) => {
                    let refused = refusal_of(audit::JOIN, peer, refusal.name(), "");
                    // Only a stopping node does not want to know.
                    let _ = inputs.send(Input::Refused(refused)).await;
                }
                Err(error) => tracing::warn!(%peer, %error, "a joiner could not be answered"),
            }
        });
    }

    fn with_peer_id(&self, address: &Multiaddr) -> String {
        format!("{address}/p2p/{}", self.team.own.node)
    }

    fn reachable_at(&mut self, address: &Multiaddr) {
        let address = self.with_peer_id(address);
        tracing::info!(%address, "listening");
        if !self.listen.contains(&address) {
            self.listen.push(address);
            self.refresh_local();
        }
    }

    /// What a handshake brings names the addresses, so it follows them.
    pub(crate) fn refresh_local(&mut self) {
        let mut local = (*self.team.local).clone();
        local.addresses = told(&self.listen, antiphon_protocol::handshake::ADDRESSES_MAX);
        self.team.local = std::sync::Arc::new(local);
        self.show_table();
    }

    fn discovered(&mut self, peer: NodeId, addresses: &[Multiaddr]) {
        // Anybody on the network can claim this, so only members are remembered, and the handshake checks them.
        if peer == self.team.own.node || self.team.check(&peer, now()).is_err() {
            return;
        }
        let Some(entry) = self.peers.entry(peer, true) else { return };
        entry.hear_addresses(&addresses.iter().map(ToString::to_string).collect::<Vec<_>>());
        let addresses = addresses.iter().cloned().chain(parse_all(&entry.addresses)).collect();
        self.keep_peer(&peer);
        self.greet_unless_met(peer, addresses);
    }

    /// Remembers where a peer may be reached, and reaches for it.
    pub(crate) fn meet(&mut self, peer: NodeId, addresses: Vec<String>) {
        let Some(entry) = self.peers.entry(peer, true) else { return };
        entry.learn_addresses(addresses);
        let addresses = parse_all(&entry.addresses);
        self.keep_peer(&peer);
        self.greet_unless_met(peer, addresses);
    }

    fn greet_unless_met(&mut self, peer: NodeId, addresses: Vec<Multiaddr>) {
        if !self.sessions.contains_key(&peer) && !self.greeting.contains(&peer) {
            self.greet(peer, addresses, None);
        }
    }

    fn connected(&mut self, peer: NodeId, address: &Multiaddr, outbound: bool) {
        let member = self.team.check(&peer, now()).is_ok();
        if let Some(entry) = self.peers.entry(peer, member) {
            entry.connected = true;
            // Whoever dialled begins the handshake; the other side waits for it first.
            entry.dial_soon(now());
            if outbound {
                entry.learn_addresses([address.to_string()]);
            }
        }
        tracing::debug!(%peer, %address, outbound, "connected");
    }

    fn disconnected(&mut self, peer: &NodeId) {
        tracing::debug!(%peer, "disconnected");
        self.end_session(peer);
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.connected = false;
            entry.dial_soon(now());
        }
        self.show_table();
        self.keep_peer(peer);
    }

    fn identified(&mut self, peer: NodeId, agent_version: String, addresses: &[Multiaddr]) {
        let member = self.team.check(&peer, now()).is_ok();
        if let Some(entry) = self.peers.entry(peer, member) {
            entry.runs(agent_version, now());
            if member {
                entry.learn_addresses(addresses.iter().map(ToString::to_string));
            }
        }
    }

    fn known(&self, peer: NodeId) -> Known {
        Known { node: peer, pinned: self.peers.get(&peer).and_then(|peer| peer.store) }
    }

    /// Begins a handshake, dialling first where needed.
    pub(crate) fn greet(
        &mut self,
        peer: NodeId,
        addresses: Vec<Multiaddr>,
        reply: Option<oneshot::Sender<HandshakeView>>,
    ) {
        let nonce = match random::bytes() {
            Ok(nonce) => nonce,
            Err(error) => return tracing::error!(%error, "no handshake without random bytes"),
        };
        self.greeting.insert(peer);
        let member = self.team.check(&peer, now()).is_ok();
        if self.peers.entry(peer, member).is_some() {
            self.peers.greeting(&peer);
        }
        let (net, local, known, inputs) =
            (self.net.clone(), self.team.local.clone(), self.known(peer), self.inputs.clone());
        let moves = self.moves;
        self.tasks.spawn(async move {
            let outcome = handshakes::initiate(&net, local, known, addresses, nonce).await;
            // Only a stopping node does not want to know.
            let _ = inputs.send(Input::Handshake { peer, outcome, moves, reply }).await;
        });
    }

    fn answer_handshake(&mut self, peer: NodeId, request: Vec<u8>, responder: Responder) {
        let (net, local, known, inputs) =
            (self.net.clone(), self.team.local.clone(), self.known(peer), self.inputs.clone());
        let (moves, store) = (self.moves, self.store.clone());
        let removal = self.team.membership.removal(&peer).and_then(|removal| Some(removal.record.as_ref()?.hash));
        self.tasks.spawn(async move {
            let removal = match removal {
                Some(record) => handshakes::removal_of(&store, record).await,
                None => None,
            };
            let outcome = handshakes::answer(&net, local, known, removal, request, responder).await;
            let _ = inputs.send(Input::Handshake { peer, outcome, moves, reply: None }).await;
        });
    }

    /// A handshake ended, whoever began it.
    pub(crate) fn greeted(
        &mut self,
        peer: NodeId,
        outcome: Outcome,
        moves: u64,
        reply: Option<oneshot::Sender<HandshakeView>>,
    ) {
        self.greeting.remove(&peer);
        let outcome = if moves == self.moves { outcome } else { self.begun_elsewhere(peer, &outcome) };
        let ours = self.team.genome.hash();
        let view = |trust, reason, their_genome| HandshakeView {
            peer_id: peer,
            trust,
            reason,
            our_genome: ours,
            their_genome,
        };
        let view = match outcome {
            Outcome::Verified(verified) => {
                self.verified(&verified);
                let trust = if verified.in_step { Trust::Verified } else { Trust::Pending };
                view(trust, None, Some(verified.genome))
            }
            Outcome::Rejected(rejected) => {
                let by = if rejected.by == By::Us { "this node" } else { "the peer" };
                tracing::warn!(%peer, by, reason = rejected.reason.name(), "handshake refused");
                self.refused(refusal_of(audit::HANDSHAKE, peer, rejected.reason.name(), &format!("by {by}")));
                self.reject(peer, rejected.reason);
                self.note_removal(&rejected);
                self.note_rejection(&rejected);
                view(Trust::Rejected, Some(rejected.reason), rejected.theirs)
            }
            Outcome::Failed(reason) => {
                if reason.is_identity() {
                    self.refused(refusal_of(audit::HANDSHAKE, peer, reason.name(), "its answer proves nothing"));
                }
                self.failed(peer, reason);
                view(self.peers.get(&peer).map_or(Trust::Unknown, |entry| entry.trust), Some(reason), None)
            }
        };
        self.keep_peer(&peer);
        if let Some(reply) = reply {
            // Whoever asked may have gone.
            let _ = reply.send(view);
        }
    }

    /// What a handshake is worth that was begun in a team which the node has left: nothing.
    fn begun_elsewhere(&mut self, peer: NodeId, outcome: &Outcome) -> Outcome {
        if matches!(outcome, Outcome::Verified(_)) {
            self.close_gate(peer);
        }
        Outcome::Failed(Reason::Other)
    }

    fn verified(&mut self, verified: &Verified) {
        let (peer, at) = (verified.node, now());
        // The charter may have changed while the handshake was under way.
        if let Err(refusal @ (Refusal::Revoked | Refusal::Expired)) = self.team.check(&peer, at) {
            return self.put_out(peer, reason_of(refusal));
        }
        if !verified.in_step {
            return self.out_of_step(verified);
        }
        if let Some(entry) = self.peers.entry(peer, true) {
            entry.name.clone_from(&verified.name);
            entry.store = Some(verified.store);
            entry.genome = Some(verified.genome);
            entry.handshake_at = Some(at);
            entry.by_peer = false;
            entry.runs(verified.agent_version.clone(), at);
            entry.learn_addresses(verified.addresses.iter().cloned());
            entry.reached(at);
        }
        self.peers.set_trust(&peer, Trust::Verified, None);
        self.in_step(peer);
        self.open_stream(peer);
        self.show_table();
        self.deliver_to(peer);
        self.tell_catalogue(peer);
        self.tell_settings(peer);
    }

    /// The peers that were let in, also those that are away.
    pub(crate) fn let_in(&self) -> Vec<NodeId> {
        self.peers.iter().map(|(node, _)| *node).filter(|node| self.is_in(node)).collect()
    }

    pub(crate) fn is_in(&self, peer: &NodeId) -> bool {
        self.sessions.contains_key(peer) || self.peers.is_trusted(peer)
    }

    fn reject(&mut self, peer: NodeId, reason: Reason) {
        // Whoever was let in is put out at once. A stranger's gate was never open, and closing its connection now could
        // overtake the answer that tells it why; its deadline closes it.
        if self.is_in(&peer) {
            self.close_gate(peer);
        }
        if let Some(entry) = self.peers.entry(peer, false) {
            entry.failed(reason, now());
        }
        self.peers.set_trust(&peer, Trust::Rejected, Some(reason));
        self.end_session(&peer);
    }

    /// What a refused handshake tells beside the refusal.
    fn note_rejection(&mut self, rejected: &Rejected) {
        let Some(entry) = self.peers.get_mut(&rejected.node) else { return };
        entry.handshake_at = Some(now());
        entry.genome = rejected.theirs.or(entry.genome);
        entry.by_peer = rejected.by == By::Peer;
    }

    pub(crate) fn close_gate(&mut self, peer: NodeId) {
        let net = self.net.clone();
        self.tasks.spawn(async move {
            if let Err(error) = net.close_gate(peer).await {
                tracing::debug!(%peer, %error, "the gate was not closed");
            }
        });
    }

    fn failed(&mut self, peer: NodeId, reason: Reason) {
        let Some(entry) = self.peers.entry(peer, false) else { return };
        entry.failed(reason, now());
        self.peers.unanswered(&peer);
    }

    /// Ends everything with a peer that may not be spoken to any more. Its gate may be open although we do not count it
    /// as let in yet: the handshake opens it before its outcome comes here.
    pub(crate) fn put_out(&mut self, peer: NodeId, reason: Reason) {
        tracing::warn!(%peer, reason = reason.name(), "put out");
        self.refused(refusal_of(audit::PUT_OUT, peer, reason.name(), ""));
        if !self.is_in(&peer) {
            self.close_gate(peer);
        }
        self.reject(peer, reason);
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.by_peer = false;
        }
        self.keep_peer(&peer);
    }

    /// Every peer as it is shown: members first known by the charter, and whoever else was met.
    pub(crate) fn show_peers(&self) -> Vec<PeerView> {
        let members = self.team.membership.members().map(|(node, _)| *node);
        let known = self.peers.iter().map(|(node, _)| *node);
        let nodes: std::collections::BTreeSet<NodeId> = members.chain(known).collect();
        let others = nodes.into_iter().filter(|node| *node != self.team.own.node);
        others.map(|node| self.show_peer(&node)).collect()
    }
}

fn refusal_of(kind: &'static str, peer: NodeId, reason: &'static str, detail: &str) -> Refused {
    Refused { kind, node: Some(peer), reason, detail: detail.to_owned() }
}

/// What a refusal by the charter is called.
pub(crate) const fn reason_of(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::NotAMember => Reason::NotAMember,
        Refusal::Expired => Reason::GrantExpired,
        Refusal::Revoked => Reason::Revoked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_addresses_those_that_others_can_use_are_told() {
        let listen: Vec<String> =
            ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1"]
                .map(str::to_owned)
                .into();
        assert_eq!(told(&listen, 3), ["/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip4/127.0.0.1/tcp/1"]);
        assert_eq!(told(&listen, 9).len(), 4);
    }
}
