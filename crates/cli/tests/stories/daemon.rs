//! The daemon: started when it is needed, one per home, stopped cleanly.

use crate::common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};

use crate::common::{ANTIPHON, Machine, finish, until};

/// A process that is ended with the test.
struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn up(machine: &Machine, args: &[&str]) -> Foreground {
    let mut all = vec!["up"];
    all.extend(args);
    let mut command = machine.command(&all);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Foreground(command.spawn().unwrap())
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn the_first_command_starts_the_node_and_down_stops_it() {
    let alice = Machine::new("alice");
    alice.remember("started by a command");
    assert_eq!(alice.facts(), 1);
    alice.run(&["down"]).good();
    let idle = alice.run(&["down"]).good();
    assert!(idle.stdout.contains("no node is running"), "{idle:#?}");
    assert_eq!(alice.recall("command"), ["started by a command"], "a stopped node forgets nothing");
}

#[test]
fn no_start_refuses_with_a_hint() {
    let alice = Machine::new("alice");
    alice.run(&["--no-start", "status"]).refused(5, &["not running", "antiphon up"]);
    assert!(!alice.home().join("node.key").exists(), "a refused command leaves nothing behind");
}

#[test]
fn many_commands_at_once_share_one_node() {
    let alice = Machine::new("alice");
    std::thread::scope(|scope| {
        let ids: Vec<_> = (0..4)
            .map(|n| {
                scope.spawn({
                    let alice = &alice;
                    move || alice.remember(&format!("thought {n}"))
                })
            })
            .collect();
        for id in ids {
            assert!(!id.join().unwrap().is_empty());
        }
    });
    assert_eq!(alice.facts(), 4);
}

#[test]
fn the_foreground_node_says_where_it_is_and_stops_on_a_signal() {
    let alice = Machine::new("alice");
    let mut node = up(&alice, &[]);
    let mut lines = BufReader::new(node.0.stdout.take().unwrap()).lines();
    let mut seen = String::new();
    for line in lines.by_ref() {
        seen.push_str(&line.unwrap());
        seen.push('\n');
        if seen.contains("Ctrl-C") {
            break;
        }
    }
    let home = alice.home().display().to_string();
    // The program is not on the path here, so the next commands name it by its own.
    let invite = format!("{ANTIPHON} invite");
    for word in ["alice", "12D3KooW", &home, "127.0.0.1", "http://", "mcpServers", "recovery phrase", &invite] {
        assert!(seen.contains(word), "{word:?} is missing:\n{seen}");
    }
    signal(&node.0, "-TERM");
    assert!(node.0.wait().unwrap().success());
    assert!(!alice.home().join("control.sock").exists());
}

#[test]
fn a_second_node_on_one_home_learns_who_holds_it() {
    let alice = Machine::new("alice");
    alice.remember("held");
    let second = alice.run(&["up"]);
    second.refused(1, &["another node holds", "process", "antiphon"]);
    assert_eq!(alice.recall("held"), ["held"]);
}

#[test]
fn up_detached_twice_is_answered_by_the_same_node() {
    let alice = Machine::new("alice");
    let first = alice.json(&["up", "--detach"]);
    let again = alice.json(&["up", "--detach"]);
    assert_eq!(first["node_id"], again["node_id"]);
    assert!(!alice.log().contains("recovery"), "the phrase must not reach the log");
}

#[test]
fn a_taken_port_is_named_and_the_node_runs_all_the_same() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let alice = Machine::new("alice");
    let up = alice.run(&["up", "--detach", "--http", &address]).good();
    let said = format!("{}{}", up.stdout, up.stderr);
    assert!(said.contains(&address) && said.contains("--http 127.0.0.1:0"), "{said}");
    alice.remember("works without the web");
    assert_eq!(alice.facts(), 1);
}

#[test]
fn a_second_node_on_one_machine_has_a_dashboard_too() {
    let machines = ["alice", "bob"].map(Machine::new);
    // The tests' own settings would go before what a person gets who sets nothing.
    let run = |machine: &Machine, args: &[&str]| {
        let mut command = machine.command(args);
        command.env_remove("ANTIPHON_HTTP");
        finish(command, b"").good()
    };
    let up = |machine: &Machine| {
        let said = run(machine, &["up", "--detach", "--no-recovery"]).stdout;
        let status = run(machine, &["--json", "status"]).json();
        assert_eq!(status["problems"].to_string().matches("HTTP door").count(), 0, "{status:#}");
        (status["http"].as_str().expect("a door").to_owned(), said)
    };
    let first = machines.each_ref().map(up);
    assert_ne!(first[0].0, first[1].0);
    // Whoever of them found the usual port taken, by the other one or by a program that has nothing to do with it, says
    // so. It has the same place again when it comes back, whatever became of the usual one.
    let moved = |(url, _): &&(String, String)| !url.ends_with(":7411");
    assert!(first.iter().any(|one| moved(&one)));
    for (url, said) in first.iter().filter(moved) {
        let note = format!("http://127.0.0.1:7411 was taken by another program, so the dashboard is at {url}");
        assert!(said.contains(&note), "{said}");
    }
    for machine in &machines {
        run(machine, &["down"]);
        let found = run(machine, &["--json", "doctor"]).json();
        assert!(!found["checks"].to_string().contains("7411"), "a taken port is no problem: {found:#}");
    }
    let (again, _) = up(&machines[1]);
    assert!(moved(&&first[1]), "alice was first, or somebody before her");
    assert_eq!(again, first[1].0);
}

