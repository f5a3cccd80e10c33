//! How fast what waited is delivered to a peer that came back.

use std::time::{Duration, Instant};

use antiphon_node::{Addressee, Config, Handle, Home, MessageDraft, Node};

use super::queue::{self, BODY_BYTES};
use crate::Outcome;
use crate::corpus::{self, Random};
use crate::figures::{Aim, aimed, median, thousands};
use crate::peer::{Peer, System};

/// Items without cryptography of their own.
const ITEMS: u64 = 100_000;
/// Messages between agents, each signed and sealed to its receiver.
const MESSAGES: u64 = 10_000;
const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run() -> Outcome<()> {
    let (mut items, mut messages) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        items.push(round(What::Items).await?);
        messages.push(round(What::Messages).await?);
    }
    let print = |count: u64, what: &str, rates: &mut Vec<f64>, least: Option<f64>| {
        let work = format!("outbox: {} {what} of {BODY_BYTES} bytes to a peer that came back", thousands(count as f64));
        let rate = median(rates);
        let aim = least.map(|least| Aim::at_least(rate, least, "per second"));
        aimed(&work, &format!("{} per second", thousands(rate)), "", aim.as_slice());
    };
    print(ITEMS, "items", &mut items, Some(10_000.0));
    print(MESSAGES, "messages, signed and sealed,", &mut messages, None);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Items,
    Messages,
}

/// Items per second, from the moment the receiver's process is started until none is left.
async fn round(what: What) -> Outcome<f64> {
    let dir = tempfile::tempdir()?;
    let home = dir.path().join("alice");
    let mut config = Config::new(Home::new(&home));
    (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
    config.outbox.bounds = queue::BOUNDS;
    let mut alice = Node::start(config.clone()).await?;
    let mut bob = Peer::start(System::Ours, &dir.path().join("bob"))?;
    while alice.handle().status().await?.listen.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ticket = alice.handle().invite("observer", 3_600_000).await?.ticket;
    bob.ask(&format!("join {ticket}")).await?;
    let peer = loop {
        if let Some(peer) = alice.handle().peers().await?.into_iter().find(|peer| peer.last_success.is_some()) {
            break peer.peer_id;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    bob.quit().await?;
    let count = match what {
        What::Items => {
            alice.handle().shutdown().await;
            alice.stopped().await;
            queue::fill(&home, peer, ITEMS)?;
            alice = Node::start(config).await?;
            ITEMS
        }
        What::Messages => {
            write(&alice.handle(), peer).await?;
            MESSAGES
        }
    };
    let began = Instant::now();
    let bob = Peer::start(System::Ours, &dir.path().join("bob"))?;
    drained(&alice.handle(), began).await?;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    bob.quit().await?;
    alice.handle().shutdown().await;
    alice.stopped().await;
    Ok(rate)
}

async fn write(handle: &Handle, peer: antiphon_core::ids::NodeId) -> Outcome<()> {
    let mut random = Random(3);
    for _ in 0..MESSAGES {
        let text = corpus::text(&mut random, BODY_BYTES);
        let to = Addressee::Peer(peer.to_string());
        handle.send_message(MessageDraft { to, text, refs: vec![], reply_to: None, agent: None, key: None }).await?;
    }
    Ok(())
}

async fn drained(handle: &Handle, began: Instant) -> Outcome<()> {
    while handle.outbox_stats().await?.pending() > 0 {
        if began.elapsed() > PATIENCE {
            return Err("what waits is not delivered".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
