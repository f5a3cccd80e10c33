//! A home that cannot be written, a port that somebody else has, two nodes that want one home.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{holder, kill, never_panicked};
use crate::common::{Machine, finish, skipped, until};

/// A directory that shows another one and cannot be written, while the value lives.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn view(of: &Path, at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mount =
            |args: &[&str]| Command::new("mount").args(args).arg(at).output().is_ok_and(|out| out.status.success());
        let bound = mount(&["--bind", &of.to_string_lossy()]);
        let view = bound.then(|| Self(at.to_owned()))?;
        mount(&["-o", "remount,ro,bind"]).then_some(view)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_home_that_cannot_be_written_is_named_and_is_as_it_was() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let alice = Machine::at("alice", home.path().join("h"));
    alice.remember("written before");
    alice.run(&["down"]).good();
    let at = dir.path().join("view");
    let Some(view) = ReadOnly::view(home.path(), &at) else {
        return skipped("a home that cannot be written", "this user may not mount a view of a directory");
    };
    let locked = Machine::at("alice", view.0.join("h"));
    for command in [&["up", "--detach"][..], &["remember", "too late"], &["recall", "before"]] {
        let run = locked.run(command);
        assert_ne!(run.code, 0, "{run:#?}");
        let told = run.stderr.to_lowercase();
        assert!(told.contains("read-only") && told.contains("\n  try: "), "{run:#?}");
        assert!(!told.contains("panicked"), "{run:#?}");
    }
    let words = locked.run(&["doctor"]);
    assert!(words.code == 1 && words.stdout.to_lowercase().contains("read-only"), "{words:#?}");
    drop(locked);
    drop(view);
    assert_eq!(alice.recall("before"), ["written before"]);
    assert_eq!(alice.run(&["doctor"]).code, 0);
}

#[test]
fn a_port_for_members_that_somebody_has_is_named_and_one_that_was_picked_is_picked_anew() {
    let alice = Machine::new("alice").without_env("ANTIPHON_LISTEN");
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let taken = format!("/ip4/127.0.0.1/tcp/{}", tcp.local_addr().unwrap().port());
    alice.run(&["up", "--detach", "--listen", &taken]).refused(1, &[&taken, "in use"]);
    let other = Machine::new("alice").without_env("ANTIPHON_LISTEN");
    let quic = format!("/ip4/127.0.0.1/udp/{}/quic-v1", udp.local_addr().unwrap().port());
    other.run(&["up", "--detach", "--listen", &quic]).refused(1, &[&quic, "in use"]);
    drop(tcp);
    alice.run(&["up", "--detach", "--listen", &taken]).good();

    // A port that the node picked by itself is its own only while it runs.
    let bob = Machine::new("bob");
    bob.remember("he has a port");
    let listens = || bob.json(&["status"])["listen"][0].as_str().unwrap().to_owned();
    until("bob listens", || bob.json(&["status"])["listen"][0].is_string());
    let before = listens();
    let port: u16 = before.split('/').nth(4).unwrap().parse().unwrap();
    bob.run(&["down"]).good();
    let _thief = TcpListener::bind(("127.0.0.1", port)).unwrap();
    bob.run(&["up", "--detach"]).good();
    until("bob listens", || bob.json(&["status"])["listen"][0].is_string());
    assert_ne!(listens(), before);
    assert_eq!(bob.recall("port"), ["he has a port"]);
}

#[test]
fn of_many_nodes_that_want_one_home_one_gets_it_also_after_a_kill() {
    let alice = Machine::new("alice");
    alice.remember("one home");
    for _ in 0..3 {
        kill(&alice);
        std::thread::scope(|scope| {
            let all: Vec<_> =
                (0..4).map(|_| scope.spawn(|| finish(alice.command(&["--json", "up", "--detach"]), b""))).collect();
            for run in all {
                run.join().unwrap().good();
            }
        });
        let holding = holder(&alice);
        let second = alice.run(&["up"]);
        second.refused(1, &["another node holds", &holding]);
        assert_eq!(alice.recall("home"), ["one home"]);
    }
    never_panicked(&alice);
}
