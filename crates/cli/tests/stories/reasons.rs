//! What a person is told of a peer that cannot be reached or is refused, and that the command in the hint mends it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};

use crate::common::{Machine, invite, team_of_two, until};
use serde_json::Value;

fn peer(machine: &Machine, name: &str) -> Value {
    machine.json(&["peers", "show", name])
}

fn address(machine: &Machine) -> String {
    let listens = || machine.json(&["status"])["listen"][0].as_str().map(str::to_owned);
    until("it listens", || listens().is_some());
    listens().unwrap()
}

fn id(machine: &Machine) -> String {
    machine.json(&["status"])["node_id"].as_str().unwrap().to_owned()
}

/// Waits until a peer has this reason, and returns the command that is said to mend it.
#[track_caller]
fn ill(machine: &Machine, name: &str, reason: &str) -> String {
    until(&format!("{name} has {reason}"), || peer(machine, name)["health"]["last_error"]["reason"]["code"] == reason);
    let error = &peer(machine, name)["health"]["last_error"]["reason"];
    let hint = error["hint"].as_str().unwrap_or_else(|| panic!("no hint: {error:#}")).to_owned();
    assert!(error["text"].as_str().is_some_and(|text| text.contains(' ') && !text.contains('_')), "{error:#}");
    hint
}

/// Waits until nothing failed with a peer since the last success.
#[track_caller]
fn well(machine: &Machine, name: &str) {
    until(&format!("{name} is well"), || {
        let view = peer(machine, name);
        let failed = view["health"]["consecutive_failures"] != 0;
        view["trust"] == "VERIFIED" && view["reason"].is_null() && view["hint"].is_null() && !failed
    });
}

/// Runs a hint like `antiphon up --detach (on bob)` there, after filling in what it leaves open.
#[track_caller]
fn follow(hint: &str, on: &Machine, open: &[(&str, &str)]) {
    let command = hint.split([',', '(', ';']).next().unwrap().trim();
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"antiphon"), "{hint}");
    let fill =
        |word: &&str| open.iter().find(|(name, _)| name == word).map_or((*word).to_owned(), |(_, to)| (*to).to_owned());
    let words: Vec<String> = words[1..].iter().map(fill).collect();
    on.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).good();
}

#[test]
fn bob_who_was_stopped_is_refused_by_his_machine_until_he_is_up() {
    let (alice, bob) = team_of_two();
    well(&alice, "bob");
    let listens = address(&bob);
    bob.run(&["down"]).good();
    alice.run(&["peers", "handshake", &listens]).refused(5, &["network_refused"]);
    let hint = ill(&alice, "bob", "network_refused");
    assert!(hint.contains("(on bob)"), "{hint}");
    follow(&hint, &bob, &[]);
    well(&alice, "bob");
}

/// A server that is no node: it takes one connection after the other and does this with it.
fn server(does: fn(std::net::TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test's process.
    std::thread::spawn(move || listener.incoming().flatten().for_each(does));
    format!("/ip4/127.0.0.1/tcp/{port}")
}

/// Keeps a connection open for as long as the other side wants it.
fn wait(mut socket: std::net::TcpStream) {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
}

#[test]
fn an_address_that_does_not_lead_to_bob_is_told_by_its_reason_and_the_right_one_mends_it() {
    let (alice, bob) = team_of_two();
    well(&alice, "bob");
    let node = id(&bob);
    let causes = [
        ("network_dns", "/dns4/does-not-exist.invalid/tcp/1".to_owned()),
        ("network_timeout", server(|socket| drop(std::thread::spawn(move || wait_without_reading(&socket))))),
        (
            "network_tls",
            server(|mut socket| {
                let _ = socket.write_all(&[0x15; 256]);
                wait(socket);
            }),
        ),
        // A close with unread bytes resets the connection.
        ("network_reset", server(|socket| drop(socket.peek(&mut [0])))),
        (
            "network_eof",
            server(|mut socket| {
                let _ = socket.read(&mut [0; 4096]);
                let _ = socket.shutdown(Shutdown::Write);
                wait(socket);
            }),
        ),
    ];
    for (reason, wrong) in causes {
        bob.run(&["down"]).good();
        let told = alice.run(&["peers", "handshake", &format!("{wrong}/p2p/{node}")]);
        told.refused(5, &[reason]);
        bob.run(&["up", "--detach"]).good();
        let listens = address(&bob);
        until("bob answers", || alice.run(&["peers", "handshake", &listens]).code == 0);
        well(&alice, "bob");
    }
}

/// Says nothing and reads nothing until the other side has had enough.
fn wait_without_reading(socket: &std::net::TcpStream) {
    let _ = socket.set_read_timeout(Some(std::time::Duration::from_secs(60)));
    std::thread::sleep(std::time::Duration::from_secs(20));
}

#[test]
fn a_database_that_was_made_anew_is_refused_until_the_pin_is_reset() {
    let (alice, bob) = team_of_two();
    well(&alice, "bob");
    bob.run(&["down"]).good();
    for entry in std::fs::read_dir(bob.home()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "node.key" {
            std::fs::remove_file(path).unwrap();
        }
    }
    bob.run(&["up", "--detach"]).good();
    bob.run(&["join", &invite(&alice), "--bring", "none"]).good();
    let hint = ill(&alice, "bob", "identity_mismatch");
    assert!(alice.run(&["audit"]).good().stdout.contains("identity_mismatch"));
    follow(&hint, &alice, &[]);
    well(&alice, "bob");
}

#[test]
fn a_removed_member_comes_back_with_a_new_home_as_the_hint_says() {
    let (alice, bob) = team_of_two();
    well(&alice, "bob");
    let old = id(&bob);
    alice.run(&["team", "revoke", "bob", "--reason", "left"]).good();
    let hint = ill(&alice, &old, "revoked");
    assert!(hint.contains("antiphon invite --role ROLE") && hint.contains("never returns"), "{hint}");
    until("it is written down", || alice.run(&["audit"]).good().stdout.contains("revoked"));
    let again = Machine::new("robert");
    again.run(&["join", &invite(&alice), "--bring", "none"]).good();
    well(&alice, "robert");
}

#[test]
fn a_node_of_another_team_is_told_by_its_genes_until_it_joins() {
    let (alice, carol) = (Machine::new("alice"), Machine::new("carol"));
    alice.run(&["init", "--team", "choir"]).good();
    carol.run(&["init", "--team", "solo"]).good();
    let node = id(&carol);
    let told = alice.run(&["peers", "handshake", &address(&carol)]);
    told.refused(4, &["genome_mismatch"]);
    let hint = ill(&alice, &node, "genome_mismatch");
    follow(&hint, &alice, &[]);
    carol.run(&["join", &invite(&alice), "--bring", "none"]).good();
    until("carol is well", || peer(&alice, &node)["trust"] == "VERIFIED");
    well(&alice, &node);
}
