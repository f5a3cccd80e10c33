//! Real networks: each machine is a network namespace with addresses of its own, and cables lead from it to switches.
//!
//! No namespace has a way out: there are no routes but those of its own cables, nothing is forwarded, and nothing leaves
//! this computer. Names bear the process id of the test, and what a test run left behind that was ended is taken away by
//! the next one. All of it needs root and the programs `ip` and `nft`; where one is missing, the test says that it was not
//! run and why, unless `ANTIPHON_TEST_MUST` says that it must be.

mod firewall;
mod gone;
mod moved;
mod noisy;
mod one_way;
mod partition;
mod relay;
mod same_port;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::common::{Machine, ROLE, can_run, messages_that_wait, until};

/// What all names of namespaces begin with.
const PREFIX: &str = "antiphon-";
/// Where the kernel's names of namespaces are.
const NAMED: &str = "/run/netns";

/// Runs a program that must go well.
#[track_caller]
fn run(program: &str, args: &[&str], stdin: &str) -> String {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[track_caller]
fn ip(words: &str) -> String {
    run("ip", &words.split_whitespace().collect::<Vec<_>>(), "")
}

/// Switches, cables, and the namespaces of machines. All of it goes with the value.
pub(super) struct Network {
    /// What the names of its namespaces begin with.
    prefix: String,
    /// The namespace with the switches.
    hub: String,
}

impl Network {
    /// A network of so many switches, or `None` where this cannot be done, after saying why.
    pub(super) fn with_switches(switches: usize) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        for program in ["ip", "nft"] {
            let args: &[&str] = if program == "ip" { &["netns", "list"] } else { &["list", "tables"] };
            if !can_run("networks of their own", program, args) {
                return None;
            }
        }
        sweep();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}{}-{number}-", std::process::id());
        let network = Self { hub: format!("{prefix}hub"), prefix };
        ip(&format!("netns add {}", network.hub));
        for switch in 0..switches {
            ip(&format!("-n {} link add switch{switch} type bridge", network.hub));
            ip(&format!("-n {} link set switch{switch} up", network.hub));
        }
        Some(network)
    }

    /// The namespace with the switches.
    pub(super) fn hub(&self) -> &str {
        &self.hub
    }

    /// A machine with an address, such as `10.77.0.1`, and a cable to a switch. Nothing runs on it yet.
    pub(super) fn host(&self, name: &str, address: &str, switch: usize) -> Host {
        let host = self.bare_host(name);
        host.plug("eth0", address, switch);
        host
    }

    /// The same, and it listens only there.
    pub(super) fn host_that_listens(&self, name: &str, address: &str, switch: usize, listen: &str) -> Host {
        let Host { name, space, hub, machine } = self.bare_host(name);
        let host = Host { name, space, hub, machine: machine.env("ANTIPHON_LISTEN", listen) };
        host.plug("eth0", address, switch);
        host
    }

    /// The same, and the other end of the cable is in no switch.
    pub(super) fn host_on_a_loose_cable(&self, name: &str, address: &str) -> Host {
        let host = self.bare_host(name);
        host.plug_loose("eth0", address);
        host
    }

    fn bare_host(&self, name: &str) -> Host {
        let space = format!("{}{name}", self.prefix);
        ip(&format!("netns add {space}"));
        ip(&format!("-n {space} link set lo up"));
        let inside = ["ip", "netns", "exec", &space];
        // It listens as it does when nobody says anything: at every address, with TCP and QUIC.
        let machine = Machine::new(name).within(&inside).without_env("ANTIPHON_LISTEN");
        let machine = machine.env("ANTIPHON_OUTBOX_RETRY", "1s").env("ANTIPHON_DOCTOR_STUCK_AFTER", "1s");
        Host { name: name.to_owned(), space, hub: self.hub.clone(), machine }
    }

    /// Joins two switches by a cable.
    pub(super) fn join_switches(&self, one: usize, other: usize) {
        let hub = &self.hub;
        ip(&format!("-n {hub} link add trunk{one} type veth peer name trunk{other}"));
        for end in [one, other] {
            ip(&format!("-n {hub} link set trunk{end} master switch{end} up"));
        }
    }

    /// Takes the cable between two switches out, or puts it in again.
    pub(super) fn trunk(&self, end: usize, state: &str) {
        ip(&format!("-n {} link set trunk{end} {state}", self.hub));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&self.prefix);
    }
}

/// A machine in a namespace.
pub(super) struct Host {
    name: String,
    space: String,
    hub: String,
    pub(super) machine: Machine,
}

impl Host {
    /// Puts a cable into the machine, with an address, and its other end into a switch.
    pub(super) fn plug(&self, port: &str, address: &str, switch: usize) {
        self.plug_loose(port, address);
        ip(&format!("-n {} link set {} master switch{switch} up", self.hub, self.other_end(port)));
    }

