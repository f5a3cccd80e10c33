//! A node in a process of its own, told what to do line by line on its standard input; it answers with one line each.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use antiphon_node::{Bring, Config, Handle, Home, Node};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::corpus::{self, Random};
use crate::Outcome;

pub async fn run(home: PathBuf) -> Outcome<()> {
    let mut config = Config::new(Home::new(home));
    (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
    let node = Node::start(config).await?;
    let handle = node.handle();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut began = Instant::now();
    while let Some(line) = lines.next_line().await? {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "fill" => fill(&handle, rest.parse()?).await?,
            "invite" => println!("{}", handle.invite("observer", 3_600_000).await?.ticket),
            "join" => {
                began = Instant::now();
                handle.join(rest, None, Some(Bring::None)).await?;
                println!("joined");
            }
            "wait" => {
                wait(&handle, rest.parse()?).await?;
                println!("{}", began.elapsed().as_secs_f64());
            }
            "flush" => {
                let began = Instant::now();
                handle.flush_index().await?;
                println!("{}", began.elapsed().as_secs_f64());
            }
            "stats" => {
                let (sent, received) = handle.sync_traffic();
                println!("{sent} {received} {}", rss_peak_kib()?);
            }
            "quit" => break,
            other => return Err(format!("{other:?} is not understood").into()),
        }
    }
    handle.shutdown().await;
    node.stopped().await;
    Ok(())
}

async fn fill(handle: &Handle, facts: usize) -> Outcome<()> {
    let mut random = Random(facts as u64);
    for start in (0..facts).step_by(256) {
        let drafts = (start..facts.min(start + 256)).map(|_| corpus::draft(&mut random)).collect();
        for one in handle.author(drafts).await? {
            one?;
        }
    }
    handle.flush_index().await?;
    println!("{facts}");
    Ok(())
}

/// Waits until the node holds `facts` facts durably.
async fn wait(handle: &Handle, facts: u64) -> Outcome<()> {
    let began = Instant::now();
    while handle.status().await?.facts < facts {
        if began.elapsed() > Duration::from_secs(120) {
            return Err("the facts did not come within two minutes".into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// The most memory this process ever held, in KiB.
fn rss_peak_kib() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
