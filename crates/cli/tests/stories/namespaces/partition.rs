//! Five machines on two switches, and the cable between the switches is cut: both sides go on, and agree afterwards.

use super::{Host, Network, all_equal, arrives, connected, nothing_is_lost, out_of_reach, team, waiting, writes};
use crate::common::until;

/// How many facts each machine writes while the cable is cut.
const WRITES: usize = 4;

#[test]
fn five_machines_agree_again_after_the_cable_between_two_groups_was_cut() {
    let Some(network) = Network::with_switches(2) else { return };
    network.join_switches(0, 1);
    let host = |name, address, switch| network.host(name, address, switch);
    let (alice, bob) = (host("alice", "10.77.0.1", 0), host("bob", "10.77.0.2", 0));
    let (carol, dave, erin) =
        (host("carol", "10.77.0.3", 1), host("dave", "10.77.0.4", 1), host("erin", "10.77.0.5", 1));
    let (left, right) = ([&alice, &bob], [&carol, &dave, &erin]);
    let all: Vec<&Host> = left.iter().chain(&right).copied().collect();
    team(&all);
    connected(&alice, &["bob", "carol", "dave", "erin"]);
    connected(&erin, &["alice", "bob", "carol", "dave"]);
    let disputed = alice.remember("the concert is on friday");
    all_equal("all begin with the same", &all);

    network.trunk(0, "down");
    let mut written: Vec<String> = all.iter().flat_map(|host| writes(host, "meanwhile", WRITES)).collect();
    alice.run(&["facts", "edit", &disputed, "--content", "the concert is on saturday"]).good();
    dave.run(&["facts", "edit", &disputed, "--content", "the concert is on sunday"]).good();
    alice.run(&["send", "dave", "are you there?"]).good();
    carol.run(&["send", "bob", "the line is dead"]).good();
    all_equal("the left side agrees", &left);
    all_equal("the right side agrees", &right);
    assert_ne!(alice.state_hash(), carol.state_hash(), "the cable was not cut");
    let latest = alice.remember("this cannot have crossed");
    written.push("this cannot have crossed".to_owned());
    // Nobody answers: no router says that there is no way.
    out_of_reach(&alice, "dave", &latest, &["network_timeout"]);
    out_of_reach(&bob, "erin", &latest, &["network_timeout"]);
    assert_eq!((waiting(&alice), waiting(&carol)), (1, 1));

    network.trunk(0, "up");
    all_equal("all agree again", &all);
    nothing_is_lost(&written, &all);
    arrives(&dave, "are you there?");
    arrives(&bob, "the line is dead");
    until("nothing waits any more", || waiting(&alice) + waiting(&carol) == 0);
    for host in &all {
        let both = host.run(&["divergences", "list"]).good().stdout;
        assert!(both.contains(&disputed), "both versions are kept: {both}");
    }
    let why = alice.json(&["why", &latest, "dave"]);
    assert_eq!(why["held"], true, "{why:#}");
}
