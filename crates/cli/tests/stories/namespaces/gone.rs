//! A machine that is carried away while its cable is live: nobody closes its connections, and those that stay notice.

use super::{Host, Network, all_equal, arrives, connected, nothing_is_lost, out_of_reach, team, waiting, writes};
use crate::common::until;

#[test]
fn a_machine_that_vanishes_is_missed_and_is_given_all_when_it_comes_back() {
    let Some(network) = Network::with_switches(1) else { return };
    let (alice, bob) = (network.host("alice", "10.77.0.1", 0), network.host("bob", "10.77.0.2", 0));
    let carol = network.host("carol", "10.77.0.3", 0);
    let (all, left): ([&Host; 3], [&Host; 2]) = ([&alice, &bob, &carol], [&alice, &carol]);
    team(&all);
    connected(&alice, &["bob", "carol"]);
    connected(&carol, &["bob"]);
    all_equal("all begin with the same", &all);
    // How long a silent member is trusted; nobody waits for half an hour here.
    for host in left {
        host.run(&["config", "set", "node.peer_timeout", "15s"]).good();
        host.run(&["config", "reload"]).good();
    }

    bob.unplug("eth0");
    let fact = alice.remember("bob has left the building");
    alice.run(&["send", "bob", "where are you?"]).good();
    let mut written = writes(&carol, "without bob", 5);
    written.push("bob has left the building".to_owned());
    all_equal("the others go on", &left);
    // The machine that was carried off works on by itself, and knows that it is alone.
    written.extend(writes(&bob, "in the car", 5));
    let alone = bob.remember("nobody hears this");
    for (host, name, fact) in [(&alice, "bob", &fact), (&carol, "bob", &fact), (&bob, "alice", &alone)] {
        out_of_reach(host, name, fact, &["network_timeout"]);
    }
    // Whoever is silent for long enough is not trusted until it shows itself again.
    until("bob has expired", || super::peer(&alice, "bob")["trust"] == "EXPIRED");
    assert_eq!(waiting(&alice), 1);
    let documents = alice.run(&["why", "bob"]).good().stdout;
    assert!(documents.contains("bob is away") && documents.contains("did not answer in time"), "{documents}");

    bob.plug("eth0", "10.77.0.2", 0);
    all_equal("all agree again", &all);
    nothing_is_lost(&written, &all);
    arrives(&bob, "where are you?");
    connected(&alice, &["bob"]);
    until("nothing waits any more", || waiting(&alice) == 0);
}
