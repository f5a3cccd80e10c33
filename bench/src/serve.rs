//! A node in a process of its own, told what to do line by line on its standard input; it answers with one line each.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use antiphon_node::{Bring, Config, Handle, Home, Node};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::Outcome;
use crate::corpus::{self, Random};

/// Time after which what is waited for counts as lost.
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run(home: PathBuf) -> Outcome<()> {
    let mut config = Config::new(Home::new(home));
    (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
    let random = Random(u64::from(std::process::id()));
    let node = Some(Node::start(config.clone()).await?);
    let mut served = Served { node, config, random, began: Instant::now(), beside: 0 };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "quit" {
            break;
        }
        println!("{}", served.answer(&line).await?);
    }
    served.stop().await;
    Ok(())
}

struct Served {
    node: Option<Node>,
    config: Config,
    random: Random,
    /// When it was told to join or to meet.
    began: Instant,
    /// Events beside the facts, once all facts of a first sync were there.
    beside: u64,
}

impl Served {
    async fn answer(&mut self, line: &str) -> Outcome<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match word {
            "fill" => self.fill(rest.parse()?).await?,
            "invite" => self.handle()?.invite("observer", 3_600_000).await?.ticket,
            "join" => {
                self.began = Instant::now();
                self.handle()?.join(rest, None, Some(Bring::None)).await?;
                "joined".to_owned()
            }
            "wait" => self.wait(rest.parse()?).await?,
            "flush" => {
                let began = Instant::now();
                self.handle()?.flush_index().await?;
                began.elapsed().as_secs_f64().to_string()
            }
            "frames" => {
                let (sent, received) = self.handle()?.sync_traffic();
                (sent + received).to_string()
            }
            "part" => {
                self.stop().await;
                "parted".to_owned()
            }
            "meet" => {
                self.began = Instant::now();
                self.node = Some(Node::start(self.config.clone()).await?);
                self.began.elapsed().as_secs_f64().to_string()
            }
            "drip" => self.drip(rest.parse()?).await?,
            "watch" => self.watch(rest.parse()?).await?,
            other => return Err(format!("{other:?} is not understood").into()),
        })
    }

    fn handle(&self) -> Outcome<Handle> {
        Ok(self.node.as_ref().ok_or("the node does not run")?.handle())
    }

    async fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            node.handle().shutdown().await;
            node.stopped().await;
        }
    }

    async fn fill(&mut self, facts: usize) -> Outcome<String> {
        let handle = self.handle()?;
        for start in (0..facts).step_by(256) {
            let drafts = (start..facts.min(start + 256)).map(|_| corpus::draft(&mut self.random)).collect();
            for one in handle.author(drafts).await? {
                one?;
            }
        }
        handle.flush_index().await?;
        Ok(facts.to_string())
    }

    /// Waits until the node holds `facts` facts durably; says how long it took.
    async fn wait(&mut self, facts: u64) -> Outcome<String> {
        let handle = self.handle()?;
        let mut commits = handle.committed();
        loop {
            let pos = commits.borrow_and_update().pos;
            // One fact is one event. Counting them costs more, so it is done when as many events are there.
            if pos >= facts + self.beside {
                let took = self.began.elapsed().as_secs_f64();
                if handle.status().await?.facts >= facts {
                    self.beside = pos.saturating_sub(facts);
                    return Ok(took.to_string());
                }
            }
            tokio::time::timeout(PATIENCE, commits.changed()).await??;
        }
    }

    /// Writes facts one by one with pauses; says when each was begun, in nanoseconds of the clock.
    async fn drip(&mut self, count: usize) -> Outcome<String> {
        let handle = self.handle()?;
        let mut times = Vec::new();
        for _ in 0..count {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let draft = corpus::draft(&mut self.random);
            times.push(nanoseconds()?.to_string());
            for one in handle.author(vec![draft]).await? {
                one?;
            }
        }
        Ok(times.join(" "))
    }

    /// Waits for so many more events to be durable; says when each was.
    async fn watch(&self, count: u64) -> Outcome<String> {
        let mut commits = self.handle()?.committed();
        let (from, mut times) = (commits.borrow_and_update().pos, Vec::new());
        while (times.len() as u64) < count {
            tokio::time::timeout(PATIENCE, commits.changed()).await??;
            let came = commits.borrow_and_update().pos - from;
            while (times.len() as u64) < count.min(came) {
                times.push(nanoseconds()?.to_string());
            }
        }
        Ok(times.join(" "))
    }
}

fn nanoseconds() -> Outcome<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}
