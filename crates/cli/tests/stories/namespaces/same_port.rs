//! Machines that all listen at the same port, as whoever opens one port in a firewall wants it.

use super::{Host, Network, all_equal, at_ease, connected, nothing_is_lost, team, writes};

/// One port for all.
const LISTEN: &str = "/ip4/0.0.0.0/tcp/7400,/ip4/0.0.0.0/udp/7400/quic-v1";

#[test]
fn machines_that_listen_at_the_same_port_do_not_take_themselves_for_each_other() {
    let Some(network) = Network::with_switches(1) else { return };
    let host = |name, address| network.host_that_listens(name, address, 0, LISTEN);
    let (alice, bob, carol) = (host("alice", "10.77.0.1"), host("bob", "10.77.0.2"), host("carol", "10.77.0.3"));
    let all: [&Host; 3] = [&alice, &bob, &carol];
    team(&all);
    connected(&alice, &["bob", "carol"]);
    // Each has only what it remembers of the others: their addresses, among which loopback leads to itself.
    for host in all {
        host.run(&["down"]).good();
    }
    for host in all {
        host.run(&["up", "--detach"]).good();
    }
    let written: Vec<String> = all.iter().flat_map(|host| writes(host, "after a restart", 2)).collect();
    connected(&bob, &["alice", "carol"]);
    all_equal("all agree", &all);
    nothing_is_lost(&written, &all);
    at_ease(&carol.remember("all is well"), &all);
}
