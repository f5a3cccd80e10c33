//! Writes the seeds of `fuzz/corpus`: what the test vectors hold, and what the encoders make. A fuzzer that begins with
//! sound inputs finds its way past the first checks at once.
//!
//! `cargo run -p antiphon-fuzzed --example seeds`
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use antiphon_core::announce::{FederationConfig, StorageConfig};
use antiphon_core::cbor;
use antiphon_core::content::Manifest;
use antiphon_core::custody::{Custody, Gap, Stuck};
use antiphon_core::event::{Event, Payload, Provenance, SourceKind, Unverified};
use antiphon_core::fact::Level;
use antiphon_core::genome::Genome;
use antiphon_core::ids::{FactId, Hash, NodeId, ResourceId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::outbox::Place;
use antiphon_core::possession::{Claim, Possession};
use antiphon_core::resource::Stamp;
use antiphon_core::resource::notice::{Consider, Plan, Removal, Verify, Whole, Window};
use antiphon_core::resource::question;
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use antiphon_core::trail::{Act, Operation, TrailId};
use antiphon_core::value::Value as Field;
use antiphon_fuzzed::laws::join_parts;
use antiphon_fuzzed::signed::{TEAM, alice};
use antiphon_protocol::query::{Query, recall};
use antiphon_protocol::replication::{About, Offer};
use antiphon_protocol::{backup, blocks, frame, handshake, join, outbox, replication, sync, ticket};
use antiphon_vault::sealed_copy::{self, Part, RawEvent};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

/// So many cases of the vectors of events become seeds: they resemble each other.
const EVENT_CASES: usize = 24;
const AT: UnixMillis = UnixMillis(1_790_000_000_000);
const STORE: StoreId = StoreId([3; 16]);
const LOG: LogId = LogId { store: STORE, stream: Stream::Shared };
const HEAD: Head = Head { seq: 7, hash: Hash([4; 32]) };

fn main() {
    from_vectors();
    of_values();
    of_messages();
    of_texts();
    of_doors();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let dir = root().join("fuzz/corpus").join(target);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(format!("seed-{name}")), bytes).unwrap();
}

/// A seed of a target whose first byte chooses.
fn chosen(target: &str, name: &str, which: u8, bytes: &[u8]) {
    seed(target, name, &[&[which], bytes].concat());
}

fn vectors(name: &str) -> Value {
    serde_json::from_slice(&fs::read(root().join("vectors").join(format!("{name}.json"))).unwrap()).unwrap()
}

/// The bytes that stand there in hex; none where there is something else.
fn hex(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| HEXLOWER.decode(text.as_bytes()).ok()).unwrap_or_default()
}

fn from_vectors() {
    let mut number = 0;
    for case in vectors("events").as_array().unwrap().iter().take(EVENT_CASES) {
        for event in case["events"].as_array().into_iter().flatten() {
            let (header, payload) = (hex(&event["header"]), event.get("payload").filter(|it| it.is_string()).map(hex));
            seed("event_header", &number.to_string(), &header);
            seed("event", &number.to_string(), &join_parts(&header, payload.as_deref().unwrap_or_default()));
            if let Some(payload) = payload {
                seed("event_payload", &number.to_string(), &payload);
            }
            number += 1;
        }
    }
    for (n, case) in vectors("charter").as_array().unwrap().iter().enumerate() {
        let path = hex(&case["path"]);
        seed("grant_path", &n.to_string(), &path);
        records(n, &path);
    }
    for (n, case) in vectors("genome").as_array().unwrap().iter().enumerate() {
        if case["genome"].is_string() {
            seed("genome", &n.to_string(), &hex(&case["genome"]));
        }
    }
    for (n, case) in vectors("dht").as_array().unwrap().iter().enumerate() {
        chosen("dht_record", &n.to_string(), 0, &hex(&case["record"]));
        if let Some(key) = case["key"].as_str() {
            seed("dht_key", &n.to_string(), key.as_bytes());
        }
    }
    for (n, case) in vectors("messages").as_array().unwrap().iter().enumerate() {
        seed("letter", &n.to_string(), &hex(&case["signed"]));
    }
    for (n, case) in vectors("addresses")["addresses"].as_array().unwrap().iter().enumerate() {
        seed("address", &n.to_string(), case["text"].as_str().unwrap().as_bytes());
    }
}

