//! How long a question takes, beside plain FTS5 that is asked the same words joined by OR.

use std::time::{Duration, Instant};

use antiphon_core::time::UnixMillis;
use antiphon_node::{Config, Home, Node, RecallQuery};

use crate::Outcome;
use crate::corpus::{self, Random};
use crate::figures::{Aim, aimed, percentile_ms, thousands};

const QUESTIONS: u64 = 1_000;
const BATCH: usize = 256;

pub async fn run() -> Outcome<()> {
    for (facts, aim_ms) in [(10_000, 5.0), (100_000, 5.0), (1_000_000, 20.0)] {
        measure(facts, aim_ms).await?;
    }
    Ok(())
}

async fn measure(facts: usize, aim_ms: f64) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let mut config = Config::new(Home::new(dir.path().join("home")));
    (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
    let node = Node::start(config).await?;
    let handle = node.handle();
    let plain = rusqlite::Connection::open(dir.path().join("plain.db"))?;
    plain.execute_batch("CREATE VIRTUAL TABLE texts USING fts5(text); BEGIN")?;
    let mut random = Random(7);
    for start in (0..facts).step_by(BATCH) {
        let drafts: Vec<_> = (start..facts.min(start + BATCH)).map(|_| corpus::draft(&mut random)).collect();
        for draft in &drafts {
            if let antiphon_node::Draft::Remember { edit, .. } = draft {
                let text = edit.0.values().flatten().find_map(|value| value.as_text()).unwrap_or_default();
                plain.prepare_cached("INSERT INTO texts VALUES (?1)")?.execute([text])?;
            }
        }
        for one in handle.author(drafts).await? {
            one?;
        }
    }
    plain.execute_batch("COMMIT")?;
    handle.flush_index().await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..QUESTIONS {
        let text = corpus::question(&mut random);
        let began = Instant::now();
        let query = RecallQuery { text: text.clone(), limit: 10, now: UnixMillis(u64::MAX), ..RecallQuery::default() };
        handle.recall(query).await?;
        ours.push(began.elapsed());
        let began = Instant::now();
        ask_plain(&plain, &text)?;
        theirs.push(began.elapsed());
    }
    ours.sort();
    theirs.sort();
    let show = |sorted: &[Duration]| {
        format!("p50 {:.2} ms, p99 {:.2} ms", percentile_ms(sorted, 0.5), percentile_ms(sorted, 0.99))
    };
    let work = format!("recall among {} facts, questions of 6 to 10 words", thousands(facts as f64));
    let beside = format!("plain FTS5, words joined by OR: {}", show(&theirs));
    aimed(&work, &show(&ours), &beside, &[Aim::at_most(percentile_ms(&ours, 0.99), aim_ms, "ms p99")]);
    handle.shutdown().await;
    node.stopped().await;
    Ok(())
}

fn ask_plain(plain: &rusqlite::Connection, text: &str) -> Outcome<usize> {
    let words = text.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" OR ");
    let mut ask = plain.prepare_cached("SELECT rowid FROM texts WHERE texts MATCH ?1 ORDER BY bm25(texts) LIMIT 10")?;
    let rows = ask.query_map([words], |row| row.get::<_, i64>(0))?;
    Ok(rows.count())
}
