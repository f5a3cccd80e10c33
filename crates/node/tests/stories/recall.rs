//! Asking members for what they keep to themselves.

use std::time::Duration;

use crate::blocks::{Eve, id};
use crate::common::{Machine, team_of_two, until};
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field, Level};
use antiphon_core::ids::FactId;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_net::{Event as NetEvent, Protocol};
use antiphon_node::{AskedMember, Domains, Draft, PeerMode, Reason, RecallQuery, Told, ToldRecall, Trust};
use antiphon_protocol::query::rates::IN_A_ROW_MAX;
use antiphon_protocol::query::recall::{Answer, Question};
use antiphon_protocol::query::{Query, Reply};
use tokio::task::JoinHandle;

fn text(content: &str, level: Level) -> Edit {
    Edit::new().set(Field::Content, Value::from(content)).set(Field::Level, Value::Uint(level.number()))
}

async fn remembers(machine: &Machine, edit: Edit, role: Option<&str>) -> FactId {
    let (id, provenance, idempotency_key) = (None, Provenance::default(), None);
    let draft = match role {
        None => Draft::Remember { id, edit, provenance, idempotency_key },
        Some(role) => Draft::RememberSealed { role: role.into(), id, edit, provenance, idempotency_key },
    };
    machine.handle.author(vec![draft]).await.unwrap().remove(0).unwrap().fact.unwrap()
}

async fn asks(machine: &Machine, question: &str) -> ToldRecall {
    let query = RecallQuery { text: question.into(), limit: 10, include_stale: true, ..RecallQuery::default() };
    machine.handle.recall_at_members(&query).await.unwrap()
}

fn told(recall: &ToldRecall) -> Vec<&str> {
    let mut texts: Vec<&str> = recall.hits.iter().map(|hit| hit.told.text.as_str()).collect();
    texts.sort_unstable();
    texts
}

