//! Agents that begin a session and never come back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::Machine;

/// Sessions that are begun.
const SESSIONS: usize = 10_000;
/// Sessions that are abandoned before it is measured: the door is full then, and the program has what it needs once.
const FIRST: usize = 2_500;
/// Sessions of agents that do not even wait for the answer, each time.
const HASTY: usize = 1_000;
/// Sessions that a node keeps at most.
const KEPT_MAX: usize = 64;
/// Agents that do so at the same time.
const AGENTS: usize = 8;

/// A node whose HTTP door takes as many sessions as come.
struct Node {
    machine: Machine,
    at: SocketAddr,
    token: String,
}

impl Node {
    fn start() -> Self {
        let machine = Machine::new("alice");
        std::fs::create_dir_all(machine.home()).unwrap();
        std::fs::write(machine.home().join("antiphon.toml"), "[http]\nsessions_per_minute = 1000000\n").unwrap();
        machine.run(&["up", "--detach"]).good();
        let url = machine.json(&["status"])["http"].as_str().unwrap().to_owned();
        let token = std::fs::read_to_string(machine.home().join("http.token")).unwrap();
        Self { at: url.strip_prefix("http://").unwrap().parse().unwrap(), token: token.trim().to_owned(), machine }
    }

    /// Memory that it has, in bytes.
    fn resident(&self) -> u64 {
        let pid = std::fs::read_to_string(self.machine.home().join("node.lock")).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1_024
    }

    fn send(&self, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{headers}content-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        stream
    }

    /// Begins a session, and is gone as soon as it knows its name.
    fn abandon(&self) -> String {
        let head = head_of(self.send("", INITIALIZE));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
        line.trim().to_owned()
    }

    /// Abandons many sessions, and more before the answer; gives the names of the others.
    fn abandon_many(&self, count: usize) -> Vec<String> {
        let begun = Mutex::new(Vec::with_capacity(count));
        at_once(count, |_| {
            let session = self.abandon();
            begun.lock().unwrap().push(session);
        });
        at_once(HASTY, |_| drop(self.send("", INITIALIZE)));
        begun.into_inner().unwrap()
    }

    /// How many of these it still has.
    fn kept_of(&self, sessions: &[String]) -> usize {
        let kept = AtomicUsize::new(0);
        at_once(sessions.len(), |number| {
            kept.fetch_add(usize::from(self.knows(&sessions[number])), Ordering::Relaxed);
        });
        kept.into_inner()
    }

    fn knows(&self, session: &str) -> bool {
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let head = head_of(self.send(&format!("mcp-session-id: {session}\r\n"), body));
        match head.split(' ').nth(1).unwrap() {
            "202" => true,
            "404" => false,
            other => panic!("{other}: {head}"),
        }
    }
}

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"gone","version":"1"}}}"#
);

fn head_of(mut stream: TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read(&mut byte).unwrap(), 0, "{}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Runs `each` for `0..count`, several at a time.
fn at_once(count: usize, each: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AGENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    each(number);
                }
            });
        }
    });
}

#[test]
fn ten_thousand_abandoned_sessions_leave_nothing_behind() {
    let node = Node::start();
    node.kept_of(&node.abandon_many(FIRST));
    let before = node.resident();
    let begun = node.abandon_many(SESSIONS);
    assert_eq!(begun.len(), SESSIONS);
    let kept = node.kept_of(&begun);
    assert!(kept <= KEPT_MAX, "{kept} sessions are kept");
    let after = node.resident();
    eprintln!("{SESSIONS} sessions: {kept} kept, {} KiB before, {} KiB after", before / 1_024, after / 1_024);
    // A session takes some 50 KiB. What the allocator keeps of those that came and went differs by a tenth between runs.
    assert!(after <= before + before / 4, "{before} bytes before, {after} after");
    node.machine.remember("the node goes on as before");
}
