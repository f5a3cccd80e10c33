//! A member that is not Antiphon: js-libp2p with a member's key takes part, and without one it gets nothing.
//!
//! Needs Node 22 and the packages of `tests/js/package.json`: `ANTIPHON_TEST_JS` names a directory into which they were
//! installed. `.ci/run` does that.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Machine, team_of_two, until};
use antiphon_core::dht::{Key, Topic};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::handshake::{Proof, Request};
use antiphon_store::{Db, Options};
use data_encoding::HEXLOWER;

/// What a run of the script said, one line after the other.
struct Said(Vec<String>);

impl Said {
    /// The lines about one thing.
    fn about(&self, what: &str) -> Vec<&str> {
        let begin = format!("{{\"what\":\"{what}\"");
        self.0.iter().filter(|line| line.starts_with(&begin)).map(String::as_str).collect()
    }

    fn check(&self, what: &str, words: &[&str]) {
        let lines = self.about(what);
        assert!(!lines.is_empty(), "nothing about {what}: {:#?}", self.0);
        for line in lines {
            for word in words {
                assert!(line.contains(word), "{word:?} is not in {line}; all: {:#?}", self.0);
            }
        }
    }
}

fn installed() -> Option<PathBuf> {
    let dir = std::env::var_os("ANTIPHON_TEST_JS").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: ANTIPHON_TEST_JS does not name a directory with the packages of tests/js/package.json");
    }
    dir
}

/// Runs the script with what it is told, as JSON.
async fn run(packages: &Path, told: String) -> Said {
    let dir = tempfile::tempdir().unwrap();
    // Modules are looked for beside the script that imports them.
    let script = packages.join("member.mjs");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/member.mjs"), &script).unwrap();
    let file = dir.path().join("told.json");
    std::fs::write(&file, told).unwrap();
    let mut node = Command::new(packages.join("node_modules/.bin/node"));
    node.arg(script).arg(&file);
    let output = tokio::task::spawn_blocking(move || node.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    Said(text.lines().map(str::to_owned).collect())
}

/// The request of a handshake that a member's node would send, from its database.
fn template(home: &Path) -> Vec<u8> {
    let db = Db::open(home, Options { durable: true }, None).unwrap();
    let reader = db.reader();
    let own = reader.own().unwrap().unwrap();
    let genome = reader.founding_genome().unwrap().with(reader.charter().unwrap().membership().genes());
    let opening = reader.event_at(LogId::new(own.store, Stream::Shared), 1).unwrap().unwrap();
    let proof = Proof {
        path: reader.grant_path(&own.node).unwrap(),
        store: Some(own.store),
        opening: Some(opening.into_unverified()),
        ..Proof::default()
    };
    let request = Request {
        from: own.node,
        from_name: own.name,
        team: own.team,
        genome: genome.hash(),
        timestamp: UnixMillis(0),
        nonce: [0; 32],
        agent_version: "js-libp2p".into(),
        proof,
    };
    request.encode()
}

/// What the script is to do: it meets some, and looks for bob and what he has said.
async fn task(meets: &[&Machine], bob: &Machine, seed: &[u8], template: Option<Vec<u8>>, topic: &Topic) -> String {
    let status = bob.handle.dht_status().await.unwrap();
    let record = Key::Member(id(bob).await).path(&status.prefix);
    let mut peers = Vec::new();
    for machine in meets {
        let listen = machine.handle.status().await.unwrap().listen;
        let (address, id) = listen[0].split_once("/p2p/").unwrap();
        peers.push(format!(r#"{{"id":"{id}","address":"{address}"}}"#));
    }
    let template = template.map(|bytes| format!(r#""template":"{}","#, HEXLOWER.encode(&bytes))).unwrap_or_default();
    format!(
        r#"{{{template}"seed":"{}","protocol":"{}","listen":"/ip4/127.0.0.1/tcp/0","peers":[{}],"record":"{record}","provider":"{}","find":"{}"}}"#,
        HEXLOWER.encode(seed),
        status.prefix.protocol(),
        peers.join(","),
        HEXLOWER.encode(&topic.multihash()),
        id(bob).await,
    )
}

async fn id(machine: &Machine) -> NodeId {
    machine.handle.status().await.unwrap().node_id
}

async fn has_told_everything(machine: &Machine) {
    until(&format!("{} has told everything", machine.name), async || {
        let status = machine.handle.dht_status().await.unwrap();
        status.items > 0 && status.waiting == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_on_js_libp2p_takes_part_and_a_stranger_gets_nothing() {
    let Some(packages) = installed() else { return };
    let (mut alice, mut bob) = team_of_two().await;
    let mut dora = Machine::start("dora").await;
    dora.joins(&alice).await;
    dora.stop().await;
    let home = dora.dir.path().join("home");
    let seed = antiphon_vault::file::load(&home.join("node.key")).unwrap().libp2p_seed();
    let topic = Topic::Content(Hash::of(b"a document"));
    bob.handle.dht_provide(&topic).await.unwrap();
    has_told_everything(&alice).await;
    has_told_everything(&bob).await;
    let bob_id = id(&bob).await.to_string();
    let kad = alice.handle.dht_status().await.unwrap().prefix.protocol();

    let told = task(&[&alice, &bob], &bob, seed.as_slice(), Some(template(&home)), &topic).await;
    let said = run(&packages, told).await;
    assert_eq!(said.about("connected").len(), 2, "{:#?}", said.0);
    said.check("connected", &[r#""peer""#]);
    assert_eq!(said.about("greeted").len(), 2, "{:#?}", said.0);
    said.check("greeted", &[r#""trust":"VERIFIED""#, r#""matches":true"#, r#""fresh":true"#]);
    said.check("kad", &[r#""peer""#]);
    said.check("table", &[r#""size":2"#]);
    said.check("peer", &[&bob_id, "/ip4/127.0.0.1/tcp/"]);
    let card = bob.handle.dht_get_value(&bob_id).await.unwrap();
    said.check("record", &[&format!(r#""value":"{}""#, HEXLOWER.encode(&card.value))]);
    said.check("providers", &[&bob_id]);
    assert!(alice.sees("dora").await.last_seen.is_some());

    let told = task(&[&alice], &bob, &[9; 32], None, &topic).await;
    let said = run(&packages, told).await;
    assert_eq!(said.about("connected").len(), 1, "a stranger may knock: {:#?}", said.0);
    for line in said.about("protocols") {
        let open = ["handshake", "join", "ping", "/ipfs/id"];
        let gated = [kad.as_str(), "sync", "outbox", "blocks", "backup", "query", "relay", "dcutr", "autonat"];
        assert!(open.iter().any(|name| line.contains(name)), "{line}");
        assert!(gated.iter().all(|name| !line.contains(name)), "{line}");
    }
    said.check("kad", &["error"]);
    said.check("table", &[r#""size":0"#]);
    said.check("record", &["error"]);
    said.check("providers", &["error"]);
    said.check("peer", &["error"]);
    alice.stop().await;
    bob.stop().await;
}
