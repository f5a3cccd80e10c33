//! Two machines without a way to each other, and a third one that has cables to both and relays.

use super::{
    Host, Network, all_equal, arrives, at_ease, connected, nothing_is_lost, out_of_reach, relays, waiting, writes,
};
use crate::common::until;

/// Whether a machine can be reached through a member that relays.
fn is_reachable_by_relay(host: &Host) -> bool {
    host.json(&["status"])["listen"].to_string().contains("/p2p-circuit")
}

#[test]
fn two_machines_without_a_way_to_each_other_meet_through_one_that_relays() {
    let Some(network) = Network::with_switches(2) else { return };
    let rita = network.host("rita", "10.77.1.1", 0);
    rita.plug("eth1", "10.77.2.1", 1);
    let (alice, bob) = (network.host("alice", "10.77.1.2", 0), network.host("bob", "10.77.2.2", 1));
    relays(&rita, [&alice, &bob]);
    for host in [&alice, &bob] {
        until("it is reachable through rita", || is_reachable_by_relay(host));
    }
    // No packet of one comes to the other, so only what rita carries can connect them.
    connected(&alice, &["bob", "rita"]);
    connected(&bob, &["alice", "rita"]);
    alice.run(&["send", "bob", "through rita"]).good();
    arrives(&bob, "through rita");
    let all: [&Host; 3] = [&rita, &alice, &bob];
    let mut written = all.iter().flat_map(|host| writes(host, "through a relay", 3)).collect::<Vec<_>>();
    all_equal("all agree", &all);
    // Without the relay they are apart, and say so; what is meant for the other waits.
    rita.run(&["down"]).good();
    let fact = alice.remember("rita is away");
    written.push("rita is away".to_owned());
    alice.run(&["send", "bob", "when rita is back"]).good();
    out_of_reach(&alice, "bob", &fact, &["network_timeout", "network_reset", "network_refused", "other"]);
    assert_eq!(waiting(&alice), 1);
    rita.run(&["up", "--detach"]).good();
    arrives(&bob, "when rita is back");
    all_equal("all agree again", &all);
    nothing_is_lost(&written, &all);
    at_ease(&fact, &all);
}
