//! What one client cannot take from the others.

use std::time::Duration;

use antiphon_server::door::HttpSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::Alice;
use crate::raw::{Neighbours, Reply, exchange, request};

/// After this long a wait is a hang.
const HANG: Duration = Duration::from_secs(120);

async fn ask(alice: &Alice, neighbours: &mut Neighbours, token: &str) -> Reply {
    let stream = neighbours.connect(alice.authority().parse().unwrap()).await;
    let headers = ["host: localhost".to_owned(), format!("authorization: {token}")];
    exchange(stream, &request("GET /api/v1/state-hash HTTP/1.1", &headers, "")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_tokens_waits_and_who_has_it_does_not() {
    let alice = Alice::start().await;
    // All of them come from one address.
    let ask = async |token: String| {
        let headers = ["host: localhost".to_owned(), format!("authorization: {token}")];
        let stream = TcpStream::connect(alice.authority()).await.unwrap();
        exchange(stream, &request("GET /api/v1/state-hash HTTP/1.1", &headers, "")).await
    };
    let mut answers = Vec::new();
    for number in 0..200 {
        answers.push(ask(format!("Bearer {number}")).await);
    }
    let refused = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((30..200).contains(&refused), "{refused} of 200 were looked at");
    let waits: Vec<&Reply> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(waits.len() + refused, answers.len());
    for reply in waits {
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
        assert!(reply.body.contains("too_many"), "{}", reply.body);
        assert_eq!(reply.header("www-authenticate"), None);
    }
    assert_eq!(ask(alice.bearer()).await.status, 200, "the token is let in all the same");
    // Somebody else was not held up.
    let mut neighbours = Neighbours::default();
    assert_eq!(self::ask(&alice, &mut neighbours, "Bearer x").await.status, 401);
    alice.stop().await;
}

/// Begins a session over a connection of its own and goes away.
async fn begin(alice: &Alice) -> Reply {
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
        r#""capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#
    );
    post(alice, &[], body).await
}

async fn post(alice: &Alice, headers: &[String], body: &str) -> Reply {
    let mut all = vec![
        "host: localhost".to_owned(),
        "accept: application/json, text/event-stream".to_owned(),
        format!("authorization: {}", alice.bearer()),
    ];
    all.extend(headers.iter().cloned());
    let stream = TcpStream::connect(alice.authority()).await.unwrap();
    exchange(stream, &request("POST /mcp HTTP/1.1", &all, body)).await
}

fn session(reply: &Reply) -> String {
    format!("mcp-session-id: {}", reply.header("mcp-session-id").unwrap_or_else(|| panic!("{reply:?}")))
}

/// A client that says hello and asks something.
async fn works(alice: &Alice) -> String {
    let session = session(&begin(alice).await);
    let hello = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(post(alice, std::slice::from_ref(&session), hello).await.status, 202);
    assert_eq!(list(alice, &session).await, 200);
    session
}

async fn list(alice: &Alice, session: &str) -> u16 {
    let body = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    post(alice, &[session.to_owned()], body).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sessions_does_not_throw_out_one_that_works() {
    let settings = HttpSettings { sessions_per_minute: 100_000, ..HttpSettings::default() };
    let alice = Alice::start_at("127.0.0.1:0", settings).await;
    let (bob, eve) = (works(&alice).await, session(&begin(&alice).await));
    for _ in 0..200 {
        assert_eq!(begin(&alice).await.status, 200);
    }
    assert_eq!(list(&alice, &bob).await, 200, "bob said nothing for longer than all of them, and he had used his");
    assert_eq!(list(&alice, &eve).await, 404, "one that was never used made place");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_used_sessions_does_not_throw_out_one_that_listens() {
    let settings = HttpSettings { sessions_per_minute: 100_000, ..HttpSettings::default() };
    let alice = Alice::start_at("127.0.0.1:0", settings).await;
    let (bob, eve) = (works(&alice).await, works(&alice).await);
    let mut stream = TcpStream::connect(alice.authority()).await.unwrap();
    let headers = [
        "host: localhost".to_owned(),
        "accept: text/event-stream".to_owned(),
        format!("authorization: {}", alice.bearer()),
        bob.clone(),
    ];
    stream.write_all(request("GET /mcp HTTP/1.1", &headers, "").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    for _ in 0..80 {
        works(&alice).await;
    }
    assert_eq!(list(&alice, &bob).await, 200);
    assert_eq!(list(&alice, &eve).await, 404, "of those that do nothing the one goes that was silent for longest");
    drop(stream);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_may_begin_only_so_many_sessions() {
    let settings = HttpSettings { sessions_per_minute: 5, ..HttpSettings::default() };
    let alice = Alice::start_at("127.0.0.1:0", settings).await;
    let bob = works(&alice).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(begin(&alice).await);
    }
    let begun = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((4..20).contains(&begun), "{begun} were begun");
    for reply in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(reply.status, 429, "{reply:?}");
        assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    }
    assert_eq!(list(&alice, &bob).await, 200, "a session that is there goes on");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_ends_the_connection() {
    let settings = HttpSettings { head_ms: 300, ..HttpSettings::default() };
    let alice = Alice::start_at("127.0.0.1:0", settings).await;
    let mut slow = TcpStream::connect(alice.authority()).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ").await.unwrap();
    let mut silent = TcpStream::connect(alice.authority()).await.unwrap();
    let mut got = Vec::new();
    // Both end by themselves, however long the machine takes for it.
    slow.read_to_end(&mut got).await.unwrap();
    assert!(!got.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&got));
    silent.read_to_end(&mut Vec::new()).await.unwrap();
    alice.stop().await;
}

/// She asks and asks on one connection and reads nothing, until no answer fits on the way any more.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_nothing_of_an_answer_loses_the_connection() {
    let settings = HttpSettings { stalled_ms: 300, ..HttpSettings::default() };
    let alice = Alice::start_at("127.0.0.1:0", settings).await;
    let mut greedy = TcpStream::connect(alice.authority()).await.unwrap();
    let asks = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
    let ends = async { while greedy.write_all(asks.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(HANG, ends).await.expect("the connection ends");
    assert_eq!(begin(&alice).await.status, 200, "others are served");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_short_and_a_body_that_is_not_wanted_is_not_read() {
    let alice = Alice::start().await;
    let exchange_with = async |headers: Vec<String>| {
        let stream = TcpStream::connect(alice.authority()).await.unwrap();
        exchange(stream, &request("GET /healthz HTTP/1.1", &headers, "")).await.status
    };
    let host = "host: localhost".to_owned();
    assert_eq!(exchange_with(vec![host.clone(), format!("x: {}", "x".repeat(20_000))]).await, 200);
    assert_eq!(exchange_with(vec![host.clone(), format!("x: {}", "x".repeat(40_000))]).await, 431);
    let many = (0..80).map(|number| format!("x-{number}: x"));
    assert_eq!(exchange_with(std::iter::once(host.clone()).chain(many).collect()).await, 431);
    // Without the token nobody waits for a body that is announced and never sent.
    let mut stream = TcpStream::connect(alice.authority()).await.unwrap();
    let head = "POST /api/v1/facts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut got = [0; 12];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"HTTP/1.1 401");
    alice.stop().await;
}