    /// Puts a cable into the machine and leaves its other end in the hub, for whoever carries what comes out there.
    pub(super) fn plug_loose(&self, port: &str, address: &str) {
        let (space, hub, far) = (&self.space, &self.hub, self.other_end(port));
        ip(&format!("link add {port} netns {space} type veth peer name {far} netns {hub}"));
        // Neighbours by IPv6 would make the machine listen at addresses that mean nothing elsewhere.
        ip(&format!("-n {space} link set {port} addrgenmode none"));
        ip(&format!("-n {hub} link set {far} addrgenmode none"));
        ip(&format!("-n {hub} link set {far} up"));
        ip(&format!("-n {space} addr add {address}/24 dev {port}"));
        ip(&format!("-n {space} link set {port} up"));
    }

    /// The other end of one of its cables.
    pub(super) fn other_end(&self, port: &str) -> String {
        format!("{}-{port}", self.name)
    }

    /// Takes a cable away altogether, as when a machine is carried off.
    pub(super) fn unplug(&self, port: &str) {
        ip(&format!("-n {} link del {}", self.hub, self.other_end(port)));
    }

    /// Gives the machine another address; the one before is gone.
    pub(super) fn readdress(&self, port: &str, from: &str, to: &str) {
        ip(&format!("-n {} addr del {from}/24 dev {port}", self.space));
        ip(&format!("-n {} addr add {to}/24 dev {port}", self.space));
    }

    /// Sets rules of the machine's own firewall, in the language of `nft`.
    pub(super) fn firewall(&self, rules: &str) {
        run("ip", &["netns", "exec", &self.space, "nft", "-f", "-"], rules);
    }

    /// Drops what comes from an address, and sends there as before.
    pub(super) fn deaf_to(&self, address: &str) {
        self.firewall(&format!(
            "table ip deaf {{ chain in {{ type filter hook input priority 0; ip saddr {address} drop; }}; }}"
        ));
    }

    /// Takes [`Host::deaf_to`] back.
    pub(super) fn hears_again(&self) {
        self.firewall("delete table ip deaf");
    }

    /// Lets in only answers to what the machine itself asked, as a home router does.
    pub(super) fn behind_a_firewall(&self) {
        self.firewall(
            "table ip home { chain in { type filter hook input priority 0; policy drop; iif lo accept; \
             ct state established,related accept; ip protocol icmp accept; }; }",
        );
    }
}

/// Taken in by all that only want the machine.
impl std::ops::Deref for Host {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

/// Removes namespaces whose names begin so, and ends whatever still runs in them.
fn remove(prefix: &str) {
    let named = std::fs::read_dir(NAMED).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let names = named.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    for name in names.filter(|name| name.starts_with(prefix)) {
        let inside = Command::new("ip").args(["netns", "pids", &name]).output().map(|out| out.stdout);
        for pid in String::from_utf8_lossy(&inside.unwrap_or_default()).split_whitespace() {
            let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
        }
        let _ = Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status();
    }
}

/// Removes what test processes left behind that are no more.
fn sweep() {
    let named = std::fs::read_dir(NAMED).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    for entry in named {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()) else { continue };
        if !Path::new("/proc").join(pid).exists() {
            remove(&format!("{PREFIX}{pid}-"));
        }
    }
}

/// A team whose first member is its founder, once all of them stand in connection with all others.
pub(super) fn team(hosts: &[&Host]) {
    let founder = hosts[0];
    founder.run(&["init", "--team", "choir"]).good();
    for host in &hosts[1..] {
        joins(founder, host);
    }
}

/// Alice, bob and carol at one switch, at the addresses 10.77.0.1 to 10.77.0.3: one team that holds the same.
pub(super) fn three(network: &Network) -> [Host; 3] {
    let host = |(name, address): (&str, &str)| network.host(name, address, 0);
    let hosts = [("alice", "10.77.0.1"), ("bob", "10.77.0.2"), ("carol", "10.77.0.3")].map(host);
    let all = hosts.each_ref();
    team(&all);
    connected(&hosts[1], &["alice", "carol"]);
    connected(&hosts[0], &["carol"]);
    all_equal("all begin with the same", &all);
    hosts
}

/// A team whose founder relays, once these machines have joined it.
pub(super) fn relays(founder: &Host, others: [&Host; 2]) {
    founder.run(&["init", "--team", "choir"]).good();
    founder.run(&["config", "set", "network.relay", "true"]).good();
    founder.run(&["down"]).good();
    founder.run(&["up", "--detach"]).good();
    others.into_iter().for_each(|host| joins(founder, host));
}

