//! Addresses that change while others know only the old ones.

use super::{Host, Network, all_equal, arrives, at_ease, connected, nothing_is_lost, out_of_reach, three, writes};
use crate::common::until;

/// Where a machine tells others that it listens.
fn listens(host: &Host) -> Vec<String> {
    let status = host.json(&["status"]);
    status["listen"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Whether one of these addresses is of this machine on the network.
fn names(addresses: &[String], ip: &str) -> bool {
    addresses.iter().any(|address| address.starts_with(&format!("/ip4/{ip}/")))
}

#[test]
fn a_machine_that_moves_is_found_again_and_so_are_two_that_move_at_the_same_time() {
    let Some(network) = Network::with_switches(1) else { return };
    let [alice, bob, carol] = three(&network);
    let all: [&Host; 3] = [&alice, &bob, &carol];

    // Bob and carol are given other addresses by their router, and know of each other only the old ones. Alice stays.
    bob.readdress("eth0", "10.77.0.2", "10.77.0.22");
    carol.readdress("eth0", "10.77.0.3", "10.77.0.33");
    let mut written = all.iter().flat_map(|host| writes(host, "on the move", 3)).collect::<Vec<_>>();
    bob.run(&["send", "carol", "I have moved"]).good();
    all_equal("they agree by way of alice", &all);
    for (host, old, new) in [(&bob, "10.77.0.2", "10.77.0.22"), (&carol, "10.77.0.3", "10.77.0.33")] {
        until("it says where it is, and not where it was", || {
            let at = listens(host);
            names(&at, new) && !names(&at, old)
        });
    }
    connected(&bob, &["alice", "carol"]);
    connected(&carol, &["alice", "bob"]);
    arrives(&carol, "I have moved");
    // Whoever is asked for the way to bob names the new one before the old one.
    until("alice knows where bob is", || {
        let known = super::peer(&alice, "bob")["addresses"].clone();
        let place = |ip: &str| {
            known.as_array().unwrap().iter().position(|one| one.as_str().unwrap().starts_with(&format!("/ip4/{ip}/")))
        };
        place("10.77.0.22").is_some_and(|new| place("10.77.0.2").is_none_or(|old| new < old))
    });

    // Now bob is switched off, gets another address, and comes back while alice and carol know the one before.
    bob.run(&["down"]).good();
    written.extend(writes(&alice, "while bob is off", 3));
    bob.readdress("eth0", "10.77.0.22", "10.77.0.222");
    let fact = alice.remember("bob is on his way");
    written.push("bob is on his way".to_owned());
    out_of_reach(&alice, "bob", &fact, &["network_timeout"]);
    bob.run(&["up", "--detach"]).good();
    all_equal("bob has found the others", &all);
    connected(&alice, &["bob"]);
    nothing_is_lost(&written, &all);
    at_ease(&fact, &all);
}
