//! How many items become durable per second, beside the same bodies appended to a file in groups that are followed by
//! `fdatasync`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::Level;
use antiphon_core::time::UnixMillis;
use antiphon_node::{Config, Home, Node};

use super::queue::{self, BODY_BYTES, BOUNDS, Keys};
use crate::Outcome;
use crate::figures::{Aim, aimed, median, thousands};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

pub async fn run() -> Outcome<()> {
    for writers in [1, 64] {
        let (mut ours, mut bare) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            let dir = tempfile::tempdir()?;
            ours.push(items_per_second(&new_home(dir.path()).await?, writers).await?);
            bare.push(appends_per_second(dir.path(), writers)?);
        }
        let (ours, bare) = (median(&mut ours), median(&mut bare));
        aimed(
            &format!("outbox: put down by {writers} writer{}", if writers == 1 { "" } else { "s" }),
            &format!("{} items/s", thousands(ours)),
            &format!("{} bare appends with fdatasync/s in groups, {:.2} ×", thousands(bare), ours / bare),
            &[Aim::at_least(ours / bare, 0.7, "×")],
        );
    }
    Ok(())
}

/// A home whose node has run once.
pub async fn new_home(dir: &Path) -> Outcome<std::path::PathBuf> {
    let home = dir.join("home");
    let mut config = Config::new(Home::new(&home));
    (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
    let node = Node::start(config).await?;
    node.handle().shutdown().await;
    node.stopped().await;
    Ok(home)
}

async fn items_per_second(home: &Path, writers: u64) -> Outcome<f64> {
    let Keys { signer, sealer } = Keys::of(home)?;
    let store = queue::open(home, signer)?;
    store.write(|db| db.begin_era(2, UnixMillis(1))).await?;
    let written = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, sealer, written) = (store.clone(), sealer.clone(), written.clone());
            tokio::spawn(async move {
                let mut n = writer << 32;
                while began.elapsed() < ROUND {
                    let item = [queue::item(NodeId([7; 32]), n)?];
                    let sealer = sealer.clone();
                    let put = move |db: &mut antiphon_store::Db| {
                        db.enqueue(&item, Level::Critical, sealer.as_ref(), &BOUNDS, UnixMillis(2))
                    };
                    let _pushed = store.share(put).await?;
                    n += 1;
                    written.fetch_add(1, Ordering::Relaxed);
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let rate = written.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    store.close().await;
    Ok(rate)
}

/// Writers hand bodies to one thread, which appends whatever waits and syncs once, and then answers each of them.
fn appends_per_second(dir: &Path, writers: u64) -> Outcome<f64> {
    type Waits = (Vec<u8>, mpsc::SyncSender<()>);
    let mut file = OpenOptions::new().create(true).append(true).open(dir.join("appends"))?;
    let (bodies, waiting) = mpsc::channel::<Waits>();
    let began = Instant::now();
    let threads: Vec<_> = (0..writers)
        .map(|writer| {
            let bodies = bodies.clone();
            std::thread::spawn(move || {
                let (answer, answered) = mpsc::sync_channel(1);
                let body = vec![writer as u8; BODY_BYTES];
                while began.elapsed() < ROUND {
                    if bodies.send((body.clone(), answer.clone())).is_err() || answered.recv().is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(bodies);
    let mut count = 0_u64;
    while let Ok(first) = waiting.recv() {
        let group: Vec<Waits> = std::iter::once(first).chain(waiting.try_iter()).collect();
        append(&mut file, &group)?;
        count += group.len() as u64;
        // A writer that has seen the time pass is gone.
        for (_, answer) in group {
            let _ = answer.send(());
        }
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    for thread in threads {
        thread.join().map_err(|_| "a writer broke")?;
    }
    Ok(rate)
}

fn append(file: &mut File, group: &[(Vec<u8>, mpsc::SyncSender<()>)]) -> Outcome<()> {
    let bytes: Vec<u8> = group.iter().flat_map(|(body, _)| body.iter().copied()).collect();
    file.write_all(&bytes)?;
    Ok(file.sync_data()?)
}