/// The records of a path, each as its number and its payload.
fn records(n: usize, path: &[u8]) {
    let Ok(path) = antiphon_core::charter::GrantPath::decode(path) else { return };
    let bytes = path.encode();
    let mut input = minicbor::Decoder::new(&bytes);
    for at in 0..input.array().unwrap().unwrap() {
        input.array().unwrap();
        let header = input.bytes().unwrap().to_vec();
        let payload = input.bytes().unwrap().to_vec();
        input.skip().unwrap();
        let event = Event::<Unverified>::parse(header, Some(payload.clone()), None).unwrap();
        let number = u8::try_from(event.header().action.number()).unwrap();
        chosen("charter_record", &format!("{n}-{at}"), number, &payload);
    }
}

fn clock() -> NodeClock {
    NodeClock::from_iter([(LOG, HEAD), (LogId { store: STORE, stream: Stream::Charter }, HEAD)])
}

fn of_values() {
    let list = Field::List(vec![Field::Uint(1), Field::Text("a".into()), Field::Bool(true), Field::Bytes(vec![1; 20])]);
    seed("cbor", "list", &cbor::encode(|out| list.encode(out)));
    let fields = BTreeMap::from([(0, Field::Text("Retries are done.".into())), (1, Field::Uint(1)), (5, list)]);
    let provenance = Provenance { agent: Some("claude".into()), source: Some(SourceKind::Agent), ..Default::default() };
    let payload = Payload { salt: [5; 16], provenance, fields };
    seed("event_payload", "fact", &payload.encode(Stream::Shared).unwrap());
    let blocks: Vec<Hash> = (0..5).map(|n| Hash([n; 32])).collect();
    let (manifest, _) = Manifest::of_blocks(1_200_000, &blocks).unwrap();
    seed("manifest", "five", &manifest.encode());
    let mut act = Act {
        at: AT,
        operation: Operation::Retrieve,
        node: NodeId([3; 32]),
        address: "ucxl://alice/qa/api/retry/x".into(),
        role: Some("qa".into()),
        content_type: Some("text/plain".into()),
        size: Some(5),
        error: None,
        trail: TrailId([6; 16]),
    };
    seed("trail", "done", &act.encode());
    act.error = Some("not_permitted".into());
    seed("trail", "refused", &act.encode());
    seed("gene_path", "two", &[&1_u64.to_be_bytes()[..], &2_u64.to_be_bytes(), &[7; 32]].concat());
    let storage = StorageConfig { at: AT, offers: true, quota_bytes: 1 << 30, used_bytes: 5 };
    chosen("announcement", "storage", 0, &storage.encode());
    let federation = FederationConfig {
        at: AT,
        sends: true,
        takes: true,
        paused: false,
        up_to: Level::Domain,
        all_domains: true,
        agent: "antiphon/0.1.0".into(),
    };
    chosen("announcement", "federation", 1, &federation.encode());
    chosen("announcement", "item", 2, &[&[0; 16][..], &federation.encode()].concat());
    signed_values();
    resources();
    let mut part = Part::new(STORE, 3);
    let event = RawEvent { header: vec![1; 40], payload: Some(vec![2; 40]), signature: Some(Signature([3; 64])) };
    drop(part.push(event).unwrap());
    seed("sealed_copy", "one", &sealed_copy::encode(&part).unwrap());
}

fn signed_values() {
    let alice = alice();
    let custody = Custody {
        team: TEAM,
        node: alice.node_id(),
        store: STORE,
        at: AT,
        heads: clock(),
        gaps: vec![Gap { log: LOG, first: 2, last: 3 }],
        stuck: vec![Stuck { log: LOG, seq: 5, reason: "unknown_action".into() }],
    };
    seed("custody_receipt", "two", &custody.encode());
    let possession = Possession {
        team: TEAM,
        holder: alice.node_id(),
        store: STORE,
        asker: NodeId([2; 32]),
        at: AT,
        nonce: [5; 32],
        claims: vec![
            (Hash([1; 32]), Claim::Whole { digest: Some(Hash([2; 32])) }),
            (Hash([3; 32]), Claim::Whole { digest: None }),
            (Hash([4; 32]), Claim::Missing),
            (Hash([5; 32]), Claim::Damaged),
        ],
    };
    seed("possession", "four", &possession.encode());
}

