//! Who may come in by which door.

use std::os::unix::fs::PermissionsExt;

use crate::common::Alice;
use antiphon_node::{Config, Home, Node};
use antiphon_server::client::Client;
use antiphon_server::door::{DoorOptions, serve};
use antiphon_server::error::{Code, Problem};

#[tokio::test(flavor = "multi_thread")]
async fn the_http_door_knows_host_origin_and_token() {
    let alice = Alice::start().await;
    let own = alice.authority().to_owned();
    let bearer = alice.bearer();
    let cases: &[(&str, Option<&str>, Option<&str>, u16)] = &[
        (&own, None, Some(&bearer), 200),
        ("localhost:7411", None, Some(&bearer), 200),
        ("[::1]", None, Some(&bearer), 200),
        (&own, Some("http://localhost:3000"), Some(&bearer), 200),
        (&own, None, None, 401),
        (&own, None, Some("Bearer wrong"), 401),
        (&own, None, Some("Basic YTpi"), 401),
        (&own, Some("http://127.0.0.1:1"), None, 401),
        (&own, Some("http://evil.example"), Some(&bearer), 403),
        (&own, Some("null"), Some(&bearer), 403),
        (&own, Some("http://localhost.evil.example"), Some(&bearer), 403),
        ("evil.example", None, Some(&bearer), 403),
        ("evil.example:7411", Some("http://evil.example:7411"), Some(&bearer), 403),
        ("evil.example", None, None, 403),
    ];
    for (host, origin, token, want) in cases {
        for path in ["/api/v1/status", "/mcp", "/nothing"] {
            let mut headers = vec![("host", *host), ("accept", "application/json, text/event-stream")];
            headers.extend(origin.map(|origin| ("origin", origin)));
            headers.extend(token.map(|token| ("authorization", token)));
            let answer = alice.http("GET", path, &headers, "").await;
            let refused = [401, 403].contains(&answer.status.as_u16());
            assert_eq!(refused, *want != 200, "{path} {host} {origin:?} {token:?}: {}", answer.text);
            if *want != 200 || path == "/api/v1/status" {
                assert_eq!(answer.status, *want, "{path} {host} {origin:?} {token:?}");
            }
            assert_eq!(answer.headers.contains_key("www-authenticate"), answer.status == 401);
        }
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_token_but_a_local_name() {
    let alice = Alice::start().await;
    assert_eq!(alice.http("GET", "/healthz", &[("host", "localhost")], "").await.status, 200);
    assert_eq!(alice.http("GET", "/healthz", &[("host", "evil.example")], "").await.status, 403);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_does_not_take_what_only_the_socket_may() {
    let alice = Alice::start().await;
    let bearer = alice.bearer();
    let headers = [("host", "localhost"), ("authorization", bearer.as_str())];
    assert_eq!(alice.http("POST", "/api/v1/shutdown", &headers, "{}").await.status, 404);
    assert_eq!(alice.http("GET", "/api/v1/mcp", &headers, "").await.status, 404);
    let wrong = alice.http("DELETE", "/api/v1/status", &headers, "").await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (405, "invalid".to_owned()));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_private_and_goes_with_the_node() {
    let alice = Alice::start().await;
    let path = alice.home.socket();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let client = alice.client.clone();
    assert_eq!(client.status().await.unwrap().name, "alice");
    // Alice's directory goes with her; the socket is gone before.
    alice.stop().await;
    let error = client.status().await.unwrap_err();
    assert!(error.is_no_daemon(), "{error}");
    let problem = Problem::from(error);
    assert_eq!((problem.code, problem.exit), (Code::Unreachable, 5));
    assert!(problem.hint.unwrap().contains("antiphon up"));
}

fn config(home: &Home) -> Config {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    Config { listen, mdns: false, name: Some("bob".into()), ..Config::new(home.clone()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_dead_nodes_socket_do_not_stop_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path().join("home"));
    let node = Node::start(config(&home)).await.unwrap();
    drop(std::os::unix::net::UnixListener::bind(home.socket()).unwrap());
    let client = Client::new(home.socket());
    assert!(client.status().await.unwrap_err().is_no_daemon());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let options = DoorOptions::new(home.clone(), Some(at.clone()));
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async { closed.await.unwrap() };
    let running = serve(node.handle(), options, shutdown).await.unwrap();
    assert_eq!(running.http_url, None);
    let status = client.status().await.unwrap();
    assert_eq!(status.http, None);
    assert!(status.problems.iter().any(|problem| problem.what.contains(&at)), "{:?}", status.problems);
    close.send(()).unwrap();
    running.finished().await;
    assert!(!home.socket().exists());
    node.handle().shutdown().await;
    node.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_stop_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path().join("home"));
    let node = Node::start(config(&home)).await.unwrap();
    let options = DoorOptions::new(home.clone(), None);
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let running = serve(node.handle(), options, async { closed.await.unwrap() }).await.unwrap();
    Client::new(home.socket()).shutdown().await.unwrap();
    node.stopped().await;
    close.send(()).unwrap();
    running.finished().await;
}
