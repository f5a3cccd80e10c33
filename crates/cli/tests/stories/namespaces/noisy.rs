//! A bad line: of all packets a fifth is lost, and each that arrives is a tenth of a second late, in each direction.
//!
//! `tc netem` would be the usual tool, but many kernels come without it, so a small program carries the packets from port
//! to port itself. It draws from a seed.

use std::process::{Child, Command, Stdio};

use super::{Host, Network, all_equal, arrives, at_ease, nothing_is_lost, team, waiting, writes};
use crate::common::{can_run, until};

/// The program that carries packets.
const SWITCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/net/bad_switch.py");
/// Of a hundred packets so many are lost.
const LOST_PERCENT: &str = "20";
/// So much later each packet comes out, in milliseconds.
const LATE_MS: &str = "100";
/// Decides which packets are lost.
const SEED: &str = "7";

/// A switch that loses packets and is slow, while the value lives.
struct BadSwitch(Child);

impl BadSwitch {
    fn between(network: &Network, hosts: &[&Host]) -> Self {
        let ports = hosts.iter().map(|host| host.other_end("eth0"));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", network.hub(), "python3", SWITCH, LOST_PERCENT, LATE_MS, SEED]).args(ports);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for BadSwitch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn on_a_line_that_loses_a_fifth_of_all_packets_everything_arrives() {
    let Some(network) = Network::with_switches(0) else { return };
    if !can_run("a bad line", "python3", &["--version"]) {
        return;
    }
    let (alice, bob) =
        (network.host_on_a_loose_cable("alice", "10.77.0.1"), network.host_on_a_loose_cable("bob", "10.77.0.2"));
    let all: [&Host; 2] = [&alice, &bob];
    let line = BadSwitch::between(&network, &all);
    team(&all);
    let written: Vec<String> = all.iter().flat_map(|host| writes(host, "on a bad line", 5)).collect();
    alice.run(&["send", "bob", "can you hear me?"]).good();
    bob.run(&["send", "alice", "every second word"]).good();
    all_equal("both agree", &all);
    nothing_is_lost(&written, &all);
    arrives(&bob, "can you hear me?");
    arrives(&alice, "every second word");
    until("nothing waits", || waiting(&alice) + waiting(&bob) == 0);
    at_ease(&alice.remember("one more"), &all);
    drop(line);
}
