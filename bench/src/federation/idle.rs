//! What a node that holds 10,000 facts costs while nothing happens, connected to one peer.

use std::time::Duration;

use super::{pair, systems};
use crate::Outcome;
use crate::figures::{row, thousands};
use crate::peer::{Peer, System};

const FACTS: u64 = 10_000;
const SECONDS: u64 = 10;

pub async fn run() -> Outcome<()> {
    for system in systems() {
        let dir = tempfile::tempdir()?;
        let (alice, bob) = pair(system, dir.path(), FACTS).await?;
        let aim = if system == System::Ours { "≤ 30 MB, < 1 %" } else { "" };
        let work = |when: &str| format!("{}: idle after {when} {} facts", system.name(), thousands(FACTS as f64));
        row(&work("a first sync of"), &rest(&bob).await?, aim);
        bob.quit().await?;
        if system == System::Ours {
            let bob = Peer::start(system, &dir.path().join("bob"))?;
            row(&work("a start with"), &rest(&bob).await?, aim);
            bob.quit().await?;
        }
        alice.quit().await?;
    }
    Ok(())
}

async fn rest(peer: &Peer) -> Outcome<String> {
    // Long enough for indexes, acknowledgements and timers of a start to be done.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = peer.processor_ms()?;
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let used = (peer.processor_ms()? - before) / (SECONDS as f64 * 1e3);
    Ok(format!("{:.0} MiB RSS, {:.2} % of a processor", peer.memory()?.0, used * 100.0))
}
