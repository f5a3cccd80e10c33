//! Peers, how sync with them goes, and what went over the wire.

use std::collections::BTreeSet;

use antiphon_core::ids::NodeId;
use antiphon_node::{PeerView, Served, TeamView};

use super::family::{Family, Labels, Value, seconds};

/// One sample for each peer that is a member, so that strangers make no series.
pub(super) fn families(peers: &[PeerView], members: &TeamView) -> Vec<Family> {
    let members: BTreeSet<NodeId> = members.members.iter().map(|member| member.node).collect();
    let peers: Vec<&PeerView> = peers.iter().filter(|peer| members.contains(&peer.peer_id)).collect();
    vec![
        Family::gauge("peers_connected", "Members that are connected now.")
            .of(peers.iter().filter(|peer| peer.connected).count()),
        per_peer("peer_connected", "Whether there is a connection now.", &peers, |peer| Some(peer.connected)),
        per_peer("peer_lag_events", "Events held here that the peer has not confirmed.", &peers, |peer| {
            peer.lag_events
        }),
        per_peer(
            "peer_behind_events",
            "Events the peer holds, by its last clock, that are not here.",
            &peers,
            |peer| peer.behind_events,
        ),
        per_peer("peer_failures", "Failures with the peer since the last success.", &peers, |peer| {
            Some(peer.health.consecutive_failures)
        }),
        per_peer("peer_facts", "Facts received from the peer so far.", &peers, |peer| Some(peer.fact_count)),
        per_peer("peer_last_seen", "When the peer was last heard of.", &peers, |peer| peer.last_seen.map(seconds))
            .seconds(),
        per_peer("peer_last_sync", "When sync with the peer last succeeded.", &peers, |peer| {
            peer.last_success.map(seconds)
        })
        .seconds(),
        per_peer("peer_storage_offered", "How much the peer says that it stores for others.", &peers, |peer| {
            peer.storage.as_ref().filter(|storage| storage.offers).map(|storage| storage.quota_bytes)
        })
        .bytes(),
        per_peer("peer_storage_used", "How much of that is taken, as it says.", &peers, |peer| {
            peer.storage.as_ref().map(|storage| storage.used_bytes)
        })
        .bytes(),
    ]
}

fn per_peer<V: Into<Value>>(
    name: &'static str,
    help: &'static str,
    peers: &[&PeerView],
    value: impl Fn(&PeerView) -> Option<V>,
) -> Family {
    let samples = peers.iter().filter_map(|peer| Some((labels(peer), value(peer)?)));
    Family::gauge(name, help).each(samples)
}

fn labels(peer: &PeerView) -> Labels {
    vec![("peer_id", peer.peer_id.to_string()), ("name", peer.name.clone())]
}

/// What sync and documents cost since the node started.
pub(super) fn traffic(sync: (u64, u64), blocks: (u64, u64), served: Served) -> Vec<Family> {
    vec![
        Family::counter("sync_sent", "Bytes of sync frames sent.").bytes().of(sync.0),
        Family::counter("sync_received", "Bytes of sync frames received.").bytes().of(sync.1),
        Family::counter("blocks_sent", "Bytes of frames sent that carry documents.").bytes().of(blocks.0),
        Family::counter("blocks_received", "Bytes of frames received that carry documents.").bytes().of(blocks.1),
        Family::counter("blocks_served", "Blocks that were sent to members.").of(served.blocks),
        Family::counter("blocks_missing", "Blocks and manifests that were asked for and are not here.")
            .of(served.missing),
        Family::counter("blocks_damaged", "Blocks that were asked for and found damaged.").of(served.damaged),
        Family::counter("blocks_busy", "Streams that were refused because too many were served.").of(served.busy),
    ]
}
