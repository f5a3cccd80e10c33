//! What a million items that wait cost: a start, memory, and one item more.

use std::path::Path;
use std::time::{Duration, Instant};

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Level;
use antiphon_core::time::UnixMillis;

use super::enqueue::new_home;
use super::queue::{self, BODY_BYTES, BOUNDS, Keys};
use crate::Outcome;
use crate::figures::{Aim, aimed, median, thousands};
use crate::peer::{Peer, System};

const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;
/// Items that are put down in turn with few and with many waiting.
const SAMPLES: u64 = 200;
const ROUNDS: usize = 5;

pub async fn run() -> Outcome<()> {
    let (few, many) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (few, many) =
        (new_home(few.path()).await.map(|home| (few, home))?, new_home(many.path()).await.map(|home| (many, home))?);
    let peer = NodeId([7; 32]);
    queue::fill(&few.1, peer, FEW)?;
    queue::fill(&many.1, peer, MANY)?;
    let mut starts = vec![];
    let mut memory: f64 = 0.0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut node = Peer::start(System::Ours, &many.1)?;
        node.ask("frames").await?;
        starts.push(began.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_secs(2)).await;
        memory = memory.max(node.memory()?.1);
        node.quit().await?;
    }
    let what = format!("outbox: {} items of {} bytes wait", thousands(MANY as f64), thousands(BODY_BYTES as f64));
    let start = median(&mut starts);
    aimed(
        &format!("{what}, start of the process until it answers"),
        &format!("{start:.2} s, at most {memory:.0} MiB RSS"),
        "",
        &[Aim::at_most(start, 3.0, "s"), Aim::at_most(memory * 1.048_576, 100.0, "MB")],
    );
    let (mut with_few, mut with_many) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        with_few.push(cost(&few.1, peer).await?);
        with_many.push(cost(&many.1, peer).await?);
    }
    let (with_few, with_many) = (median(&mut with_few), median(&mut with_many));
    aimed(
        &format!("{what}, one more"),
        &format!("{with_many:.0} µs"),
        &format!("{with_few:.0} µs with {} waiting, {:.2} ×", thousands(FEW as f64), with_many / with_few),
        &[Aim::at_most(with_many / with_few, 1.3, "×")],
    );
    Ok(())
}

/// What putting one item down takes, in microseconds, durably, by one writer.
async fn cost(home: &Path, peer: NodeId) -> Outcome<f64> {
    let Keys { signer, sealer } = Keys::of(home)?;
    let store = queue::open(home, signer)?;
    store.write(|db| db.begin_era(4, UnixMillis(1))).await?;
    let mut took = Vec::new();
    for n in 0..SAMPLES {
        let (item, sealer) = ([queue::item(peer, MANY + n)?], sealer.clone());
        let began = Instant::now();
        let put = move |db: &mut antiphon_store::Db| {
            db.enqueue(&item, Level::Critical, sealer.as_ref(), &BOUNDS, UnixMillis(2))
        };
        let _pushed = store.share(put).await?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    store.close().await;
    Ok(median(&mut took))
}
