//! Recall through the doors: filters, times, reasons, members, and what matters now.

use std::time::Duration;

use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::value::Value;
use antiphon_node::Draft;
use antiphon_server::dto::{
    ContextAskDto, EditDto, NewFactDto, NewGeneDto, NewIncidentDto, RecallDto, RecallRequestDto, ShownDto,
};
use serde_json::json;

use crate::agent::{Agent, text};
use crate::common::{Alice, fact};
use crate::two::{Two, until};

fn ask(query: &str) -> RecallRequestDto {
    RecallRequestDto { query: query.into(), ..RecallRequestDto::default() }
}

fn texts(answer: &RecallDto) -> Vec<&str> {
    answer.hits.iter().filter_map(|hit| hit.fact.content.as_deref()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_with_words_and_without() {
    let alice = Alice::start().await;
    let page = NewFactDto { source_kind: Some("web".into()), tags: vec!["db".into()], ..fact("the page on ports") };
    alice.client.remember(&page).await.unwrap();
    alice.remember("ports are numbers").await;
    let web = RecallRequestDto { source_kind: Some("web".into()), ..ask("ports") };
    assert_eq!(texts(&alice.client.recall(&web).await.unwrap()), ["the page on ports"]);
    let tagged = RecallRequestDto { tag: Some("db".into()), ..ask("") };
    assert_eq!(texts(&alice.client.recall(&tagged).await.unwrap()), ["the page on ports"]);
    let hour = RecallRequestDto { since: Some("1h".into()), ..ask("") };
    assert_eq!(texts(&alice.client.recall(&hour).await.unwrap()), ["ports are numbers", "the page on ports"]);
    let before = RecallRequestDto { until: Some("1h".into()), ..ask("ports") };
    assert!(alice.client.recall(&before).await.unwrap().hits.is_empty());
    let origin = RecallRequestDto { origin: Some("alice".into()), ..ask("ports") };
    assert_eq!(alice.client.recall(&origin).await.unwrap().hits.len(), 2);
    let store = alice.client.status().await.unwrap().store_id;
    let origin = RecallRequestDto { origin: Some(store), ..ask("ports") };
    assert_eq!(alice.client.recall(&origin).await.unwrap().hits.len(), 2);
    for (key, value) in [("since", "yesterday"), ("source_kind", "rumour"), ("as_of", "\"then\""), ("origin", "nobody")]
    {
        let body = json!({"query": "ports", key: value}).to_string();
        let answer = alice.control("POST", "/api/v1/recall", &body).await;
        assert!(answer.status.is_client_error(), "{key}: {}", answer.text);
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fact_said_then_is_told_with_why_it_was_found() {
    let alice = Alice::start().await;
    let id = alice.remember("the port is 5432").await;
    let then = alice.client.fact(&id).await.unwrap().updated_at;
    // The clock has to go on for a millisecond, or both would be of the same time.
    until("time goes on", async || {
        let status = alice.remember("time goes on").await;
        alice.client.fact(&status).await.unwrap().updated_at > then
    })
    .await;
    let edit = EditDto { content: Some("the port is 5433".into()), ..EditDto::default() };
    alice.client.edit(&id, &edit).await.unwrap();
    let past = RecallRequestDto { as_of: Some(then.as_str().into()), explain: Some(true), ..ask("port") };
    let answer = alice.client.recall(&past).await.unwrap();
    assert_eq!((texts(&answer), answer.as_of.as_deref()), (vec!["the port is 5432"], Some(then.as_str())));
    assert_eq!(answer.hits[0].explanation.as_ref().unwrap().found_by, "changed_since");
    let shown = alice.client.fact_at(&id, &then).await.unwrap();
    assert_eq!((shown.content.as_deref(), &shown.updated_at), (Some("the port is 5432"), &then));
    assert_eq!(alice.client.fact_at(&id, "0s").await.unwrap().content.as_deref(), Some("the port is 5433"));
    let unborn = alice.control("GET", &format!("/api/v1/facts/{id}?as_of=1d"), "").await;
    assert!(unborn.status.as_u16() == 404 && unborn.text.contains("was not there at"), "{}", unborn.text);
    let now = RecallRequestDto { explain: Some(true), ..ask("port") };
    let answer = alice.client.recall(&now).await.unwrap();
    assert_eq!(texts(&answer), ["the port is 5433"]);
    let (hit, explanation) = (&answer.hits[0], answer.hits[0].explanation.as_ref().unwrap());
    let sum: f64 = explanation.words.iter().map(|word| word.part).sum();
    assert!((sum - hit.score).abs() < 1e-9 && explanation.words[0].word == "port", "{explanation:?}");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_folded_is_named() {
    let alice = Alice::start().await;
    let ids = [alice.remember("say it once").await, alice.remember("say it once").await];
    let answer = alice.client.recall(&ask("once")).await.unwrap();
    let hit = &answer.hits[0];
    assert_eq!((answer.hits.len(), hit.same, hit.folded.len()), (1, 2, 1));
    assert!(ids.contains(&hit.fact.id) && ids.contains(&hit.folded[0].id) && hit.fact.id != hit.folded[0].id);
    assert_eq!(hit.folded[0].author, "alice");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_asked_and_named() {
    let two = Two::start("observer").await;
    let edit = |text: &str| Edit::new().set(Field::Content, text.into()).set(Field::Level, Value::Uint(2));
    let draft = |text: &str| Draft::Remember {
        id: None,
        edit: edit(text),
        provenance: Provenance::default(),
        idempotency_key: None,
    };
    two.bob.author(vec![draft("bob's parser skips tabs"), draft("everybody's parser")]).await.unwrap();
    let own = NewFactDto { level: Some("module".into()), ..fact("everybody's parser") };
    two.alice.client.remember(&own).await.unwrap();
    let peers = RecallRequestDto { peers: Some(true), ..ask("parser") };
    until("bob is asked", async || {
        let answer = two.alice.client.recall(&peers).await.unwrap();
        answer.asked.iter().any(|asked| asked.reason.is_none())
    })
    .await;
    let answer = two.alice.client.recall(&peers).await.unwrap();
    assert_eq!((texts(&answer), answer.asked[0].shows.as_deref()), (vec!["everybody's parser"], None));
    two.bob.set_shown_on_request(Some("module".parse().unwrap())).await.unwrap();
    let answer = two.alice.client.recall(&peers).await.unwrap();
    assert_eq!((answer.hits.len(), answer.asked[0].taken), (2, 2));
    let told = answer.hits.iter().find(|hit| hit.told_by.is_some()).unwrap();
    assert_eq!(told.fact.content.as_deref(), Some("bob's parser skips tabs"));
    assert_eq!(
        (told.fact.author.as_str(), told.fact.trust.as_str(), told.fact.stream.as_str()),
        ("bob", "member", "told")
    );
    let held = answer.hits.iter().find(|hit| hit.told_by.is_none()).unwrap();
    assert!(held.folded[0].told && held.folded[0].author == "bob", "{held:?}");
    let mut agent = Agent::connect(&two.alice).await;
    let found = agent.call("recall", json!({"query": "tabs", "peers": true})).await;
    assert!(text(&found).contains("told by \"bob\" when asked"), "{}", text(&found));
    assert_eq!(found["structuredContent"]["facts"][0]["told_by"]["name"], "bob");
    agent.leave().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_to_members_is_for_people_to_say() {
    let alice = Alice::start().await;
    let shown = |up_to: &str| ShownDto { up_to: up_to.into() };
    assert_eq!(alice.client.shown().await.unwrap(), shown("none"));
    assert_eq!(alice.client.set_shown(&shown("2")).await.unwrap(), shown("module"));
    assert_eq!(alice.client.shown().await.unwrap(), shown("module"));
    assert!(alice.client.set_shown(&shown("everything")).await.is_err());
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn context_tells_what_matters_within_the_budget() {
    let alice = Alice::start().await;
    let law = NewGeneDto { text: "No secrets in facts".into(), ..NewGeneDto::default() };
    alice.client.add_gene(&law).await.unwrap();
    let incident = NewIncidentDto {
        title: "The pipeline is red".into(),
        severity: Some("critical".into()),
        ..NewIncidentDto::default()
    };
    alice.client.report_incident(&incident).await.unwrap();
    alice.remember("the parser keeps positions").await;
    for n in 0..200 {
        alice.remember(&format!("fact number {n} of many that say little: \"quoted\"\nand go on 数据库 🚀")).await;
    }
    for tokens in [300, 2_000, 50_000] {
        let ask = ContextAskDto { topic: Some("parser".into()), tokens: Some(tokens) };
        let packed = alice.client.context(&ask).await.unwrap();
        let counted = tiktoken_rs::o200k_base().unwrap().encode_with_special_tokens(&packed.text).len();
        assert!(counted <= packed.tokens && packed.tokens <= tokens, "{counted} of {} of {tokens}", packed.tokens);
        if tokens == 300 {
            assert!(!packed.items.is_empty() && packed.left_out > 0, "{}", packed.text);
            continue;
        }
        let at = |word: &str| packed.text.find(word).unwrap_or_else(|| panic!("no {word} in {}", packed.text));
        assert!(at("No secrets") < at("The pipeline is red"), "{}", packed.text);
        assert!(at("The pipeline is red") < at("the parser keeps"), "{}", packed.text);
        let all = packed.items.iter().filter(|item| item.kind == "fact").count() == 201;
        assert_eq!(all, tokens == 50_000);
        assert_eq!(packed.left_out == 0, all);
    }
    let plain = alice.client.context(&ContextAskDto::default()).await.unwrap();
    assert!(plain.budget == 2_000 && plain.tokens <= 2_000);
    for tokens in [0, 10, 50_001] {
        let wrong = ContextAskDto { tokens: Some(tokens), ..ContextAskDto::default() };
        assert!(alice.client.context(&wrong).await.is_err(), "{tokens}");
    }
    let mut agent = Agent::connect(&alice).await;
    let packed = agent.call("context", json!({"topic": "parser"})).await;
    assert!(text(&packed).contains("the parser keeps") && text(&packed).contains("not instructions"));
    assert!(packed["structuredContent"]["tokens"].as_u64().unwrap() <= 2_000);
    agent.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tool_says_why_a_peer_lacks_a_fact() {
    let two = Two::start("observer").await;
    let kept = NewFactDto { private: true, ..fact("only here") };
    let id = two.alice.client.remember(&kept).await.unwrap().id;
    let mut agent = Agent::connect(&two.alice).await;
    let why = agent.call("status", json!({"why": id, "peer": "bob"})).await;
    assert!(text(&why).contains("private"), "{}", text(&why));
    let whole = agent.call("status", json!({"peer": "bob"})).await;
    assert_ne!(whole["isError"], true, "{whole}");
    let wrong = agent.call("status", json!({"why": id})).await;
    assert_eq!(wrong["isError"], true);
    agent.leave().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_deleted_when_its_time_is_over_is_shown_to_nobody_after_that() {
    let alice = Alice::start().await;
    let fact =
        NewFactDto { ttl: Some("1s".into()), on_expire: Some("delete".into()), ..fact("the code of today is 7") };
    let id = alice.client.remember(&fact).await.unwrap().id;
    for _ in 0..3 {
        alice.client.recall(&RecallRequestDto { query: "code".into(), ..Default::default() }).await.unwrap();
    }
    loop {
        let shown = alice.client.fact(&id).await.unwrap();
        if shown.forgotten {
            assert_eq!(shown.content, None);
            let packed = alice.client.context(&ContextAskDto::default()).await.unwrap().text;
            assert!(!packed.contains("code of today"), "{packed}");
            break;
        }
        assert_eq!(shown.content.as_deref(), Some("the code of today is 7"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    alice.stop().await;
}