#[test]
fn an_unusable_listen_address_is_the_users_mistake() {
    let alice = Machine::new("alice");
    let mut command = alice.command(&["up"]);
    command.env("ANTIPHON_LISTEN", "localhost:7412");
    finish(command, b"").refused(2, &["localhost:7412", "/ip4/"]);
}

#[test]
fn the_childs_own_error_is_shown_when_it_cannot_start() {
    let alice = Machine::new("alice");
    let mut command = alice.command(&["remember", "too early"]);
    command.env("ANTIPHON_LISTEN", "nowhere");
    finish(command, b"").refused(2, &["nowhere", "/ip4/"]);
}

#[test]
fn mcp_speaks_through_the_daemon() {
    let alice = Machine::new("alice");
    let mut command = alice.command(&["mcp"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Foreground(command.spawn().unwrap());
    let mut stdin = child.0.stdin.take().unwrap();
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut ask = |message: &str| {
        writeln!(stdin, "{message}").unwrap();
        stdin.flush().unwrap();
    };
    ask(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
    );
    let hello: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25", "{hello:#}");
    ask(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    ask(
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"remember","arguments":{"content":"told over mcp"}}}"#,
    );
    let answer: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(answer["id"], 2, "{answer:#}");
    assert_ne!(answer["result"]["isError"], true, "{answer:#}");
    drop(stdin);
    assert!(child.0.wait().unwrap().success(), "the proxy ends with its stdin");
    let mut rest = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(alice.recall("mcp"), ["told over mcp"], "{rest}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let alice = Machine::new("alice");
    alice.remember("a line");
    let mut command = alice.command(&["facts", "list"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    child.wait().unwrap();
    assert_eq!(stderr, "");
}

#[test]
fn a_dead_daemons_socket_does_not_stand_in_the_way() {
    let alice = Machine::new("alice");
    alice.remember("before the crash");
    common::kill_holder(alice.home());
    until("the node is gone", || alice.run(&["--no-start", "status"]).code == 5);
    assert_eq!(alice.recall("crash"), ["before the crash"]);
}

/// A process that was killed takes connections until its last file is closed, and answers none of them.
#[test]
fn a_node_that_is_just_ending_is_waited_for() {
    let alice = Machine::new("alice");
    alice.remember("before the end");
    alice.run(&["down"]).good();
    let ending = UnixListener::bind(alice.home().join("control.sock")).unwrap();
    // It is looked whether anybody listens, and then the node is asked.
    let taken = std::thread::spawn(move || (0..2).for_each(|_| drop(ending.accept().unwrap())));
    alice.run(&["up", "--detach"]).good();
    taken.join().unwrap();
    assert_eq!(alice.recall("end"), ["before the end"]);
}

#[test]
fn completions_are_printed_for_every_shell() {
    let alice = Machine::new("alice");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(alice.run(&["completions", shell]).good().stdout.contains("antiphon"), "{shell}");
    }
}

#[test]
fn the_recovery_phrase_is_shown_once_and_never_logged() {
    let words = |value: &serde_json::Value| value["phrase"].as_str().map(|phrase| phrase.split(' ').count());
    let (alice, bob, carol) = (Machine::new("alice"), Machine::new("bob"), Machine::new("carol"));
    let first = alice.json(&["up", "--detach"]);
    assert_eq!(words(&first), Some(24), "{first:#}");
    assert_eq!(words(&alice.json(&["up", "--detach"])), None);
    assert!(!alice.log().contains(first["phrase"].as_str().unwrap()));
    let founded = bob.json(&["init", "--team", "choir"]);
    assert_eq!((words(&founded), &founded["team"]["name"]), (Some(24), &"choir".into()));
    assert_eq!(words(&carol.json(&["init", "--team", "choir", "--no-recovery"])), None);
    let dave = Machine::new("dave");
    let quiet = dave.run(&["remember", "a pipe reads this"]).good();
    assert!(quiet.stderr.contains("node.key") && !quiet.stderr.contains("recovery phrase"), "{quiet:#?}");
}
