//! Pages and programs hear what has changed.

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::browser::Browser;
use crate::common::Alice;

/// Most streams of a node.
const FEEDS_MAX: usize = 32;

/// A stream of events that is being read.
struct Feed {
    body: Incoming,
    text: String,
}

async fn ask(alice: &Alice, path: &str, (name, value): (&str, &str)) -> Response<Incoming> {
    let stream = TcpStream::connect(alice.authority()).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().uri(path).header("host", alice.authority()).header(name, value);
    sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
}

impl Feed {
    async fn open(alice: &Alice, path: &str, header: (&str, &str)) -> Self {
        let response = ask(alice, path, header).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event with its topics; `None` when the stream ends.
    async fn next(&mut self) -> Option<(String, Value)> {
        while !self.text.contains("\n\n") {
            let frame = self.body.frame().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&frame.into_data().ok()?).unwrap());
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let (event, rest) = (event.to_owned(), rest.to_owned());
        self.text = rest;
        let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        Some((line("event:"), serde_json::from_str::<Value>(&line("data:")).unwrap()["topics"].clone()))
    }

    /// Waits for an event that names a topic.
    async fn hear(&mut self, topic: &str) {
        loop {
            let (event, topics) = self.next().await.expect("the stream goes on");
            if event == "changed" && topics.as_array().unwrap().contains(&json!(topic)) {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_a_program_hear_what_changed() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    let bearer = alice.bearer();
    let mut page = Feed::open(&alice, "/events", ("cookie", &browser.cookie)).await;
    let mut program = Feed::open(&alice, "/api/v1/events", ("authorization", &bearer)).await;
    for feed in [&mut page, &mut program] {
        let (event, topics) = feed.next().await.unwrap();
        assert_eq!(event, "hello");
        assert!(topics.as_array().unwrap().contains(&json!("facts")), "{topics}");
    }
    alice.remember("the port is 5432").await;
    page.hear("facts").await;
    program.hear("facts").await;
    let incident = antiphon_server::dto::NewIncidentDto { title: "disk full".into(), ..Default::default() };
    alice.client.report_incident(&incident).await.unwrap();
    page.hear("incidents").await;
    // A stream ends with its session, and all end with the doors.
    browser.send("/signout", &[]).await;
    alice.remember("the port is 5433").await;
    while page.next().await.is_some() {}
    program.hear("facts").await;
    alice.stop().await;
    while program.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_and_places_come_free() {
    let alice = Alice::start().await;
    let bearer = alice.bearer();
    let mut feeds = Vec::new();
    for _ in 0..FEEDS_MAX {
        let mut feed = Feed::open(&alice, "/api/v1/events", ("authorization", &bearer)).await;
        assert_eq!(feed.next().await.unwrap().0, "hello");
        feeds.push(feed);
    }
    let full = ask(&alice, "/api/v1/events", ("authorization", &bearer)).await;
    assert_eq!(full.status(), 503);
    feeds.pop();
    crate::two::until("a place is free", async || {
        ask(&alice, "/api/v1/events", ("authorization", &bearer)).await.status() == 200
    })
    .await;
    drop(feeds);
    alice.stop().await;
}