fn resources() {
    let id = ResourceId([4; 16]);
    let stamp = Stamp { at: AT, version: 3 };
    let window = Window { from: AT, until: UnixMillis(AT.0 + 1_000), note: Some("half of it".into()) };
    chosen("resource", "removal", 1, &Removal { id, stamp }.encode());
    chosen("resource", "whole", 2, &Whole { at: AT, ids: [id].into() }.encode());
    chosen("resource", "ask", 3, &Verify::Ask { id }.encode());
    chosen("resource", "told", 3, &Verify::Answer { id, held: Some(stamp) }.encode());
    chosen("resource", "plan", 4, &Plan::new(id, AT, vec![window]).encode());
    let until = UnixMillis(AT.0 + 1_000);
    chosen("resource", "consider", 5, &Consider { id, at: AT, from: AT, until, yes: true, note: None }.encode());
    let question = question::Question { text: "gpu".into(), limit: 5, ..Default::default() };
    chosen("resource", "question", 6, &question.encode());
    chosen("resource", "answer", 7, &question::Answer::default().encode());
}

fn of_messages() {
    sync_messages();
    let (root, nonce) = (Hash([1; 32]), [5; 32]);
    let what = || blocks::What::Blocks(vec![0..3, 5..6]);
    let all = [
        blocks::Message::Want { root, what: what() },
        blocks::Message::Want { root, what: blocks::What::Manifest(root) },
        blocks::Message::Missing { root, what: what() },
        blocks::Message::Block(blocks::Block { root, n: 3, bytes: vec![7; 50] }),
        blocks::Message::Busy,
        blocks::Message::Bye,
    ];
    all.iter().enumerate().for_each(|(n, message)| seed("blocks", &n.to_string(), &message.encode()));
    let offer =
        Offer { root, length: 300_000, priority: antiphon_core::replication::Priority::from_name("high").unwrap() };
    let all = [
        replication::Message::Ask { id: 3, nonce, about: vec![About { root, blocks: vec![0, 2] }] },
        replication::Message::Offer { id: 4, offer },
        replication::Message::Working(4),
        replication::Message::Bye,
    ];
    all.iter().enumerate().for_each(|(n, message)| seed("replication", &n.to_string(), &message.encode()));
    outbox_messages();
    let span = backup::Span { store: STORE, first: 1, last: 9 };
    chosen("backup", "put", 0, &backup::Request::Put { span, sealed: vec![9; 60] }.encode());
    chosen("backup", "list", 0, &backup::Request::List.encode());
    chosen("backup", "get", 0, &backup::Request::Get { store: STORE, first: 1 }.encode());
    let kept = backup::Kept { span, bytes: 60 };
    chosen("backup", "copies", 1, &backup::Response::Copies(vec![kept]).encode());
    chosen("backup", "part", 1, &backup::Response::Part { span, sealed: vec![9; 60] }.encode());
    handshakes();
    let question =
        recall::Question { text: "retries".into(), limit: 5, level: Some(Level::Project), ..Default::default() };
    chosen("query", "asked", 0, &Query::Recall(question.clone()).encode());
    chosen("query", "question", 2, &question.encode());
    chosen("query", "answer", 3, &recall::Answer { up_to: Some(Level::Module), found: vec![told()] }.encode());
}

fn told() -> recall::Told {
    recall::Told {
        id: FactId([6; 16]),
        text: "Retries are done.".into(),
        level: Level::Module,
        domain: Some("api".into()),
        module: None,
        tags: vec!["retry".into()],
        role: None,
        agent: Some("claude".into()),
        source: Some(SourceKind::Agent),
        created_at: AT,
        updated_at: AT,
        stale: false,
        archived: false,
    }
}

fn sync_messages() {
    let clock = sync::Clock { heads: clock(), takes: true, asks: true, partings: NodeClock::default() };
    let events: Vec<Event<Unverified>> = vectors("events")[0]["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| {
            Event::parse(hex(&event["header"]), event.get("payload").filter(|it| it.is_string()).map(hex), None).ok()
        })
        .collect();
    let log = events.first().map_or(LOG, Event::log);
    let events: Vec<_> = events.into_iter().filter(|event| event.log() == log).collect();
    let all = [
        sync::Message::Clock(clock),
        sync::Message::Digest(Hash([1; 32])),
        sync::Message::Page(sync::Page { log, events: events.clone() }),
        sync::Message::Branch(sync::Page { log, events }),
        sync::Message::Ack { log: LOG, head: HEAD },
        sync::Message::Nack { log: LOG, head: HEAD, reason: None },
        sync::Message::Trace { log: LOG, points: vec![HEAD] },
        sync::Message::Want { log: LOG, seqs: vec![1, 2, 5] },
        sync::Message::Receipts { receipts: Vec::new(), list: None },
        sync::Message::Bye,
    ];
    for (n, message) in all.iter().enumerate() {
        seed("sync_frame", &n.to_string(), &frame::encode(message));
        seed("sync_frame", &format!("{n}-bare"), &message.encode());
    }
}

