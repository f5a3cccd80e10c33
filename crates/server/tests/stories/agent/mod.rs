//! An agent, spoken for in plain JSON-RPC.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as Blocking;

use antiphon_server::ToolProfile;
use antiphon_server::client::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, ReadHalf, WriteHalf, split};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::common::Alice;

/// An agent that talks over standard input and output, as `antiphon mcp` carries it.
pub(crate) struct Agent {
    to: WriteHalf<UnixStream>,
    pub(crate) from: Lines<BufReader<ReadHalf<UnixStream>>>,
    pub(crate) pipe: JoinHandle<()>,
    next: u64,
}

/// What the program writes to. When the program ends, both pipes are closed.
struct Stdout(Blocking);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        // The agent may be gone.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Agent {
    pub(crate) async fn connect(alice: &Alice) -> Self {
        Self::with(alice, ToolProfile::Core).await
    }

    pub(crate) async fn with(alice: &Alice, profile: ToolProfile) -> Self {
        let mut agent = Self::silent(alice, profile);
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "claude-code", "version": "2.1"}});
        let hello = agent.ask("initialize", hello).await;
        assert_eq!(hello["result"]["protocolVersion"], "2025-11-25");
        assert!(hello["result"]["instructions"].as_str().unwrap().len() < 600);
        agent.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        agent
    }

    /// One that has said nothing yet.
    pub(crate) fn silent(alice: &Alice, profile: ToolProfile) -> Self {
        let (ours, theirs) = Blocking::pair().unwrap();
        let (read, write) = (theirs.try_clone().unwrap(), Stdout(theirs));
        let client = Client::new(alice.home.socket());
        let pipe = tokio::spawn(async move { client.mcp_stdio(profile, read, write).await.unwrap() });
        ours.set_nonblocking(true).unwrap();
        let (from, to) = split(UnixStream::from_std(ours).unwrap());
        Self { to, from: BufReader::new(from).lines(), pipe, next: 0 }
    }

    /// The next thing the node says.
    pub(crate) async fn hear(&mut self) -> Value {
        let line = self.from.next_line().await.unwrap().expect("the node closed");
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.to.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        loop {
            let line = self.from.next_line().await.unwrap().expect("the node closed");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    pub(crate) async fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": name, "arguments": arguments})).await["result"].clone()
    }

    /// Closes its end and reads what still comes.
    pub(crate) async fn leave(mut self) -> Vec<Value> {
        self.to.shutdown().await.unwrap();
        let mut rest = Vec::new();
        while let Some(line) = self.from.next_line().await.unwrap() {
            rest.push(serde_json::from_str(&line).unwrap());
        }
        self.pipe.await.unwrap();
        rest
    }
}

/// The text of a result.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}
