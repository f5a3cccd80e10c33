//! Small documents between two nodes that are connected: stored on one, read on the other. Each document is stored, and
//! read as soon as the other node knows of it, so that every read fetches it.

use std::io::Cursor;
use std::time::{Duration, Instant};

use antiphon_core::address::Address;
use antiphon_core::event::Provenance;
use antiphon_node::{Bring, Config, ContentForm, Handle, Home, NewContent, Node};

use crate::Outcome;
use crate::figures::{Aim, aimed, percentile_ms};

/// Documents, and their bytes.
const DOCUMENTS: usize = 200;
const BYTES: usize = 1_024;
/// Documents before anything is measured.
const WARMING: usize = 20;
/// Time after which what is waited for counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stores and reads, and prints how long each took.
pub async fn run() -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let mut nodes = Vec::new();
    for name in ["alice", "bob"] {
        let mut config = Config::new(Home::new(dir.path().join(name)));
        (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
        nodes.push(Node::start(config).await?);
    }
    let (alice, bob) = (nodes[0].handle(), nodes[1].handle());
    let ticket = alice.invite("senior_architect", 3_600_000).await?.ticket;
    bob.join(&ticket, None, Some(Bring::None)).await?;
    let role = alice.status().await?.roles.first().cloned().ok_or("the founder has no role")?;
    let (mut puts, mut known, mut gets) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..WARMING + DOCUMENTS {
        let (address, _) = Address::parse(&format!("ucxl://bench/{role}/bench/small/document-{n}"))?;
        let began = Instant::now();
        put(&alice, &address, &role, n).await?;
        let stored = Instant::now();
        until_known(&bob, &address).await?;
        let heard = Instant::now();
        let (_, selector) = Address::parse(&address.to_string())?;
        let bytes = bob.open_content(&address, selector, ContentForm::Plain).await?.collect(u64::MAX).await?;
        if bytes != body(n) {
            return Err(format!("document {n} came back as another one").into());
        }
        if n >= WARMING {
            puts.push(stored - began);
            known.push(heard - stored);
            gets.push(heard.elapsed());
        }
    }
    for (what, times) in
        [("stored", &mut puts), ("known on the other node", &mut known), ("fetched and read", &mut gets)]
    {
        times.sort_unstable();
        let text = format!("p50 {:.1} ms, p99 {:.1} ms", percentile_ms(times, 0.50), percentile_ms(times, 0.99));
        let aim = Aim::at_most(percentile_ms(times, 0.50), 10.0, "ms p50");
        aimed(&format!("document of 1 KiB between two connected nodes: {what}"), &text, "", &[aim]);
    }
    for node in nodes {
        node.handle().shutdown().await;
        node.stopped().await;
    }
    Ok(())
}

async fn put(node: &Handle, address: &Address, role: &str, n: usize) -> Outcome<()> {
    let new = NewContent {
        address: address.clone(),
        role: role.to_owned(),
        content_type: "application/octet-stream".to_owned(),
        provenance: Provenance::default(),
    };
    node.put_content(new, Cursor::new(body(n))).await?;
    Ok(())
}

fn body(n: usize) -> Vec<u8> {
    let seed = u8::try_from(n % 251).unwrap_or_default();
    vec![seed; BYTES]
}

async fn until_known(node: &Handle, address: &Address) -> Outcome<()> {
    let began = Instant::now();
    while node.content_versions(address).await.map_or(true, |versions| versions.is_empty()) {
        if began.elapsed() > PATIENCE {
            return Err(format!("the other node never heard of {address}").into());
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    Ok(())
}
