//! How many facts become durable per second, beside bare appends that are each followed by `fdatasync`, and beside
//! bare SQLite rows of the same size in the same kind of commit.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use antiphon_node::{Config, Home, Node};

use crate::Outcome;
use crate::corpus::{self, Random};
use crate::figures::{Aim, aimed, median, row, thousands};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

pub async fn run() -> Outcome<()> {
    let (mut one, mut many, mut appends, mut rows) = (vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let home = tempfile::tempdir()?;
        one.push(facts_per_second(home.path(), 1, round as u64).await?);
        appends.push(appends_per_second(home.path())?);
        let home = tempfile::tempdir()?;
        many.push(facts_per_second(home.path(), 64, round as u64).await?);
        rows.push(rows_per_second(home.path())?);
    }
    let (appends, rows) = (median(&mut appends), median(&mut rows));
    let (one, many) = (median(&mut one), median(&mut many));
    row(
        "remember, 1 writer",
        &format!("{} facts/s", thousands(one)),
        &format!("{} bare appends with fdatasync/s, {:.2} ×", thousands(appends), one / appends),
    );
    aimed(
        "remember, 64 writers",
        &format!("{} facts/s", thousands(many)),
        &format!("{} bare SQLite rows/s in commits of 64, {:.2} ×", thousands(rows), many / rows),
        &[Aim::at_least(many, 10_000.0, "facts/s")],
    );
    Ok(())
}

async fn facts_per_second(dir: &Path, writers: u64, seed: u64) -> Outcome<f64> {
    let mut config = Config::new(Home::new(dir.join("home")));
    (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
    let node = Node::start(config).await?;
    let written = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (handle, written) = (node.handle(), written.clone());
            tokio::spawn(async move {
                let mut random = Random(seed * 1_000 + writer);
                while began.elapsed() < ROUND {
                    for one in handle.author(vec![corpus::draft(&mut random)]).await? {
                        one?;
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), antiphon_node::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let rate = written.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    node.handle().shutdown().await;
    node.stopped().await;
    Ok(rate)
}

fn appends_per_second(dir: &Path) -> Outcome<f64> {
    let mut file = OpenOptions::new().create(true).append(true).open(dir.join("appends"))?;
    let text = corpus::text(&mut Random(1), 300);
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < ROUND {
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        count += 1.0;
    }
    Ok(count / began.elapsed().as_secs_f64())
}

fn rows_per_second(dir: &Path) -> Outcome<f64> {
    let connection = rusqlite::Connection::open(dir.join("rows.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)",
    )?;
    let mut random = Random(2);
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < ROUND {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..64 {
            let text = corpus::text(&mut random, 300);
            connection.prepare_cached("INSERT INTO rows (text) VALUES (?1)")?.execute([text])?;
            count += 1.0;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(count / began.elapsed().as_secs_f64())
}
