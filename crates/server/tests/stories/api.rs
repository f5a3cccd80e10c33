//! Every route, by the client that the command line uses.

use crate::common::{Alice, fact};
use antiphon_server::client::ClientError;
use antiphon_server::dto::{
    ActorDto, BatchDto, BatchItemDto, Change, EditDto, FactFilterDto, InviteDto, JoinDto, NewFactDto, RecallRequestDto,
    RevokeDto,
};
use antiphon_server::error::{Code, Problem};
use antiphon_server::import::memory_server;
use serde_json::json;

fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Problem {
    result.unwrap_err().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_lives_through_all_its_routes() {
    let alice = Alice::start().await;
    let client = &alice.client;
    let new = NewFactDto {
        level: Some("project".into()),
        domain: Some("build".into()),
        tags: vec!["ci".into()],
        confidence: Some(0.8),
        ttl: Some("30d".into()),
        valid_until: Some("2100-01-01".into()),
        agent: Some("claude".into()),
        source_kind: Some("agent".into()),
        ..fact("the build needs sccache")
    };
    let written = client.remember(&new).await.unwrap();
    assert_eq!(written.outcome, "written");
    let id = written.id;

    let shown = client.fact(&id[..20]).await.unwrap();
    assert_eq!((shown.level, shown.level_name.as_str(), shown.stream.as_str()), (0, "project", "shared"));
    assert_eq!((shown.author.as_str(), shown.trust.as_str()), ("alice", "own"));
    assert_eq!(shown.provenance.agent.as_deref(), Some("claude"));
    assert_eq!((shown.confidence, shown.ttl_ms), (Some(0.8), Some(30 * 24 * 3_600_000)));
    assert_eq!(shown.valid_until.as_deref(), Some("2100-01-01T00:00:00.000Z"));

    let edit = EditDto { append: Some("and a warm cache".into()), domain: Change::Clear, ..EditDto::default() };
    assert_eq!(client.edit(&id, &edit).await.unwrap().outcome, "written");
    let shown = client.fact(&id).await.unwrap();
    assert_eq!(shown.content.as_deref(), Some("the build needs sccache\nand a warm cache"));
    assert_eq!(shown.domain, None);

    let found = client.recall(&RecallRequestDto { query: "warm cache".into(), ..Default::default() }).await.unwrap();
    assert_eq!(found.hits[0].fact.id, id);
    assert!(found.hits[0].score > 0.0);

    let history = client.history(&id).await.unwrap().history;
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].fields["content"], "the build needs sccache");
    assert!(history[1].fields["domain"].is_null());

    client.forget(&id, &ActorDto::default()).await.unwrap();
    assert!(client.fact(&id).await.unwrap().forgotten);
    let refused = problem(client.edit(&id, &edit).await);
    assert_eq!(refused.code, Code::NotFound);
    client.restore(&id, &ActorDto::default()).await.unwrap();
    assert!(client.fact(&id).await.unwrap().content.unwrap().contains("sccache"));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_listed_in_pages_and_by_filter() {
    let alice = Alice::start().await;
    for n in 0..5 {
        alice.remember(&format!("fact number {n}")).await;
    }
    let tagged = NewFactDto { tags: vec!["x y&z".into()], level: Some("3".into()), ..fact("a tagged scrap") };
    alice.client.remember(&tagged).await.unwrap();
    let mut filter = FactFilterDto { limit: Some(4), ..FactFilterDto::default() };
    let first = alice.client.facts(&filter).await.unwrap();
    filter.after = first.next.clone();
    let second = alice.client.facts(&filter).await.unwrap();
    assert_eq!((first.facts.len(), second.facts.len(), second.next), (4, 2, None));
    let check = async |filter: FactFilterDto, count: usize| {
        assert_eq!(alice.client.facts(&filter).await.unwrap().facts.len(), count, "{filter:?}");
    };
    check(FactFilterDto { tag: Some("x y&z".into()), ..FactFilterDto::default() }, 1).await;
    check(FactFilterDto { level: Some("snippet".into()), ..FactFilterDto::default() }, 1).await;
    check(FactFilterDto { author: Some("ali".into()), ..FactFilterDto::default() }, 6).await;
    let nobody = FactFilterDto { author: Some("eve".into()), ..FactFilterDto::default() };
    assert_eq!(problem(alice.client.facts(&nobody).await).code, Code::NotFound);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_fact_is_refused_with_a_reason_and_harms_no_other() {
    let alice = Alice::start().await;
    let refused = problem(alice.client.remember(&fact(&"x".repeat(10_000_000))).await);
    assert!(refused.what.contains("10000000 bytes, the limit is 61440"), "{refused}");
    let refused = problem(alice.client.remember(&fact(&"x".repeat(20_000_000))).await);
    assert_eq!((refused.code, refused.exit), (Code::TooLarge, 2));
    let refused = problem(alice.client.remember(&NewFactDto { level: Some("7".into()), ..fact("x") }).await);
    assert!(refused.what.contains("not a level"), "{refused}");
    let refused = problem(alice.client.remember(&fact("nul\0")).await);
    assert!(refused.hint.unwrap().contains("--escape"));
    let escaped = NewFactDto { escape: true, ..fact("nul\0") };
    let id = alice.client.remember(&escaped).await.unwrap().id;
    assert_eq!(alice.client.fact(&id).await.unwrap().content.as_deref(), Some("nul\\u{0000}"));

    let facts = vec![fact("one"), fact(""), NewFactDto { ttl: Some("soon".into()), ..fact("two") }, fact("three")];
    let results = alice.client.remember_all(&BatchDto { facts }).await.unwrap().results;
    let ok: Vec<bool> = results.iter().map(|item| matches!(item, BatchItemDto::Ok(_))).collect();
    assert_eq!(ok, [true, false, false, true]);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_again_under_the_same_id_or_key_writes_nothing() {
    let alice = Alice::start().await;
    let keyed = NewFactDto { idempotency_key: Some("k1".into()), ..fact("once") };
    let first = alice.client.remember(&keyed).await.unwrap();
    let second = alice.client.remember(&keyed).await.unwrap();
    assert_eq!((second.id, second.outcome.as_str()), (first.id, "existed"));

    let file = r#"{"type":"entity","name":"alice","entityType":"person","observations":["likes tea","lives in Riga"]}"#;
    for outcome in ["written", "existed"] {
        let facts = memory_server(file).facts;
        for item in alice.client.remember_all(&BatchDto { facts }).await.unwrap().results {
            let BatchItemDto::Ok(written) = item else { panic!("{item:?}") };
            assert_eq!(written.outcome, outcome);
        }
    }
    let found = alice.client.recall(&RecallRequestDto { query: "Riga".into(), ..Default::default() }).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    assert!(found.hits[0].fact.created_at.as_str() > "2020", "{}", found.hits[0].fact.created_at);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_say_what_is_wrong() {
    let alice = Alice::start().await;
    let bearer = alice.bearer();
    let check = async |method: &str, path: &str, body: &str, status: u16, word: &str| {
        let headers = [("host", "localhost"), ("authorization", bearer.as_str())];
        let answer = alice.http(method, path, &headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(answer.json()["error"]["what"].as_str().unwrap().contains(word), "{word}: {}", answer.text);
    };
    check("POST", "/api/v1/facts", r#"{"content":"x","colour":"red"}"#, 400, "colour").await;
    check("POST", "/api/v1/facts", r#"{"contents":"x"}"#, 400, "contents").await;
    check("POST", "/api/v1/facts", "{}", 400, "content").await;
    check("POST", "/api/v1/facts", "not json", 400, "line 1").await;
    check("POST", "/api/v1/facts", "", 400, "content").await;
    check("POST", "/api/v1/facts", r#"{"content":"x","confidence":7}"#, 400, "confidence").await;
    check("POST", "/api/v1/facts", r#"{"content":"x","parent":"01ZZ"}"#, 404, "01ZZ").await;
    check("POST", "/api/v1/facts", &format!(r#"{{"content":"{}"}}"#, "x".repeat(17 << 20)), 413, "16777216").await;
    check("PATCH", "/api/v1/facts/01ZZ", r#"{"stale":true}"#, 404, "01ZZ").await;
    check("GET", "/api/v1/facts/01ZZ", "", 404, "01ZZ").await;
    check("GET", "/api/v1/facts?levle=1", "", 400, "levle").await;
    check("GET", "/api/v1/facts?limit=many", "", 400, "invalid digit").await;
    check("POST", "/api/v1/recall", r#"{"query":"  "}"#, 400, "query").await;
    check("POST", "/api/v1/team/join", r#"{"ticket":"nonsense"}"#, 400, "not a ticket").await;
    check("POST", "/api/v1/team/invite", r#"{"role":"king"}"#, 400, "king").await;
    check("POST", "/api/v1/peers/handshake", r#"{"address":"nowhere"}"#, 400, "nowhere").await;
    check("GET", "/api/v2/status", "", 404, "nothing").await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_and_the_team_are_shown() {
    let alice = Alice::start().await;
    let client = &alice.client;
    alice.remember("something").await;
    let status = serde_json::to_value(client.status().await.unwrap()).unwrap();
    for key in ["node_id", "store_id", "name", "team", "listen", "http", "facts", "peers", "outbox", "problems"] {
        assert!(!status[key].is_null(), "{key}");
    }
    assert_eq!(
        (&status["team"]["name"], &status["facts"], &status["outbox"]["pending"]),
        (&json!("acme"), &json!(1), &json!(0))
    );
    assert_eq!(status["http"], alice.url.as_str());
    assert!(status["listen"][0].as_str().unwrap().starts_with("/ip4/127.0.0.1/tcp/"));

    assert_eq!(client.peers().await.unwrap().peers, []);
    let genes = client.genes().await.unwrap();
    assert!(genes.genes.iter().any(|gene| gene.id == "team.name" && gene.text == "acme"));
    let report = client.verify().await.unwrap();
    assert!(report.ok && report.events > 1, "{report:?}");
    assert_eq!(client.state_hash().await.unwrap().state_hash.len(), 64);

    let invite = InviteDto { role: "backend_developer".into(), ttl: Some("1h".into()) };
    let ticket = client.invite(&invite).await.unwrap().ticket;
    assert!(ticket.starts_with("antiphon1"), "{ticket}");
    let join = JoinDto { ticket: ticket.clone(), ..JoinDto::default() };
    assert!(client.join(&join).await.unwrap().already);
    let mut damaged = ticket;
    damaged.truncate(60);
    let refused = problem(client.join(&JoinDto { ticket: damaged, ..JoinDto::default() }).await);
    assert!(refused.hint.unwrap().contains("antiphon invite --role"), "{}", refused.what);
    let revoke = RevokeDto { peer: "eve".into(), reason: "left".into(), compromised: false };
    assert_eq!(problem(client.revoke(&revoke).await).exit, 3);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_alone_has_no_network_to_enter_and_says_so() {
    let alice = Alice::start().await;
    let entered = alice.client.dht_bootstrap().await.unwrap();
    assert!(!entered.entered && entered.routing_table_size == 0, "{entered:?}");
    let alone = entered.alone.unwrap();
    assert!(alone.what.contains("alone in its team") && alone.fix.starts_with("antiphon invite"), "{alone:?}");
    alice.stop().await;
}
