//! The official conformance suite, run against our transport.
//!
//! The suite asks for tools, resources and prompts of certain names. A handler of this directory has them, and stands
//! behind the very route that agents come in by. The product has none of them, so it is held against the scenarios that
//! need nothing; a small proxy adds its token, which the suite cannot send.
//!
//! `ANTIPHON_TEST_CONFORMANCE` names a directory in which the suite and a Node that runs it are installed.
#![allow(clippy::print_stdout, reason = "totals are what the suite is run for")]

mod fixtures;
mod inputs;
mod proxy;
mod suite;

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_server::door::SESSIONS_PER_MINUTE_DEFAULT;
use antiphon_server::mcp_transport;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::common::Alice;
use fixtures::{Fixture, Shared};
use suite::Suite;

const NEW: &str = "2026-07-28";
const OLD: &str = "2025-11-25";
/// Scored scenarios of each revision.
const SCORED: [(&str, usize); 2] = [(OLD, 30), (NEW, 37)];

#[tokio::test(flavor = "multi_thread")]
async fn the_transport_passes_every_scored_scenario_with_the_suites_fixtures() {
    let Some(suite) = Suite::installed() else { return };
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared::default());
    let settings = mcp_transport::Settings { sessions_per_minute: SESSIONS_PER_MINUTE_DEFAULT, local_pages_only: true };
    let (router, _) = mcp_transport::router(move || Fixture::new(shared.clone()), &settings, stop.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let ended = stop.clone().cancelled_owned();
    let server =
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(ended).await.unwrap() });
    for (revision, count) in SCORED {
        let run = suite.run(&url, revision).await;
        println!("fixtures, {revision}: {}", run.totals());
        // Of what is not scored, the extension for tasks has no fixtures here.
        let failed: Vec<String> = run.failed().into_iter().filter(|name| !name.starts_with("tasks-")).collect();
        assert_eq!(failed, Vec::<String>::new(), "{}", run.said);
        let scored = suite.scored(revision).await;
        assert_eq!(scored.len(), count, "{scored:?}");
        let passed: BTreeSet<String> = run.passed().intersection(&scored).cloned().collect();
        assert_eq!(passed, scored, "{}", run.said);
        assert!(run.exit, "{}", run.said);
        println!("fixtures, {revision}: {} of {count} scored scenarios passed", passed.len());
    }
    stop.cancel();
    server.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_at_the_door_passes_every_scenario_that_needs_no_fixture() {
    let Some(suite) = Suite::installed() else { return };
    let alice = Alice::start().await;
    let proxy = proxy::Proxy::to(alice.authority(), &alice.bearer()).await;
    for (revision, needs_nothing) in [(OLD, OLD_WITHOUT_FIXTURES), (NEW, NEW_WITHOUT_FIXTURES)] {
        let run = suite.run(&proxy.url, revision).await;
        println!("product, {revision}: {}", run.totals());
        let passed = run.passed();
        for name in needs_nothing {
            assert!(passed.contains(*name), "{name} in {revision}:\n{}", run.said);
        }
        let scored = suite.scored(revision).await;
        let unknown: Vec<_> = needs_nothing.iter().filter(|name| !scored.contains(**name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        println!("product, {revision}: {} scenarios need no fixture, all passed", needs_nothing.len());
    }
    proxy.stop();
    alice.stop().await;
}

/// Scored scenarios that ask for nothing of a certain name.
const OLD_WITHOUT_FIXTURES: &[&str] = &[
    "server-initialize",
    "logging-set-level",
    "ping",
    "completion-complete",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
];
const NEW_WITHOUT_FIXTURES: &[&str] = &[
    "completion-complete",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "sep-2164-resource-not-found",
    "prompts-list",
    "dns-rebinding-protection",
    "caching",
    "input-required-result-unsupported-methods",
];