fn outbox_messages() {
    let place = Place { era: 7, n: 3 };
    // A frame of items as bytes: nobody outside of the protocol makes one.
    let items = cbor::encode(|out| {
        cbor::map(out, 5);
        [0, 2, 1, 7, 2, 1, 3].into_iter().for_each(|number| cbor::uint(out, number));
        cbor::array(out, 1);
        cbor::array(out, 5);
        [3, 1, 1].into_iter().for_each(|number| cbor::uint(out, number));
        cbor::bytes(out, &[5; 16]);
        cbor::bytes(out, b"a request");
        cbor::uint(out, 4);
        cbor::uint(out, 2);
    });
    seed("outbox_frame", "items-bare", &items);
    seed("outbox_frame", "items", &outbox::Message::decode(&items).unwrap().to_frame());
    let refused = outbox::Outcome::Refused(outbox::Refusal::named("too_large"));
    let results =
        vec![(3, outbox::Outcome::Taken), (4, outbox::Outcome::Had), (5, refused), (6, outbox::Outcome::Busy)];
    let all = [
        outbox::Message::Hello { store: STORE, delivered: Some(place) },
        outbox::Message::Greeting { last: Some(place), lost: true },
        outbox::Message::Taken { era: 7, results },
        outbox::Message::Bye,
    ];
    for (n, message) in all.iter().enumerate() {
        seed("outbox_frame", &n.to_string(), &message.to_frame());
        seed("outbox_frame", &format!("{n}-bare"), &message.encode());
    }
}

fn handshakes() {
    let path = vectors("charter")
        .as_array()
        .unwrap()
        .iter()
        .find_map(|case| antiphon_core::charter::GrantPath::decode(&hex(&case["path"])).ok());
    let proof = handshake::Proof {
        path: path.clone(),
        store: Some(STORE),
        opening: None,
        charter: NodeClock::from_iter([(LogId { store: STORE, stream: Stream::Charter }, HEAD)]),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
    };
    let request = handshake::Request {
        from: NodeId([2; 32]),
        from_name: "bob".into(),
        team: TEAM,
        genome: Hash([8; 32]),
        timestamp: AT,
        nonce: [5; 32],
        agent_version: "antiphon/0.1.0".into(),
        proof,
    };
    chosen("handshake", "request", 0, &request.encode());
    let request = join::Request {
        team: Some(TeamId([9; 32])),
        secret: Some([6; 32]),
        name: "carol".into(),
        recipient: antiphon_fuzzed::signed::alice().age_recipient(),
        nonce: [5; 32],
    };
    chosen("join", "request", 0, &request.encode());
    if let Some(path) = path {
        let welcome = join::Welcome {
            genome: vec![1; 20],
            path,
            charter: Vec::new(),
            steward_name: "alice".into(),
            stores: Vec::new(),
        };
        chosen("join", "welcome", 1, &join::Response { nonce: [5; 32], verdict: Ok(Box::new(welcome)) }.encode());
    }
}

