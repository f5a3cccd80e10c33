//! Federation: two nodes of ours in two processes, and two of iroh-docs, in turn with each other on the same cores.
//!
//! What counts as the same: one fact of 300 bytes is one entry with a value of 300 bytes. A fact is there when it is
//! verified, durable and can be read; an entry when it and its value are there, though iroh-docs makes them durable
//! some time later. Wire bytes are what the loopback interface carried, without the headers of its packets.

mod first;
mod idle;
mod live;
mod resync;

use std::path::Path;

use crate::Outcome;
use crate::peer::{Peer, System, iroh};

/// What is compared, in this order in every round.
const SYSTEMS: [System; 3] = [System::Ours, System::IrohMemory, System::IrohFiles];

/// Runs the parts that were asked for, or all of them. `long` also takes iroh-docs through what takes it minutes.
pub async fn run(parts: &[String], long: bool) -> Outcome<()> {
    if let Err(error) = iroh() {
        eprintln!("without iroh-docs: {error}; bench/federation.sh builds it");
    }
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|asked| asked == part);
    if wants("first") {
        first::run(long).await?;
    }
    if wants("live") {
        live::run().await?;
    }
    if wants("resync") {
        resync::run(long).await?;
    }
    if wants("idle") {
        idle::run().await?;
    }
    Ok(())
}

/// The systems that can run here.
fn systems() -> Vec<System> {
    SYSTEMS.into_iter().filter(|system| *system == System::Ours || iroh().is_ok()).collect()
}

/// A round of the others that fails is left out and said to be: it is no reason to measure nothing of ours.
fn spared(system: System, outcome: Outcome<()>) -> Outcome<()> {
    match outcome {
        Err(error) if system != System::Ours => {
            eprintln!("a round of {} did not end: {error}", system.name());
            Ok(())
        }
        other => other,
    }
}

/// Alice with so many facts, and bob who has joined her and holds all of them.
async fn pair(system: System, dir: &Path, facts: u64) -> Outcome<(Peer, Peer)> {
    let mut alice = Peer::start(system, &dir.join("alice"))?;
    alice.ask(&format!("fill {facts}")).await?;
    let ticket = alice.ask("invite").await?;
    let mut bob = Peer::start(system, &dir.join("bob"))?;
    bob.ask(&format!("join {ticket}")).await?;
    bob.ask(&format!("wait {facts}")).await?;
    Ok((alice, bob))
}
