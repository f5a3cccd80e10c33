//! Every way to name the door, crossed with every page a request may come from and every token, at every kind of
//! address: as bytes over the real port.

use antiphon_server::door::HttpSettings;

use crate::common::Alice;
use crate::raw::{Neighbours, exchange, request};

/// A first line, more headers, a body, what it answers to those who may come in, and whether that takes a token.
struct Door {
    line: &'static str,
    headers: &'static [&'static str],
    body: &'static str,
    good: u16,
    token: bool,
}

impl Door {
    fn is_page(&self) -> bool {
        ["GET / ", "GET /events ", "POST /facts ", "GET /signin?"].iter().any(|line| self.line.starts_with(line))
    }
}

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"t","version":"1"}}}"#
);

const fn door(line: &'static str, good: u16, token: bool) -> Door {
    Door { line, headers: &[], body: "", good, token }
}

const DOORS: &[Door] = &[
    door("GET /api/v1/status HTTP/1.1", 200, true),
    door("DELETE /api/v1/status HTTP/1.1", 405, true),
    Door { line: "POST /api/v1/recall HTTP/1.1", headers: &[], body: r#"{"query":"x"}"#, good: 200, token: true },
    Door {
        line: "POST /mcp HTTP/1.1",
        headers: &["accept: application/json, text/event-stream"],
        body: INITIALIZE,
        good: 200,
        token: true,
    },
    door("GET /metrics HTTP/1.1", 200, true),
    door("GET /nothing HTTP/1.1", 404, true),
    // Pages take a session, never the token; who has none is told so by a page.
    door("GET / HTTP/1.1", 403, false),
    door("GET /events HTTP/1.1", 403, false),
    door("POST /facts HTTP/1.1", 403, false),
    door("GET /signin?token=x HTTP/1.1", 200, false),
    door("GET /healthz HTTP/1.1", 200, false),
    door("GET /readyz HTTP/1.1", 200, false),
];

#[tokio::test(flavor = "multi_thread")]
async fn host_origin_and_token_decide_together() {
    let settings = HttpSettings { hosts: vec!["notes.example:8443".parse().unwrap()], ..HttpSettings::default() };
    let alice = Alice::start_at("127.0.0.1:0", settings).await;
    let own = alice.authority().to_owned();
    let page = format!("http://{own}");
    let (bearer, wrong) = (alice.bearer(), format!("{}x", alice.bearer()));
    let hosts = [
        (own.as_str(), true),
        ("localhost", true),
        ("LOCALHOST:1", true),
        ("[::1]:7411", true),
        ("notes.example:8443", true),
        ("notes.example", false),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("127.0.0.1:80@evil.example", false),
        ("", false),
    ];
    let origins = [
        (None, true),
        (Some(page.as_str()), true),
        (Some("http://localhost:3000"), true),
        (Some("https://notes.example:8443"), true),
        (Some("http://notes.example:8443"), false),
        (Some("https://notes.example"), false),
        (Some("http://evil.example"), false),
        (Some("null"), false),
    ];
    let tokens =
        [(Some(bearer.as_str()), true), (Some(wrong.as_str()), false), (Some("Basic YTpi"), false), (None, false)];
    let (mut neighbours, mut seen) = (Neighbours::default(), 0);
    for (host, host_good) in hosts {
        for (origin, origin_good) in origins {
            for (token, token_good) in tokens {
                for door in DOORS {
                    let want = match () {
                        () if !host_good || !origin_good => 403,
                        () if door.token && !token_good => 401,
                        () => door.good,
                    };
                    let mut headers = vec![format!("host: {host}")];
                    headers.extend(origin.map(|origin| format!("origin: {origin}")));
                    headers.extend(token.map(|token| format!("authorization: {token}")));
                    headers.extend(door.headers.iter().map(|header| (*header).to_owned()));
                    let text = request(door.line, &headers, door.body);
                    let stream = neighbours.connect(alice.authority().parse().unwrap()).await;
                    let reply = exchange(stream, &text).await;
                    assert_eq!(reply.status, want, "{text}\n{}", reply.body);
                    let refused_at_the_door = !host_good || !origin_good;
                    let page = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
                    assert_eq!(page, !refused_at_the_door && door.is_page(), "{text}");
                    assert_eq!(reply.header("www-authenticate").is_some(), want == 401, "{text}");
                    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{text}");
                    assert_eq!(reply.header("cache-control"), Some("no-store"), "{text}");
                    assert_eq!(reply.header("strict-transport-security"), None, "{text}");
                    assert_eq!(reply.header("access-control-allow-origin"), None, "{text}");
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, hosts.len() * origins.len() * tokens.len() * DOORS.len());
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_says_two_things_at_once_is_refused() {
    let alice = Alice::start().await;
    let bearer = format!("authorization: {}", alice.bearer());
    let cases: &[(&str, &[&str], u16)] = &[
        ("GET /api/v1/status HTTP/1.1", &[], 403),
        ("GET /api/v1/status HTTP/1.0", &[], 403),
        ("GET /api/v1/status HTTP/1.0", &["host: localhost"], 200),
        ("GET /api/v1/status HTTP/1.1", &["host: localhost", "host: evil.example"], 403),
        ("GET /api/v1/status HTTP/1.1", &["host: evil.example", "host: localhost"], 403),
        ("GET /api/v1/status HTTP/1.1", &["host: localhost", "host: localhost"], 403),
        ("GET http://evil.example/api/v1/status HTTP/1.1", &["host: localhost"], 403),
        ("GET http://localhost/api/v1/status HTTP/1.1", &["host: evil.example"], 403),
        ("GET http://localhost/api/v1/status HTTP/1.1", &["host: localhost"], 200),
        ("GET http://localhost@evil.example/api/v1/status HTTP/1.1", &["host: localhost"], 403),
        (
            "GET /api/v1/status HTTP/1.1",
            &["host: localhost", "origin: http://localhost", "origin: http://evil.example"],
            403,
        ),
        ("GET /api/v1/status HTTP/1.1", &["host: localhost", "x-forwarded-host: evil.example"], 200),
        ("GET /api/v1/status HTTP/1.1", &["host: evil.example", "x-forwarded-host: localhost"], 403),
        ("GET /api/v1/status HTTP/1.1", &["host: evil.example", "forwarded: host=localhost"], 403),
        ("OPTIONS /api/v1/status HTTP/1.1", &["host: localhost", "origin: http://evil.example"], 403),
        ("GET //api/v1/status HTTP/1.1", &["host: localhost"], 404),
        ("GET /api/v1/../v1/status HTTP/1.1", &["host: localhost"], 404),
        ("GET /api/v1/status HTTP/1.1", &["host: localhost\tx"], 403),
    ];
    let mut neighbours = Neighbours::default();
    for (line, headers, want) in cases {
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).chain([bearer.clone()]).collect();
        let stream = neighbours.connect(alice.authority().parse().unwrap()).await;
        let reply = exchange(stream, &request(line, &headers, "")).await;
        assert_eq!(reply.status, *want, "{line} {headers:?}\n{}", reply.body);
    }
    alice.stop().await;
}
