//! Incidents through the routes, by the client that the command line uses.

use crate::common::Alice;
use antiphon_server::client::ClientError;
use antiphon_server::dto::{Change, IncidentEditDto, IncidentFilterDto, NewIncidentDto};
use antiphon_server::error::{Code, Problem};

fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Problem {
    result.unwrap_err().into()
}

fn titled(title: &str) -> NewIncidentDto {
    NewIncidentDto { title: title.to_owned(), ..NewIncidentDto::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_lives_through_all_its_routes() {
    let alice = Alice::start().await;
    let client = &alice.client;
    let new = NewIncidentDto {
        severity: Some("HIGH".into()),
        description: Some("seen on\ntwo hosts".into()),
        event_count: Some(12),
        correlation_rule: Some("shell-after-upload".into()),
        kill_chain_phase: Some("command-and-control".into()),
        mitre_mapping: vec!["T1059".into(), "T1059.001".into()],
        created_at: Some("2026-01-31T10:30:00Z".into()),
        agent: Some("claude".into()),
        source_kind: Some("agent".into()),
        ..titled("a shell where none should be")
    };
    let written = client.report_incident(&new).await.unwrap();
    assert_eq!((written.outcome.as_str(), written.id.len()), ("written", 26));
    let id = written.id;

    let shown = client.incident(&id[..20].to_lowercase()).await.unwrap();
    let json = serde_json::to_value(&shown).unwrap();
    let want = [
        ("id", id.as_str()),
        ("status", "open"),
        ("severity", "high"),
        ("title", "a shell where none should be"),
        ("kill_chain_phase", "command_and_control"),
        ("created_at", "2026-01-31T10:30:00.000Z"),
        ("reporter", "alice"),
        ("trust", "own"),
    ];
    for (key, value) in want {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!((&json["event_count"], &json["mitre_mapping"][1]), (&12.into(), &"T1059.001".into()));
    assert_eq!(json["source_peer_id"], client.status().await.unwrap().node_id);
    assert_eq!(json["provenance"]["agent"], "claude");

    let edit = IncidentEditDto {
        status: Some("contained".into()),
        kill_chain_phase: Change::Clear,
        mitre_mapping: Change::Set(vec!["T1105".into()]),
        ..IncidentEditDto::default()
    };
    assert_eq!(client.update_incident(&id, &edit).await.unwrap().outcome, "written");
    assert_eq!(client.update_incident(&id, &edit).await.unwrap().outcome, "unchanged");
    let shown = client.incident(&id).await.unwrap();
    assert_eq!(
        (shown.status.as_str(), shown.kill_chain_phase, shown.mitre_mapping),
        ("contained", None, vec!["T1105".into()])
    );
    let history = client.incident_history(&id).await.unwrap().history;
    assert_eq!((history.len(), &history[1].fields["status"]), (2, &"contained".into()));
    assert!(client.verify().await.unwrap().ok);
    assert_eq!(client.status().await.unwrap().facts, 0);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_are_listed_in_pages_and_by_filter() {
    let alice = Alice::start().await;
    for severity in ["low", "low", "critical", "info", "low"] {
        let new = NewIncidentDto { severity: Some(severity.into()), ..titled("something") };
        alice.client.report_incident(&new).await.unwrap();
    }
    let mut filter = IncidentFilterDto { limit: Some(3), ..IncidentFilterDto::default() };
    let first = alice.client.incidents(&filter).await.unwrap();
    filter.after = first.next.clone();
    let second = alice.client.incidents(&filter).await.unwrap();
    assert_eq!((first.incidents.len(), second.incidents.len(), second.next), (3, 2, None));
    let check = async |filter: IncidentFilterDto, count: usize| {
        assert_eq!(alice.client.incidents(&filter).await.unwrap().incidents.len(), count, "{filter:?}");
    };
    check(IncidentFilterDto { severity: Some("low".into()), ..IncidentFilterDto::default() }, 3).await;
    check(IncidentFilterDto { status: Some("open".into()), ..IncidentFilterDto::default() }, 5).await;
    check(IncidentFilterDto { status: Some("closed".into()), ..IncidentFilterDto::default() }, 0).await;
    check(IncidentFilterDto { diverged: Some(true), ..IncidentFilterDto::default() }, 0).await;
    let unknown = IncidentFilterDto { status: Some("done".into()), ..IncidentFilterDto::default() };
    assert_eq!(problem(alice.client.incidents(&unknown).await).code, Code::Invalid);
    let begins = alice.client.incident(&first.incidents[0].id[..2]).await;
    assert_eq!(problem(begins).code, Code::Invalid, "several begin like this");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reporting_again_under_the_same_id_or_key_writes_nothing() {
    let alice = Alice::start().await;
    let imported = NewIncidentDto { id: Some("01ARZ3NDEKTSV4RRFFQ69G5FAV".into()), ..titled("imported") };
    let keyed = NewIncidentDto { idempotency_key: Some("k1".into()), ..titled("once") };
    for new in [imported, keyed] {
        let first = alice.client.report_incident(&new).await.unwrap();
        let second = alice.client.report_incident(&new).await.unwrap();
        assert_eq!((second.id, second.outcome.as_str()), (first.id, "existed"));
    }
    assert_eq!(alice.client.incidents(&IncidentFilterDto::default()).await.unwrap().incidents.len(), 2);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_incidents_say_what_is_wrong() {
    let alice = Alice::start().await;
    let bearer = alice.bearer();
    let check = async |method: &str, path: &str, body: &str, status: u16, word: &str| {
        let headers = [("host", "localhost"), ("authorization", bearer.as_str())];
        let answer = alice.http(method, path, &headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(answer.json()["error"]["what"].as_str().unwrap().contains(word), "{word}: {}", answer.text);
    };
    let at = "/api/v1/incidents";
    check("POST", at, "{}", 400, "title").await;
    check("POST", at, r#"{"title":" "}"#, 400, "the title is empty").await;
    check("POST", at, r#"{"title":"two\nlines"}"#, 400, "U+000A").await;
    check("POST", at, r#"{"title":"x","severity":"urgent"}"#, 400, "\"urgent\" is not a severity").await;
    check("POST", at, r#"{"title":"x","kill_chain_phase":"boom"}"#, 400, "boom").await;
    check("POST", at, r#"{"title":"x","mitre_mapping":["TA0001"]}"#, 400, "TA0001").await;
    check("POST", at, r#"{"title":"x","event_count":0}"#, 400, "event_count").await;
    check("POST", at, r#"{"title":"x","event_count":-1}"#, 400, "invalid value").await;
    check("POST", at, r#"{"title":"x","id":"01"}"#, 400, "id").await;
    check("POST", at, r#"{"title":"x","colour":"red"}"#, 400, "colour").await;
    check("POST", at, &format!(r#"{{"title":"{}"}}"#, "x".repeat(300)), 400, "300 bytes, the limit is 256").await;
    check("PATCH", &format!("{at}/01ZZ"), r#"{"status":"closed"}"#, 404, "01ZZ").await;
    check("GET", &format!("{at}/01ZZ"), "", 404, "01ZZ").await;
    check("GET", &format!("{at}?sverity=low"), "", 400, "sverity").await;
    let id = alice.client.report_incident(&NewIncidentDto { escape: true, ..titled("a\0b\nc") }).await.unwrap().id;
    assert_eq!(alice.client.incident(&id).await.unwrap().title.as_deref(), Some("a\\u{0000}b\\u{000A}c"));
    check("PATCH", &format!("{at}/{id}"), "{}", 400, "no field").await;
    alice.stop().await;
}
