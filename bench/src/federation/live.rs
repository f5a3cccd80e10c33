//! One new fact at a connected peer: from the moment its author asks for it until it is durable on the other side.

use std::time::Duration;

use super::{pair, spared, systems};
use crate::Outcome;
use crate::figures::{Aim, aimed, percentile_ms};
use crate::peer::System;
use crate::wire::Wire;

const ROUNDS: usize = 5;
const FACTS: usize = 100;
/// Facts that are there before.
const AMONG: u64 = 1_000;

pub async fn run() -> Outcome<()> {
    let systems: Vec<System> = systems().into_iter().filter(|system| *system != System::IrohFiles).collect();
    let mut all = vec![(Vec::new(), 0.0); systems.len()];
    for _ in 0..ROUNDS {
        for (system, (times, wire)) in systems.iter().zip(&mut all) {
            spared(*system, round(*system, times, wire).await)?;
        }
    }
    for (system, (mut times, wire)) in systems.into_iter().zip(all) {
        times.sort();
        let measured = format!(
            "p50 {:.2} ms, p99 {:.2} ms; {:.0} wire bytes each",
            percentile_ms(&times, 0.5),
            percentile_ms(&times, 0.99),
            wire / times.len() as f64,
        );
        let aims = (system == System::Ours).then(|| Aim::at_most(percentile_ms(&times, 0.5), 2.0, "ms p50"));
        let work = format!("{}: one new fact at a connected peer, {} facts", system.name(), times.len());
        aimed(&work, &measured, "", aims.as_slice());
    }
    Ok(())
}

async fn round(system: System, times: &mut Vec<Duration>, wire: &mut f64) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let (mut alice, mut bob) = pair(system, dir.path(), AMONG).await?;
    // Both have something to finish after a first sync.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = Wire::now()?;
    let (drip, watch) = (format!("drip {FACTS}"), format!("watch {FACTS}"));
    let (written, seen) = tokio::try_join!(alice.numbers(&drip), bob.numbers(&watch))?;
    *wire += Wire::since(before)?.carried(system != System::Ours);
    times.extend(written.iter().zip(&seen).map(|(from, to)| Duration::from_nanos((to - from).max(0.0) as u64)));
    bob.quit().await?;
    alice.quit().await
}
