//! What monitoring gets: metrics, and whether the node lives and can work.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::Agent;
use crate::common::Alice;
use crate::two::{Two, until};
use serde_json::json;

/// The samples of a scrape: name and labels as they are written, and the value.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name, value.parse().unwrap())).collect()
}

async fn scrape(alice: &Alice) -> String {
    let headers = [("host", "localhost"), ("authorization", &*alice.bearer())];
    let answer = alice.http("GET", "/metrics", &headers, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let kind = answer.headers["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    answer.text
}

/// What the text form asks for: each family once, described before its samples, with its unit as its last word,
/// counters that end in `_total`, and an end.
fn check_form(text: &str) {
    assert!(text.ends_with("# EOF\n"));
    let (mut kinds, mut series) = (BTreeMap::new(), BTreeSet::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "HELP", name, help] => assert!(help.ends_with('.') && !kinds.contains_key(name), "{line}"),
            ["#", "TYPE", name, kind] => assert!(kinds.insert(*name, *kind).is_none(), "{name} comes twice"),
            ["#", "UNIT", name, unit] => assert!(name.ends_with(&format!("_{unit}")), "{line}"),
            _ => {
                assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line} comes twice");
                let name = line.split(['{', ' ']).next().unwrap();
                let family = kinds.iter().any(|(family, kind)| match *kind {
                    "counter" => name.strip_suffix("_total") == Some(family),
                    "info" => name.strip_suffix("_info") == Some(family),
                    "histogram" => {
                        ["_bucket", "_sum", "_count"].map(|end| name.strip_suffix(end)).contains(&Some(family))
                    }
                    _ => name == *family,
                });
                assert!(family, "{name} is of no family");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_is_told_in_numbers() {
    let alice = Alice::start().await;
    alice.remember("something").await;
    let text = scrape(&alice).await;
    check_form(&text);
    let found = samples(&text);
    assert_eq!(found["antiphon_facts"], 1.0);
    assert_eq!(found["antiphon_members"], 1.0);
    assert_eq!(found["antiphon_outbox_items{state=\"pending\"}"], 0.0);
    assert_eq!(found["antiphon_charter_stopped"], 0.0);
    assert_eq!(found["antiphon_divergences{kind=\"fact\"}"], 0.0);
    assert_eq!(found["antiphon_quarantined_events"], 0.0);
    assert_eq!(found["antiphon_outbox_pending{level=\"critical\"}"], 0.0);
    assert!(found["antiphon_disk_free_bytes"] > found["antiphon_disk_reserve_bytes"]);
    assert_eq!(found["antiphon_replication_keys{health=\"critical\"}"], 0.0);
    assert!(found["antiphon_replication_factor"] >= 1.0 && found["antiphon_storage_offered_bytes"] > 0.0);
    assert!(found["antiphon_events"] > 1.0);
    for what in ["connection", "unproven_connection", "late_stranger", "stranger_request", "stream", "frame", "report"]
    {
        assert_eq!(found[format!("antiphon_turned_away_total{{what=\"{what}\"}}").as_str()], 0.0);
    }
    assert!(found["process_start_time_seconds"] > 1_600_000_000.0);
    assert!(found["antiphon_content_cache_hits_total"] == 0.0 && text.contains("antiphon_outbox_level_info{kind="));
    let info = found.keys().find(|name| name.starts_with("antiphon_node_info")).unwrap();
    assert!(info.contains("name=\"alice\"") && info.contains("team=\"acme\""), "{info}");
    #[cfg(target_os = "linux")]
    assert!(found["process_resident_memory_bytes"] > 1e6 && found["process_open_fds"] > 3.0);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_take_the_token_and_nothing_counts_twice() {
    let alice = Alice::start().await;
    assert_eq!(alice.http("GET", "/metrics", &[("host", "localhost")], "").await.status, 401);
    assert_eq!(alice.http("GET", "/metrics", &[("host", "evil.example")], "").await.status, 403);
    let through_the_socket = alice.control("GET", "/metrics", "").await;
    assert_eq!(through_the_socket.status, 200);
    check_form(&through_the_socket.text);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_member_is_one_series_and_lag_goes_back_to_nothing() {
    let two = Two::start("backend_developer").await;
    two.alice.remember("for both").await;
    let peer = format!("{{peer_id=\"{}\",name=\"bob\"}}", two.bob.status().await.unwrap().node_id);
    until("bob has all", async || {
        let text = scrape(&two.alice).await;
        check_form(&text);
        let found = samples(&text);
        found.get(format!("antiphon_peer_lag_events{peer}").as_str()) == Some(&0.0)
            && found[format!("antiphon_peer_connected{peer}").as_str()] == 1.0
    })
    .await;
    let text = scrape(&two.alice).await;
    let found = samples(&text);
    assert_eq!((found["antiphon_members"], found["antiphon_peers_connected"]), (2.0, 1.0));
    assert_eq!(found["antiphon_peers{trust=\"VERIFIED\"}"], 1.0);
    assert!(found["antiphon_sync_sent_bytes_total"] > 0.0);
    assert!(found["antiphon_outbox_outcomes_total{outcome=\"delivered\"}"] >= 2.0);
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_learns_a_word_without_a_token() {
    let alice = Alice::start().await;
    let ask = async |path: &str| alice.http("GET", path, &[("host", "localhost")], "").await;
    until("alice is ready", async || ask("/readyz").await.status == 200).await;
    assert_eq!((ask("/healthz").await.text.as_str(), ask("/readyz").await.text.as_str()), ("ok\n", "ready\n"));
    assert_eq!(alice.http("GET", "/readyz", &[("host", "evil.example")], "").await.status, 403);
    alice.handle.shutdown().await;
    until("alice is not ready any more", async || ask("/readyz").await.status == 503).await;
    let unready = ask("/readyz").await.text;
    assert!(unready.starts_with("unready ") && unready.contains("stopped"), "{unready}");
    assert_eq!(ask("/healthz").await.status, 200);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_agents_calls_is_told_by_tool() {
    let alice = Alice::start().await;
    let mut agent = Agent::connect(&alice).await;
    for _ in 0..3 {
        agent.call("recall", json!({"query": "anything"})).await;
    }
    agent.ask("tools/call", json!({"name": "no_such_tool", "arguments": {}})).await;
    let text = scrape(&alice).await;
    check_form(&text);
    let found = samples(&text);
    assert_eq!(found["antiphon_mcp_call_duration_seconds_count{tool=\"recall\"}"], 3.0);
    assert_eq!(found["antiphon_mcp_call_duration_seconds_bucket{le=\"+Inf\",tool=\"recall\"}"], 3.0);
    assert!(found["antiphon_mcp_call_duration_seconds_sum{tool=\"recall\"}"] > 0.0);
    assert!(!text.contains("no_such_tool"), "names that strangers chose are no labels");
}
