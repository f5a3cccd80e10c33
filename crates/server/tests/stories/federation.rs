//! The routes about what is shared with whom, and why something is not there.

use crate::agent::{Agent, text};
use crate::common::Alice;
use antiphon_server::ToolProfile;
use antiphon_server::client::ClientError;
use antiphon_server::dto::ShareDto;
use antiphon_server::error::Code;
use serde_json::json;

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Code {
    match result.unwrap_err() {
        ClientError::Problem(problem) => problem.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_of_a_node_is_set_and_shown() {
    let alice = Alice::start().await;
    let federation = alice.client.federation().await.unwrap();
    assert_eq!((federation.mode.as_str(), federation.levels.join(" ")), ("sync", "project domain".to_owned()));
    assert_eq!((federation.peers.len(), federation.forks.len()), (0, 0));
    assert_eq!(federation.cursors.received, federation.cursors.applied);
    assert_eq!(alice.client.set_node_mode("publish").await.unwrap().mode, "publish");
    assert_eq!(alice.client.federation().await.unwrap().mode, "publish");
    assert_eq!(code(alice.client.set_node_mode("loud").await), Code::Invalid);
    assert_eq!(alice.client.federation().await.unwrap().mode, "publish");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_about_nobody_hears_so() {
    let alice = Alice::start().await;
    assert_eq!(code(alice.client.set_peer_mode("eve", "paused").await), Code::NotFound);
    assert_eq!(code(alice.client.set_peer_mode("eve", "slow").await), Code::Invalid);
    assert_eq!(code(alice.client.share_with("eve", &ShareDto::default()).await), Code::NotFound);
    let empty = ShareDto { only: vec![" ".into()], except: Vec::new() };
    assert_eq!(code(alice.client.share_with("eve", &empty).await), Code::Invalid);
    let many = ShareDto { only: Vec::new(), except: (0..65).map(|n| n.to_string()).collect() };
    assert_eq!(code(alice.client.share_with("eve", &many).await), Code::TooLarge);
    assert_eq!(code(alice.client.why(None, "eve").await), Code::NotFound);
    let mut agent = Agent::with(&alice, ToolProfile::ReadOnly).await;
    let refused = agent.call("why", json!({"peer": "eve"})).await;
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(text(&refused).contains("antiphon peers list"), "{refused}");
    agent.leave().await;
    alice.stop().await;
}
