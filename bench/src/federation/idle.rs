//! What a node that holds 10,000 facts costs while nothing happens, connected to one peer.

use std::time::Duration;

use super::{pair, systems};
use crate::Outcome;
use crate::figures::{Aim, aimed, thousands};
use crate::peer::{Peer, System};

const FACTS: u64 = 10_000;
const SECONDS: u64 = 10;

pub async fn run() -> Outcome<()> {
    for system in systems() {
        let dir = tempfile::tempdir()?;
        let (alice, bob) = pair(system, dir.path(), FACTS).await?;
        let work = |when: &str| format!("{}: idle after {when} {} facts", system.name(), thousands(FACTS as f64));
        print(system, &work("a first sync of"), rest(&bob).await?);
        bob.quit().await?;
        if system == System::Ours {
            let bob = Peer::start(system, &dir.path().join("bob"))?;
            print(system, &work("a start with"), rest(&bob).await?);
            bob.quit().await?;
        }
        alice.quit().await?;
    }
    Ok(())
}

fn print(system: System, work: &str, (mib, percent): (f64, f64)) {
    let aims = if system == System::Ours {
        vec![Aim::at_most(mib * 1.048_576, 30.0, "MB"), Aim::at_most(percent, 1.0, "%")]
    } else {
        vec![]
    };
    aimed(work, &format!("{mib:.0} MiB RSS, {percent:.2} % of a processor"), "", &aims);
}

/// Memory in MiB, and the share of a processor in percent.
async fn rest(peer: &Peer) -> Outcome<(f64, f64)> {
    // Long enough for indexes, acknowledgements and timers of a start to be done.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = peer.processor_ms()?;
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let used = (peer.processor_ms()? - before) / (SECONDS as f64 * 1e3);
    Ok((peer.memory()?.0, used * 100.0))
}