fn of_texts() {
    let ticket = ticket::Ticket {
        team: TEAM,
        team_name: "acme".into(),
        steward: alice().node_id(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
        roles: vec!["qa".into()],
        expires: AT,
        secret: [6; 32],
    };
    chosen("ticket", "text", 0, ticket.to_text().as_bytes());
    let bytes =
        data_encoding::BASE32_NOPAD.decode(ticket.to_text()["antiphon1".len()..].to_uppercase().as_bytes()).unwrap();
    chosen("ticket", "bytes", 1, &bytes[..bytes.len() - 4]);
    chosen("phrase", "words", 0, alice().phrase().expose().as_bytes());
    chosen("phrase", "entropy", 1, &[9; 32]);
    let id = alice().node_id().to_string();
    let words = [
        "project",
        "critical",
        "open",
        "delivery",
        "gpu",
        &id,
        "authority: decision; decrypts: qa, ops",
        "01M3250V00040G20CNJBV165SX",
    ];
    words.iter().enumerate().for_each(|(n, word)| seed("words", &n.to_string(), word.as_bytes()));
    for (name, target) in [("flip", "sealed_fact"), ("flip", "outbox_row")] {
        seed(target, name, &join_parts(&[0, 0, 14, 1], b"a text that is sealed"));
        seed(target, "sound", &join_parts(&[], b"a text that is sealed"));
    }
    for which in 0..3 {
        chosen(
            "sealed_changed",
            &format!("{which}-flip"),
            which,
            &join_parts(&[0, 0, 200, 1], b"a text that is sealed"),
        );
        chosen("sealed_changed", &format!("{which}-sound"), which, &join_parts(&[], b"a text that is sealed"));
    }
    chosen("role_key", "wrap", 0, &[0, 0, 50, 1]);
    chosen("role_key", "previous", 1, &[]);
    let sealed = antiphon_vault::seal_to(&alice().age_recipient(), b"a text").unwrap();
    seed("age_blob", "sound", &sealed);
    seed("document", "head", &sealed);
    seed("letter_kept", "text", &kept());
    let file = std::env::temp_dir().join(format!("antiphon-seed-{}", std::process::id()));
    antiphon_vault::file::create(&file, &alice()).unwrap();
    seed("key_file", "alice", &fs::read(&file).unwrap());
    fs::remove_file(&file).unwrap();
}

fn of_doors() {
    let alice = alice();
    let genome = Genome::found("choir", &[8; 32], &alice.node_id()).unwrap();
    let root = genome.hash().to_string();
    let bundle = json!({
        "version": "1.1", "kind": "facts", "from_peer_id": alice.node_id().to_string(), "team": TEAM.to_string(),
        "genome_hash": root, "facts": [{"content": "Deploys happen on Tuesdays", "level": 1}],
    });
    seed("bundle", "plain", bundle.to_string().as_bytes());
    let proof = genome.prove("team.name").unwrap();
    let proof = json!({
        "version": "1.0", "id": proof.id, "text": proof.text, "index": proof.index, "size": proof.size,
        "path": proof.path.iter().map(ToString::to_string).collect::<Vec<_>>(), "root": root, "team": TEAM.to_string(),
    });
    seed("gene_proof", "name", proof.to_string().as_bytes());
    let files = [
        "---\ntags: [a, b]\n---\n# Plan\n\nFirst *this*.\n\n## Then\n\n- one\n- two\n\n```sh\n# no title\n```\n",
        "# Rules\n\nSee @docs/style.md and @~/own.md.\n",
        "---\ntitle: Note\ntype: note\npermalink: a/b\ntags:\n- x\n---\n\n## Observations\n- [fact] It holds #tag (why)\n\n## Relations\n- uses [[Other]]\n",
        "{\"type\":\"entity\",\"name\":\"Bob\",\"entityType\":\"person\",\"observations\":[\"sings\"]}\n{\"type\":\"relation\",\"from\":\"Bob\",\"to\":\"Ann\",\"relationType\":\"knows\"}\n",
        "{\"type\":\"fact\",\"content\":\"a\",\"level\":1,\"tags\":[\"x\"],\"domain\":\"d\",\"ttl\":\"7d\"}",
        "<!-- antiphon-export 1 -->\n\n# d\n\n<!-- antiphon-fact {\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"} -->\ntext\n<!-- /antiphon-fact 01ARZ3NDEKTSV4RRFFQ69G5FAV -->\n",
    ];
    (0..).zip(files).for_each(|(which, file)| chosen("imported", &which.to_string(), which, file.as_bytes()));
    let bodies = [
        json!({"content": "a", "level": 1, "tags": ["x"], "domain": "d", "ttl": "7d", "confidence": 0.5}),
        json!({"content": "b", "module": null, "tags": ["y"]}),
        json!({"domain": "d", "tag": "x", "limit": 5}),
        json!({"query": "a b", "limit": 3, "level": 1, "since": "2026-01-01T00:00:00Z"}),
        json!({"title": "t", "severity": "high", "description": "x"}),
        json!({"status": "resolved"}),
        json!({"to": "bob", "text": "hello"}),
        json!({"accept": "bob"}),
    ];
    (0..)
        .zip(bodies)
        .for_each(|(which, body)| chosen("request", &which.to_string(), which, body.to_string().as_bytes()));
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "recall", "arguments": {"query": "a"}}}),
        json!({"query": "a", "limit": 3}),
        json!({"entities": [{"name": "Bob", "entityType": "person", "observations": ["sings"]}]}),
        json!({"content": "a", "tags": ["x"]}),
    ];
    (0..5)
        .zip(messages)
        .for_each(|(n, message): (u8, Value)| seed("mcp", &n.to_string(), message.to_string().as_bytes()));
}

fn kept() -> Vec<u8> {
    antiphon_core::letter::Kept {
        role: Some("qa".into()),
        agent: Some("claude".into()),
        text: "Please look at the limits.".into(),
        refs: vec!["ucxl://alice/qa/api/retry/x".parse().unwrap()],
    }
    .encode()
}
