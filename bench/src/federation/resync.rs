//! Coming back: bob was away, alice wrote something, and he catches up.
//!
//! Our bob is stopped as a whole and started again, so his time includes opening the database and connecting; what he
//! needs once his node stands is given beside it. iroh-docs' bob only leaves the document and comes back to it.

use std::time::Duration;

use super::{pair, spared, systems};
use crate::Outcome;
use crate::figures::{Aim, aimed, median, row, thousands};
use crate::peer::{Peer, System};
use crate::wire::Wire;

const ROUNDS: usize = 5;
/// Facts that both hold.
const SIZES: [u64; 2] = [10_000, 50_000];
/// Facts above which iroh-docs is only measured when there is time.
const LONG: u64 = 10_000;
/// Facts that bob missed.
const MISSED: [u64; 2] = [1, 100];

/// What one kind of coming back took.
#[derive(Default)]
struct Rounds {
    standing_ms: Vec<f64>,
    whole_ms: Vec<f64>,
    wire: Vec<f64>,
    frames: Vec<f64>,
}

pub async fn run(long: bool) -> Outcome<()> {
    for facts in SIZES {
        for system in systems() {
            let skipped = system == System::IrohFiles || (system != System::Ours && facts > LONG && !long);
            if !skipped {
                spared(system, among(system, facts).await)?;
            }
        }
    }
    Ok(())
}

/// Measures every kind of coming back of one pair, in turn.
async fn among(system: System, facts: u64) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let (mut alice, mut bob) = pair(system, dir.path(), facts).await?;
    let mut held = facts;
    let mut all = MISSED.map(|_| Rounds::default());
    for _ in 0..ROUNDS {
        for (missed, into) in MISSED.into_iter().zip(&mut all) {
            held += missed;
            come_back(system, (&mut alice, &mut bob), (missed, held), into).await?;
        }
    }
    for (missed, rounds) in MISSED.into_iter().zip(all) {
        print(system, facts, missed, rounds);
    }
    bob.quit().await?;
    alice.quit().await
}

async fn come_back(
    system: System,
    (alice, bob): (&mut Peer, &mut Peer),
    (missed, held): (u64, u64),
    into: &mut Rounds,
) -> Outcome<()> {
    bob.ask("part").await?;
    alice.ask(&format!("fill {missed}")).await?;
    // What the parting itself sends is no cost of coming back, and neither is the wait that failed attempts of alice
    // to reach bob would lead to.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = Wire::now()?;
    let standing = bob.ask("meet").await?.parse::<f64>().unwrap_or(0.0);
    let took = bob.numbers(&format!("wait {held}")).await?;
    let whole = *took.last().ok_or("no time")?;
    into.whole_ms.push(whole * 1e3);
    into.standing_ms.push((whole - standing).max(0.0) * 1e3);
    // The last acknowledgements are under way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    into.wire.push(Wire::since(before)?.carried(system != System::Ours));
    if system == System::Ours {
        into.frames.push(bob.numbers("frames").await?[0]);
    }
    Ok(())
}

fn print(system: System, facts: u64, missed: u64, mut of: Rounds) {
    let work = format!("{}: resync after {missed} missed among {} facts", system.name(), thousands(facts as f64));
    let (whole, wire) = (median(&mut of.whole_ms), thousands(median(&mut of.wire)));
    if system != System::Ours {
        return row(&work, &format!("{whole:.1} ms, {wire} wire bytes"), "");
    }
    let measured = format!(
        "{:.1} ms ({whole:.1} ms with the start of the node), {} bytes of sync frames; {wire} wire bytes with a new connection",
        median(&mut of.standing_ms),
        thousands(median(&mut of.frames)),
    );
    let (most_ms, most_bytes) = if missed == 1 { (10.0, 2_000.0) } else { (25.0, 30_000.0) };
    let time = Aim::at_most(median(&mut of.standing_ms), most_ms, "ms");
    aimed(&work, &measured, "", &[time, Aim::at_most(median(&mut of.frames), most_bytes, "bytes")]);
}
