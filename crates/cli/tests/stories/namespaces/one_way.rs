//! Lines that carry one direction only: what cannot go straight goes around.

use super::{
    Host, Network, all_equal, arrives, connected, nothing_is_lost, out_of_reach, team, three, waiting, writes,
};
use crate::common::until;

#[test]
fn what_a_one_way_line_does_not_carry_comes_by_a_third_machine() {
    let Some(network) = Network::with_switches(1) else { return };
    let [alice, bob, carol] = three(&network);
    let all: [&Host; 3] = [&alice, &bob, &carol];

    // What alice says does not reach bob any more; what bob says reaches alice.
    bob.deaf_to("10.77.0.1");
    let fact = alice.remember("said by alice into the void");
    let mut written = vec!["said by alice into the void".to_owned()];
    written.extend(all.iter().flat_map(|host| writes(host, "on a one-way line", 3)));
    all_equal("carol carries it", &all);
    nothing_is_lost(&written, &all);
    alice.run(&["send", "bob", "by no other way"]).good();
    // Both sides notice, although one of them still hears the other.
    for (host, other) in [(&alice, "bob"), (&bob, "alice")] {
        until("the line is known to be dead", || super::peer(host, other)["connected"] == false);
    }
    until("alice knows why", || {
        super::peer(&alice, "bob")["health"]["last_error"]["reason"]["code"] == "network_timeout"
    });
    // Bob has the fact although alice cannot reach him, and alice has his word for it.
    until("alice knows that bob has it", || alice.json(&["why", &fact, "bob"])["held"] == true);
    // An item goes from one to the other and not around: it waits.
    assert_eq!(waiting(&alice), 1);

    bob.hears_again();
    arrives(&bob, "by no other way");
    connected(&alice, &["bob"]);
    until("nothing waits any more", || waiting(&alice) == 0);
    all_equal("all agree", &all);
}

#[test]
fn two_machines_on_a_line_that_carries_one_direction_say_so_and_go_on_when_it_is_mended() {
    let Some(network) = Network::with_switches(1) else { return };
    let (alice, bob) = (network.host("alice", "10.77.0.1", 0), network.host("bob", "10.77.0.2", 0));
    let all: [&Host; 2] = [&alice, &bob];
    team(&all);
    connected(&alice, &["bob"]);
    all_equal("both begin with the same", &all);
    bob.deaf_to("10.77.0.1");
    let written: Vec<String> = all.iter().flat_map(|host| writes(host, "to nobody", 3)).collect();
    let fact = alice.remember("bob does not hear this");
    out_of_reach(&alice, "bob", &fact, &["network_timeout"]);
    let at_bob = bob.remember("alice does not get this");
    out_of_reach(&bob, "alice", &at_bob, &["network_timeout"]);
    bob.hears_again();
    all_equal("both agree", &all);
    nothing_is_lost(&written, &all);
}
