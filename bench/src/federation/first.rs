//! The first sync: a fresh machine joins and gets everything. The time runs from the moment it begins to join, so it
//! includes connecting, the grant and the handshake.

use super::{spared, systems};
use crate::Outcome;
use crate::figures::{Aim, aimed, median, thousands};
use crate::peer::{Peer, System};
use crate::wire::Wire;

/// Facts and rounds.
const SIZES: [(u64, usize); 3] = [(1_000, 5), (10_000, 5), (100_000, 1)];
/// Facts above which iroh-docs is only measured when there is time.
const LONG: u64 = 10_000;

/// What one round measured.
#[derive(Default)]
struct Rounds {
    durable: Vec<f64>,
    complete: Vec<f64>,
    wire: Vec<f64>,
    alice_mib: Vec<f64>,
    bob_mib: Vec<f64>,
}

pub async fn run(long: bool) -> Outcome<()> {
    for (facts, rounds) in SIZES {
        let systems: Vec<System> =
            systems().into_iter().filter(|system| long || facts <= LONG || *system == System::Ours).collect();
        let mut all: Vec<Rounds> = systems.iter().map(|_| Rounds::default()).collect();
        for _ in 0..rounds {
            for (system, into) in systems.iter().zip(&mut all) {
                spared(*system, round(*system, facts, into).await)?;
            }
        }
        for (system, rounds) in systems.into_iter().zip(all) {
            if !rounds.complete.is_empty() {
                print(system, facts, rounds);
            }
        }
    }
    Ok(())
}

async fn round(system: System, facts: u64, into: &mut Rounds) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let mut alice = Peer::start(system, &dir.path().join("alice"))?;
    let ours = system == System::Ours;
    alice.ask(&format!("fill {facts}")).await?;
    if ours {
        // A fresh process sends, so that what writing needed does not count as memory of the sync.
        alice.quit().await?;
        alice = Peer::start(system, &dir.path().join("alice"))?;
    }
    let ticket = alice.ask("invite").await?;
    let mut bob = Peer::start(system, &dir.path().join("bob"))?;
    let before = Wire::now()?;
    bob.ask(&format!("join {ticket}")).await?;
    let times = bob.numbers(&format!("wait {facts}")).await?;
    let durable = *times.first().ok_or("no time")?;
    let complete = if ours { durable + bob.numbers("flush").await?[0] } else { *times.last().ok_or("no time")? };
    into.durable.push(facts as f64 / durable);
    into.complete.push(facts as f64 / complete);
    into.wire.push(Wire::since(before)?.carried(!ours) / facts as f64);
    into.alice_mib.push(alice.memory()?.1);
    into.bob_mib.push(bob.memory()?.1);
    bob.quit().await?;
    alice.quit().await
}

fn print(system: System, facts: u64, mut of: Rounds) {
    let rounds = of.durable.len();
    let (first, then) =
        if system == System::Ours { ("durable", "searchable") } else { ("entries", "with their values") };
    let measured = format!(
        "{} facts/s {first}, {} {then}; {:.0} wire bytes each; peak RSS {:.0} MiB sending, {:.0} MiB receiving",
        thousands(median(&mut of.durable)),
        thousands(median(&mut of.complete)),
        median(&mut of.wire),
        median(&mut of.alice_mib),
        median(&mut of.bob_mib),
    );
    let peak = median(&mut of.alice_mib).max(median(&mut of.bob_mib)) * 1.048_576;
    let aims = if system == System::Ours {
        vec![
            Aim::at_least(median(&mut of.durable), 20_000.0, "facts/s durable"),
            Aim::at_least(median(&mut of.complete), 10_000.0, "searchable"),
            Aim::at_most(median(&mut of.wire), 300.0, "bytes"),
            Aim::at_most(peak, 60.0, "MB"),
        ]
    } else {
        vec![]
    };
    let work = format!("{}: first sync of {} facts, {rounds} rounds", system.name(), thousands(facts as f64));
    aimed(&work, &measured, "", &aims);
}
