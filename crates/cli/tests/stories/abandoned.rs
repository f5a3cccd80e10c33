//! Agents that begin a session and never come back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::Machine;

/// Sessions that are begun.
const SESSIONS: usize = 10_000;
/// Sessions of agents that do not even wait for the answer.
const HASTY: usize = 1_000;
/// Sessions that are used, and ended, before it is measured.
const USED: usize = 200;
/// Sessions that a node keeps at most.
const KEPT_MAX: usize = 64;
/// Agents that do so at the same time.
const AGENTS: usize = 8;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A node has come to rest when its memory stays as it is for so many looks. What it holds for the next question it lets
/// go after two seconds.
const LOOKS_AT_REST: usize = 20;
/// In this time each kept session is asked about once: longer than any may be silent, however few they are.
const ASKED_WITHIN: Duration = Duration::from_secs(64);
/// After this long a wait is a hang.
const HANG: Duration = Duration::from_secs(180);

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

    fn send(&self, method: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).unwrap();
        let head = format!(
            "{method} /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        stream
    }

    /// Begins a session, and is gone as soon as it knows its name.
    fn abandon(&self) -> String {
        let head = head_of(self.send("POST", "", INITIALIZE));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
        line.trim().to_owned()
    }

    /// Abandons many sessions, and more before the answer; gives the names of the others.
    fn abandon_many(&self) -> Vec<String> {
        let begun = Mutex::new(Vec::with_capacity(SESSIONS));
        at_once(SESSIONS, |_| {
            let session = self.abandon();
            begun.lock().unwrap().push(session);
        });
        at_once(HASTY, |_| drop(self.send("POST", "", INITIALIZE)));
        begun.into_inner().unwrap()
    }

    /// Begins a session, works in it, and ends it.
    fn work(&self) {
        let session = format!("mcp-session-id: {}\r\n", self.abandon());
        for (body, status) in [(INITIALIZED, "202"), (TOOLS, "200"), (RECALL, "200")] {
            assert_eq!(status_of(&all_of(self.send("POST", &session, body))), status);
        }
        let gone = status_of(&head_of(self.send("DELETE", &session, "")));
        assert!(gone.starts_with('2'), "{gone}");
    }

    /// Which of these it still has.
    fn kept_of(&self, sessions: &[String]) -> Vec<String> {
        let kept = Mutex::new(Vec::new());
        at_once(sessions.len(), |number| {
            if self.knows(&sessions[number]) {
                kept.lock().unwrap().push(sessions[number].clone());
            }
        });
        kept.into_inner().unwrap()
    }

    /// Waits until those that nobody asks about are gone. A session that is asked about starts anew to be silent, so each
    /// is asked about once. There may be none, if those whose names nobody knows took all places.
    fn end_of(&self, kept: &[String]) {
        let pause = ASKED_WITHIN / u32::try_from(kept.len().max(1)).unwrap();
        let gone = kept.is_empty()
            || kept.iter().any(|session| {
                std::thread::sleep(pause);
                !self.knows(session)
            });
        assert!(gone, "{} sessions are kept", kept.len());
    }

    fn knows(&self, session: &str) -> bool {
        let head = head_of(self.send("GET", &format!("mcp-session-id: {session}\r\n"), ""));
        match status_of(&head).as_str() {
            "200" => true,
            "404" => false,
            other => panic!("{other}: {head}"),
        }
    }

    /// Its memory once that stays the same, give or take a hundredth.
    fn at_rest(&self) -> u64 {
        let began = Instant::now();
        let mut seen = Vec::new();
        while began.elapsed() < HANG {
            seen.push(self.resident());
            if let Some(last) = seen.len().checked_sub(LOOKS_AT_REST).map(|from| &seen[from..]) {
                let (least, most) = (last.iter().min().unwrap(), last.iter().max().unwrap());
                if most - least <= least / 100 {
                    return *most;
                }
            }
            std::thread::sleep(LOOK);
        }
        panic!("its memory does not settle: {seen:?}")
    }

    /// Waits until it has no more memory than that, and says how much it has.
    fn at_most(&self, bound: u64) -> u64 {
        let began = Instant::now();
        loop {
            let resident = self.resident();
            if resident <= bound {
                return resident;
            }
            assert!(began.elapsed() < HANG, "{resident} bytes, and no more than {bound} should be left");
            std::thread::sleep(LOOK);
        }
    }
}

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"gone","version":"1"}}}"#
);

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const TOOLS: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
const RECALL: &str =
    r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"recall","arguments":{"query":"whiteboard"}}}"#;

fn status_of(answer: &str) -> String {
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// An answer with all that comes after its head. The node closes the connection after it.
fn all_of(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

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

/// The baseline is a node that has served agents, over HTTP as well, and come to rest: the pages of the program that an
/// agent needs are in memory then, and nothing of any agent is.
#[test]
fn ten_thousand_abandoned_sessions_leave_nothing_behind() {
    let node = Node::start();
    node.machine.remember("the whiteboard is in the small room");
    at_once(USED, |_| node.work());
    let before = node.at_rest();

    let begun = node.abandon_many();
    assert_eq!(begun.len(), SESSIONS);
    let full = node.resident();
    let kept = node.kept_of(&begun);
    assert!(kept.len() <= KEPT_MAX, "{} sessions are kept", kept.len());

    // Those that are left end by themselves, and their memory is given back.
    node.end_of(&kept);
    let after = node.at_most(before + before / 10);
    eprintln!(
        "{SESSIONS} sessions: {} KiB before, {} KiB with {} of them, {} KiB after",
        before / 1_024,
        full / 1_024,
        kept.len(),
        after / 1_024
    );
    assert_eq!(node.machine.recall("whiteboard"), ["the whiteboard is in the small room"]);
}
