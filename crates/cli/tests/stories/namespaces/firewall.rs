//! Machines behind firewalls that let nothing in that they did not ask for, as most people's routers do.

use super::{Host, Network, all_equal, arrives, at_ease, connected, nothing_is_lost, relays, waiting, writes};
use crate::common::until;

#[test]
fn two_machines_behind_firewalls_reach_each_other_with_the_help_of_a_third() {
    let Some(network) = Network::with_switches(1) else { return };
    let rita = network.host("rita", "10.77.0.1", 0);
    let (alice, bob) = (network.host("alice", "10.77.0.2", 0), network.host("bob", "10.77.0.3", 0));
    for host in [&alice, &bob] {
        host.behind_a_firewall();
    }
    relays(&rita, [&alice, &bob]);
    connected(&alice, &["rita", "bob"]);
    connected(&bob, &["rita", "alice"]);
    alice.run(&["send", "bob", "around the wall"]).good();
    bob.run(&["send", "alice", "and back"]).good();
    arrives(&bob, "around the wall");
    arrives(&alice, "and back");
    let all: [&Host; 3] = [&rita, &alice, &bob];
    let written: Vec<String> = all.iter().flat_map(|host| writes(host, "behind walls", 3)).collect();
    all_equal("all agree", &all);
    nothing_is_lost(&written, &all);
    until("nothing waits", || waiting(&alice) + waiting(&bob) == 0);
    at_ease(&bob.remember("all is well"), &all);
}