fn of<'a>(recall: &'a ToldRecall, name: &str) -> &'a AskedMember {
    recall.asked.iter().find(|asked| asked.name == name).unwrap_or_else(|| panic!("{name} was not asked: {recall:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_gets_what_alice_keeps_to_herself_down_to_the_level_that_she_shows() {
    let (mut alice, mut bob) = team_of_two().await;
    bob.trusts("alice", Trust::Verified).await;
    remembers(&alice, text("the parser of the project", Level::Project), None).await;
    remembers(&alice, text("the parser of a module", Level::Module), None).await;
    remembers(&alice, text("the parser of a snippet", Level::Snippet), None).await;
    remembers(&alice, text("the parser that is private", Level::Module).set(Field::Private, Value::Bool(true)), None)
        .await;
    remembers(&alice, text("the parser of pay", Level::Module).set(Field::Domain, "pay".into()), None).await;
    let nothing = asks(&bob, "parser").await;
    assert!(nothing.hits.is_empty(), "{nothing:?}");
    assert_eq!(of(&nothing, "alice").answer.unwrap().up_to, None);

    alice.handle.set_shown_on_request(Some(Level::Module)).await.unwrap();
    let modules = asks(&bob, "which parser").await;
    assert_eq!(told(&modules), ["the parser of a module", "the parser of pay"]);
    let hit = &modules.hits[0];
    assert_eq!((hit.from, hit.name.as_str(), hit.told.level), (id(&alice).await, "alice", Level::Module));
    assert!(hit.score > 0.0 && hit.snippet.contains("parser"));
    assert_eq!(told(&asks(&bob, "").await).len(), 2, "without words the newest are told");
    assert!(!bob.recalls("module").await, "nothing of it stays");

    alice.handle.set_shown_on_request(Some(Level::Snippet)).await.unwrap();
    let except = Domains { except: vec!["pay".into()], ..Domains::default() };
    alice.handle.share_with("bob", except).await.unwrap();
    assert_eq!(told(&asks(&bob, "parser").await), ["the parser of a module", "the parser of a snippet"]);
    alice.handle.set_peer_mode("bob", PeerMode::Paused).await.unwrap();
    assert!(asks(&bob, "parser").await.hits.is_empty());
    let past = RecallQuery { text: "parser".into(), limit: 5, as_of: Some(UnixMillis(1)), ..RecallQuery::default() };
    assert!(bob.handle.recall_at_members(&past).await.unwrap().asked.is_empty(), "nobody is asked about the past");
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_is_told_to_those_who_may_read_it() {
    let (mut alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    let mut carol = Machine::start("carol").await;
    bob.joins_as(&alice, "backend_developer").await;
    carol.joins_as(&alice, "observer").await;
    remembers(&alice, text("the parser is sealed", Level::Module), Some("backend_developer")).await;
    alice.handle.set_shown_on_request(Some(Level::Module)).await.unwrap();
    for machine in [&bob, &carol] {
        machine.trusts("alice", Trust::Verified).await;
    }
    assert_eq!(told(&asks(&bob, "parser").await), ["the parser is sealed"]);
    let seen = asks(&carol, "parser").await;
    assert!(seen.hits.is_empty() && of(&seen, "alice").answer.is_ok(), "{seen:?}");
    for machine in [&mut carol, &mut bob, &mut alice] {
        machine.stop().await;
    }
}

/// Eve answers every question with this; without an answer she keeps silent.
fn answers(eve: Eve, bytes: Option<Vec<u8>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        // All of her moves in here, her network too.
        let mut eve = eve;
        // Streams that she lets go of would end sync, and with it that she is known.
        let mut silent = Vec::new();
        while let Some(event) = eve.events.recv().await {
            match (event, &bytes) {
                (NetEvent::Request { protocol: Protocol::Query, responder, .. }, Some(bytes)) => {
                    responder.respond(bytes.clone()).await.unwrap();
                }
                (other, _) => silent.push(other),
            }
        }
    })
}

async fn counted(machine: &Machine, reason: &str) -> u64 {
    let refusals = machine.handle.counters().await.unwrap().refusals;
    refusals.into_iter().filter(|((_, why), _)| *why == reason).map(|(_, count)| count).sum()
}

/// Bob, who has met alice and eve; alice shows a fact of a module.
async fn bob_between_alice_and_eve() -> (Machine, Machine, Eve) {
    let (alice, bob) = team_of_two().await;
    remembers(&alice, text("the parser of a module", Level::Module), None).await;
    alice.handle.set_shown_on_request(Some(Level::Module)).await.unwrap();
    let eve = Eve::joins(&alice).await;
    bob.trusts("alice", Trust::Verified).await;
    until("bob knows that eve is a member", async || bob.handle.peer("eve").await.is_ok()).await;
    eve.greets(&bob).await;
    until("bob has met eve", async || {
        let seen = bob.sees("eve").await;
        seen.connected && seen.trust == Trust::Verified
    })
    .await;
    (alice, bob, eve)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_eve_makes_up_is_left_out_and_counted() {
    let (mut alice, mut bob, eve) = bob_between_alice_and_eve().await;
    let lie = |n: u8, text: &str, level| Told {
        id: FactId([n; 16]),
        text: text.into(),
        level,
        domain: None,
        module: None,
        tags: Vec::new(),
        role: None,
        agent: None,
        source: None,
        created_at: UnixMillis(1),
        updated_at: UnixMillis(1),
        stale: false,
        archived: false,
    };
    let found = vec![
        lie(1, "the parser of the whole project", Level::Project),
        lie(2, "buy more", Level::Module),
        lie(3, "a parser that eve may well have", Level::Snippet),
    ];
    let answer = Reply::Recall(Answer { up_to: Some(Level::Snippet), found }).encode();
    let lies = answers(eve, Some(answer));
    let heard = asks(&bob, "parser").await;
    assert_eq!(told(&heard), ["a parser that eve may well have", "the parser of a module"]);
    let view = of(&heard, "eve").answer.unwrap();
    assert_eq!((view.taken, view.unfit), (1, 2));
    assert_eq!(counted(&bob, "unfit_answer").await, 1);
    assert!(bob.handle.audit(10).await.unwrap().iter().any(|line| line.reason == "unfit_answer"));
    lies.abort();
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_counted_and_the_others_are_heard() {
    let (mut alice, mut bob, eve) = bob_between_alice_and_eve().await;
    let noise = answers(eve, Some(vec![0xff; 1_000]));
    let heard = asks(&bob, "parser").await;
    assert_eq!(told(&heard), ["the parser of a module"]);
    assert_eq!(of(&heard, "eve").answer, Err(Reason::InvalidFrontmatter));
    assert_eq!(counted(&bob, "invalid_frontmatter").await, 1);
    noise.abort();
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_silent_is_named_and_the_others_are_heard() {
    let (mut alice, mut bob, eve) = bob_between_alice_and_eve().await;
    let silence = answers(eve, None);
    let heard = asks(&bob, "parser").await;
    assert_eq!(told(&heard), ["the parser of a module"]);
    assert_eq!(of(&heard, "eve").answer, Err(Reason::NetworkTimeout));
    silence.abort();
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eve_who_asks_without_end_is_answered_no_more_and_a_removed_one_not_at_all() {
    let (mut alice, mut bob, mut eve) = bob_between_alice_and_eve().await;
    let alices = id(&alice).await;
    let asked = Query::Recall(Question { text: "parser".into(), limit: 5, ..Question::default() }).encode();
    // Her own events are of no interest, but somebody must take them.
    let mut events = std::mem::replace(&mut eve.events, tokio::sync::mpsc::channel(1).1);
    let drain = tokio::spawn(async move { while events.recv().await.is_some() {} });
    eve.greets(&alice).await;
    let ask = async || eve.net.request(alices, Protocol::Query, Vec::new(), asked.clone()).await;
    let Reply::Recall(answer) = Reply::decode(&ask().await.unwrap()).unwrap() else { panic!("another answer") };
    assert_eq!(answer.found.len(), 1);
    let in_time = async {
        let mut answered = 1;
        while ask().await.is_ok() {
            answered += 1;
        }
        answered
    };
    let answered: u64 = tokio::time::timeout(Duration::from_secs(60), in_time).await.expect("eve is always answered");
    assert!(answered >= IN_A_ROW_MAX, "{answered}");
    until("it is counted", async || counted(&alice, "too_often").await > 0).await;
    assert_eq!(told(&asks(&bob, "parser").await), ["the parser of a module"], "bob is answered as before");
    alice.handle.revoke(&eve.local.node.to_string(), "she is eve", false).await.unwrap();
    until("eve is put out", async || !alice.sees("eve").await.connected).await;
    assert!(ask().await.is_err());
    drain.abort();
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_even_ask() {
    let mut alice = Machine::start("alice").await;
    alice.handle.set_shown_on_request(Some(Level::Snippet)).await.unwrap();
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let status = alice.handle.status().await.unwrap();
    let (address, _) = status.listen[0].rsplit_once("/p2p/").unwrap();
    let mut config = antiphon_net::Config::new([9; 32].into(), "stranger/1");
    config.mdns = false;
    let (net, _events, driver) = antiphon_net::new(config).unwrap();
    tokio::spawn(driver);
    let asked = Query::Recall(Question { limit: 5, ..Question::default() }).encode();
    let answer = net.request(status.node_id, Protocol::Query, vec![address.parse().unwrap()], asked).await;
    assert!(answer.is_err(), "{answer:?}");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recalled_is_counted_here() {
    let mut alice = Machine::start("alice").await;
    let fact = alice.remember("the parser is recalled").await;
    alice.remember("nobody wants to know").await;
    for _ in 0..3 {
        assert!(alice.recalls("parser").await);
    }
    let used = alice.handle.most_used(10).await.unwrap();
    assert_eq!(used.iter().map(|view| (view.fact.id, view.hits)).collect::<Vec<_>>(), [(fact, 3)]);
    alice.stop().await;
}
