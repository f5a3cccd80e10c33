//! What people, programs and agents hand in at the doors.

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;
use antiphon_server::dto::NewFactDto;
use antiphon_server::export::Found;
use antiphon_server::import::{self, JsonLine, Note};
use antiphon_server::{export, outside, proof};
use serde_json::Value;

use crate::laws::choice;
use crate::signed::{TEAM, alice};

/// When an imported file was last changed.
const MODIFIED: UnixMillis = UnixMillis(1_790_000_000_000);

/// A bundle: as it came, and as if alice had signed it.
pub fn bundle(bytes: &[u8]) {
    if let Some((written, false)) = outside::bundle(bytes) {
        assert_eq!(outside::bundle(&written), Some((written, false)), "it is written in two ways");
    }
    let alice = alice();
    let Some(signed) = outside::signed_bundle(bytes, &TEAM, &alice) else { return };
    let Some((written, true)) = outside::bundle(&signed) else { return };
    let value: Value = serde_json::from_slice(&written).expect("what was written is JSON");
    assert_eq!(value["from_peer_id"], alice.node_id().to_string(), "a bundle in another's name");
    // What was changed on the way is not what she signed.
    let mut changed: Value = serde_json::from_slice(&signed).expect("what was signed is JSON");
    changed["from_node"] = Value::String("mallory".to_owned());
    let was = serde_json::from_slice::<Value>(&signed).expect("what was signed is JSON")["from_node"].clone();
    assert!(was == "mallory" || outside::bundle(changed.to_string().as_bytes()).is_none(), "a changed bundle is read");
}

/// The proof of a gene, against the root that it names and against another.
pub fn gene_proof(bytes: &[u8]) {
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let root = value.as_ref().and_then(|value| value.get("root")?.as_str());
    let Ok(proven) = proof::check(bytes, root.unwrap_or_default()) else { return };
    assert!(proven.proven && Some(proven.root.as_str()) == root.map(|root| root.trim().to_lowercase()).as_deref());
    let other = Hash::of(proven.root.as_bytes()).to_string();
    assert!(proof::check(bytes, &other).is_err(), "it proves under any root");
}

/// Files of other programs, and exports: what is made of them is remembered, unless it came with settings of its own.
pub fn imported(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match which % 6 {
        0 => taken(import::markdown("notes/plan.md", text, MODIFIED)),
        1 => {
            let module = Some("instructions".to_owned());
            taken(import::note(
                &Note { kind: "claude", path: "CLAUDE.md", module, private: true, modified: MODIFIED },
                text,
            ));
            assert!(import::claude_imports(text).iter().all(|path| text.contains(path)));
        }
        2 => {
            let note = Note { kind: "basic-memory", path: "a/b.md", module: None, private: false, modified: MODIFIED };
            taken(import::basic_memory(&note, text));
        }
        3 => {
            let parsed = import::memory_server(text);
            assert!(parsed.bad.iter().all(|bad| bad.line >= 1 && bad.line <= text.lines().count()));
            taken(parsed.facts);
        }
        4 => {
            if let Ok(JsonLine::Fact(fact, _)) = import::json_line(text) {
                assert!(fact.id.is_some() && fact.escape, "read twice it would be two facts");
                // What it says of itself may be wrong, which is told to a person.
                drop(outside::remembered(*fact));
            }
        }
        _ => exported(text),
    }
}

fn exported(text: &str) {
    let lines = text.lines().count();
    for found in export::blocks_of(text) {
        let (Found::Fact { line, .. } | Found::Bad { line, .. }) = found;
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
    }
}

fn taken(facts: Vec<NewFactDto>) {
    for fact in facts {
        assert!(fact.id.is_some(), "imported twice it would be two facts");
        let shown = format!("{fact:?}");
        if let Err(problem) = outside::remembered(fact) {
            panic!("{problem:?}: {shown}");
        }
    }
}

/// Bodies of requests.
pub fn request(bytes: &[u8]) {
    if let Some((which, body)) = choice(bytes) {
        assert_eq!(outside::request(which, body), outside::request(which, body));
    }
}

/// Messages of MCP, and the arguments of tools.
pub fn mcp(bytes: &[u8]) {
    if let Some(written) = outside::mcp_message(bytes) {
        assert_eq!(outside::mcp_message(&written).as_ref(), Some(&written), "it is written in two ways");
    }
    assert!(outside::tool_arguments(bytes) <= 7);
    for tool in outside::memory_tools() {
        // What is wrong with them is told in the words of the original.
        drop(outside::memory_tool(tool, bytes));
    }
}