/// Lets a machine join by a steward's ticket.
pub(super) fn joins(steward: &Host, host: &Host) {
    let listens = || steward.json(&["status"])["listen"].as_array().is_some_and(|all| all.len() > 1);
    until("the steward listens", listens);
    let ticket = steward.json(&["invite", "--role", ROLE])["ticket"].as_str().unwrap().to_owned();
    host.run(&["join", &ticket, "--bring", "none"]).good();
}

/// Waits until all of them hold the same.
#[track_caller]
pub(super) fn all_equal(what: &str, hosts: &[&Host]) {
    until(what, || {
        let first = hosts[0].state_hash();
        hosts[1..].iter().all(|host| host.state_hash() == first)
    });
}

/// How a machine sees another one.
#[track_caller]
pub(super) fn peer(of: &Host, name: &str) -> Value {
    of.json(&["peers", "show", name])
}

/// Waits until a machine stands in connection with all of these, as members.
#[track_caller]
pub(super) fn connected(host: &Host, names: &[&str]) {
    until(&format!("{} is connected with {names:?}", host.name), || {
        names.iter().all(|name| {
            let view = host.run(&["--json", "peers", "show", name]);
            view.code == 0 && view.json()["connected"] == true && view.json()["trust"] == "VERIFIED"
        })
    });
}

/// Waits until a machine has noticed that another one is not to be reached, and that it names this reason for it, in what
/// it says of the peer as well as in its answer to why a fact is not there.
#[track_caller]
pub(super) fn out_of_reach(host: &Host, name: &str, fact: &str, reasons: &[&str]) {
    until(&format!("{} knows why {name} is away", host.name), || {
        let view = peer(host, name);
        let code = view["health"]["last_error"]["reason"]["code"].as_str().unwrap_or_default().to_owned();
        view["connected"] == false && reasons.contains(&code.as_str())
    });
    let why = host.json(&["why", fact, name]);
    assert_eq!((&why["held"], &why["findings"][0]["code"]), (&false.into(), &"no_route".into()), "{why:#}");
    let listed = host.run(&["peers", "list"]).good().stdout;
    assert!(listed.contains(name), "{listed}");
    until(&format!("the doctor of {} names {name}", host.name), || {
        let findings = sync_checked(host)["findings"].clone();
        findings.as_array().is_some_and(|all| all.iter().any(|one| one["what"].to_string().contains(name)))
    });
}

/// Waits until each of them knows that all others hold a fact, and no doctor finds anything between them.
#[track_caller]
pub(super) fn at_ease(fact: &str, hosts: &[&Host]) {
    for host in hosts {
        for other in hosts.iter().filter(|other| other.name != host.name) {
            until(&format!("{} knows that {} has the fact", host.name, other.name), || {
                host.json(&["why", fact, &other.name])["held"] == true
            });
        }
        until(&format!("the doctor of {} finds nothing", host.name), || sync_checked(host)["state"] == "ok");
    }
}

/// What the doctor of a machine says about the exchange with others.
#[track_caller]
fn sync_checked(host: &Host) -> Value {
    let found = host.run(&["--json", "doctor"]).json();
    found["checks"].as_array().unwrap().iter().find(|check| check["check"] == "sync").unwrap().clone()
}

/// The texts of all facts of a machine.
#[track_caller]
pub(super) fn texts(host: &Host) -> Vec<String> {
    let facts = host.json(&["facts", "list", "--limit", "1000"]);
    facts.as_array().unwrap().iter().map(|fact| fact["content"].as_str().unwrap().to_owned()).collect()
}

/// Each of these texts is on each of these machines.
#[track_caller]
pub(super) fn nothing_is_lost(written: &[String], hosts: &[&Host]) {
    for host in hosts {
        let held = texts(host);
        let lost: Vec<&String> = written.iter().filter(|text| !held.contains(text)).collect();
        assert!(lost.is_empty(), "{} lacks {lost:?}", host.name);
        assert!(host.json(&["verify"])["problems"].as_array().unwrap().is_empty());
    }
}

/// Writes a few facts and gives their texts.
#[track_caller]
pub(super) fn writes(host: &Host, when: &str, count: usize) -> Vec<String> {
    let text = |number| format!("{} wrote number {number} {when}", host.name);
    let texts: Vec<String> = (0..count).map(text).collect();
    texts.iter().for_each(|text| drop(host.remember(text)));
    texts
}

/// Waits until a machine has a message.
#[track_caller]
pub(super) fn arrives(host: &Host, text: &str) {
    until(&format!("{} has the message", host.name), || host.json(&["inbox"]).to_string().contains(text));
}

/// How many messages wait in a machine's outbox.
#[track_caller]
pub(super) fn waiting(host: &Host) -> usize {
    messages_that_wait(&host.json(&["outbox", "list"]))
}
