//! Facts on their way out, and what is known of those on their way in.

use antiphon_server::client::Client;
use antiphon_server::dto::{EditDto, ExportAskDto, ExportEndDto, ExportLineDto, NewFactDto, RotateDto};
use antiphon_server::export::line;
use serde_json::Value;

use crate::common::{Alice, Between, fact};

const ROLE: &str = "backend_developer";

async fn export(client: &Client, ask: &ExportAskDto) -> (Vec<Value>, ExportEndDto) {
    let mut lines = Vec::new();
    let keep = |line: &[u8]| {
        lines.push(line.to_vec());
        Ok(())
    };
    client.export(ask, keep).await.unwrap();
    let mut facts = Vec::new();
    let mut end = None;
    for (number, text) in (0..).zip(&lines) {
        match line(text).unwrap() {
            ExportLineDto::Begin(begin) => assert_eq!((number, begin.version, begin.team.as_str()), (0, 1, "acme")),
            ExportLineDto::Fact(_) => facts.push(serde_json::from_slice(text).unwrap()),
            ExportLineDto::End(last) => end = Some((number, last)),
        }
    }
    let (number, end) = end.unwrap();
    assert_eq!(number, lines.len() - 1, "the end is the last line");
    (facts, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_longer_than_a_page_and_has_every_fact_once() {
    let alice = Alice::start().await;
    let facts = (0..700).map(|n| fact(&format!("fact number {n}"))).collect();
    alice.client.remember_all(&antiphon_server::dto::BatchDto { facts }).await.unwrap();
    let (facts, end) = export(&alice.client, &ExportAskDto::default()).await;
    assert_eq!((facts.len(), end.facts), (700, 700));
    let mut texts: Vec<&str> = facts.iter().map(|fact| fact["content"].as_str().unwrap()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 700);
    let contract = Between::contract();
    let schema = &contract.document["paths"]["/api/v1/export"]["get"]["responses"]["200"]["content"];
    let lines = contract.compiled(&schema["application/jsonl"]["schema"]);
    for fact in facts.iter().take(3) {
        let wrong = lines.iter_errors(fact).next().map(|error| error.to_string());
        assert_eq!(wrong, None, "{fact:#}");
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_sealed_or_archived_leaves_only_when_asked() {
    let alice = Alice::start().await;
    alice.client.rotate_role(&RotateDto { role: ROLE.into(), fresh: false }).await.unwrap();
    let facts = [
        fact("plain"),
        NewFactDto { private: true, ..fact("private") },
        NewFactDto { role: Some(ROLE.into()), ..fact("sealed") },
        NewFactDto { archived: true, stale: true, ..fact("archived") },
        NewFactDto { domain: Some("billing".into()), ..fact("in billing") },
    ];
    for new in &facts {
        alice.client.remember(new).await.unwrap();
    }
    let texts = async |ask: ExportAskDto| {
        let (facts, end) = export(&alice.client, &ask).await;
        let mut texts: Vec<String> = facts.iter().map(|fact| fact["content"].as_str().unwrap().to_owned()).collect();
        texts.sort();
        (texts.join(", "), end.private, end.sealed)
    };
    assert_eq!(texts(ExportAskDto::default()).await, ("in billing, plain".into(), 1, 1));
    let billing = ExportAskDto { domain: Some("billing".into()), ..ExportAskDto::default() };
    assert_eq!(texts(billing).await, ("in billing".into(), 0, 0));
    let all = ExportAskDto { archived: Some(true), private: Some(true), sealed: Some(true), ..ExportAskDto::default() };
    assert_eq!(texts(all.clone()).await, ("archived, in billing, plain, private, sealed".into(), 0, 0));
    let (facts, _) = export(&alice.client, &all).await;
    let of = |text: &str| facts.iter().find(|fact| fact["content"] == text).unwrap();
    assert_eq!(of("sealed")["role"], ROLE);
    assert_eq!((&of("archived")["archived"], &of("archived")["stale"]), (&true.into(), &true.into()));
    assert!(of("plain").get("archived").is_none());
    let bad = ExportAskDto { level: Some("9".into()), ..ExportAskDto::default() };
    assert!(alice.client.export(&bad, |_| Ok(())).await.is_err());
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_imports_can_ask_what_is_there() {
    let alice = Alice::start().await;
    let (here, gone) = (alice.remember("here").await, alice.remember("forgotten").await);
    alice.client.forget(&gone, &antiphon_server::dto::ActorDto::default()).await.unwrap();
    alice.client.edit(&here, &EditDto { archived: Some(true), ..EditDto::default() }).await.unwrap();
    let other = "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned();
    let known = alice.client.known(vec![here.clone(), other, gone.clone()]).await.unwrap();
    assert_eq!(known.known, [here, gone], "a forgotten fact is not written again");
    assert!(alice.client.known(vec!["no id".into()]).await.is_err());
    alice.stop().await;
}
