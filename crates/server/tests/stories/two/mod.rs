//! Alice with her doors and bob with none, who share a team.

use std::time::Duration;

use antiphon_node::{Config, Handle, Home, Node};

use crate::common::Alice;

/// Waits until something is so, and says what was waited for when it never is.
pub(crate) async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("still waiting: {what}"));
}

/// See the module.
pub(crate) struct Two {
    pub(crate) alice: Alice,
    pub(crate) bob: Handle,
    pub(crate) node: Node,
    _dir: tempfile::TempDir,
}

impl Two {
    /// Bob joins alice in a role.
    pub(crate) async fn start(role: &str) -> Self {
        let alice = Alice::start().await;
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(Home::new(dir.path().join("home")));
        (config.name, config.mdns) = (Some("bob".into()), false);
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
        let node = Node::start(config).await.unwrap();
        let bob = node.handle();
        until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
        let ticket = alice.handle.invite(role, 60_000).await.unwrap().ticket;
        bob.join(&ticket, None, None).await.unwrap();
        until("alice knows bob", async || alice.handle.peer("bob").await.is_ok()).await;
        until("bob knows alice", async || bob.peer("alice").await.is_ok()).await;
        // Both have told what they store and how they share, so that nothing waits.
        for handle in [&alice.handle, &bob] {
            until("both have told of themselves", async || {
                let stats = handle.outbox_stats().await.unwrap();
                stats.pending() == 0 && stats.counters.delivered >= 2
            })
            .await;
        }
        Self { alice, bob, node, _dir: dir }
    }

    /// Ends both.
    pub(crate) async fn stop(self) {
        self.bob.shutdown().await;
        self.node.stopped().await;
        self.alice.stop().await;
    }
}
