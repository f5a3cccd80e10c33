//! One iroh-docs node in a process of its own, told what to do line by line on its standard input; it answers with one
//! line each, as the processes of our own nodes do. It listens on loopback only and knows no relay and no discovery.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_lite::{Stream, StreamExt};
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, RelayMode};
use iroh_blobs::BlobsProtocol;
use iroh_blobs::api::Store;
use iroh_blobs::store::{fs::FsStore, mem::MemStore};
use iroh_docs::api::Doc;
use iroh_docs::api::protocol::{AddrInfoOptions, ShareMode};
use iroh_docs::engine::LiveEvent;
use iroh_docs::protocol::Docs;
use iroh_docs::{AuthorId, ContentStatus, DocTicket};
use iroh_gossip::net::Gossip;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Time after which what is waited for counts as lost.
const PATIENCE: Duration = Duration::from_secs(100);
/// Time after which the other side is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Bytes of one value.
const VALUE_BYTES: usize = 300;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let home = PathBuf::from(arguments.next().ok_or("a home is needed")?);
    let files = match arguments.next().as_deref() {
        Some("files") => true,
        Some("memory") => false,
        _ => return Err("say whether the store is in files or in memory".into()),
    };
    let mut node = Node::start(&home, files).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "quit" {
            break;
        }
        println!("{}", node.answer(&line).await?);
    }
    node.router.shutdown().await?;
    Ok(())
}

type Events = std::pin::Pin<Box<dyn Stream<Item = Result<LiveEvent, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// What came from the other side until now.
#[derive(Debug, Clone, Copy, Default)]
struct Came {
    entries: usize,
    /// Entries whose value is here too.
    values: usize,
}

struct Node {
    router: Router,
    docs: Docs,
    doc: Option<Doc>,
    /// What came of syncing it.
    came: Option<watch::Receiver<Came>>,
    /// Where the other side is.
    other: Vec<EndpointAddr>,
    author: AuthorId,
    written: u64,
    began: Instant,
}

impl Node {
    async fn start(home: &Path, files: bool) -> Outcome<Self> {
        std::fs::create_dir_all(home)?;
        let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled).clear_ip_transports();
        let endpoint = builder.bind_addr("127.0.0.1:0")?.bind().await?;
        let blobs: Store =
            if files { (*FsStore::load(home.join("blobs")).await?).clone() } else { (*MemStore::new()).clone() };
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let docs = if files { Docs::persistent(home.to_owned()) } else { Docs::memory() };
        let docs = docs.spawn(endpoint.clone(), blobs.clone(), gossip.clone()).await?;
        let router = Router::builder(endpoint)
            .accept(iroh_blobs::ALPN, BlobsProtocol::new(&blobs, None))
            .accept(iroh_gossip::ALPN, gossip)
            .accept(iroh_docs::ALPN, docs.clone())
            .spawn();
        let author = docs.author_create().await?;
        let (other, began) = (Vec::new(), Instant::now());
        Ok(Self { router, docs, doc: None, came: None, other, author, written: 0, began })
    }

    async fn answer(&mut self, line: &str) -> Outcome<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match word {
            "fill" => {
                for _ in 0..rest.parse::<u64>()? {
                    self.write().await?;
                }
                rest.to_owned()
            }
            "invite" => self.invite().await?,
            "join" => self.join(rest).await?,
            "wait" => self.wait(rest.parse()?).await?,
            "part" => {
                self.doc()?.leave().await?;
                "parted".to_owned()
            }
            "meet" => {
                self.began = Instant::now();
                let other = self.other.clone();
                self.doc()?.start_sync(other).await?;
                "meeting".to_owned()
            }
            "drip" => self.drip(rest.parse()?).await?,
            "watch" => self.watch(rest.parse()?).await?,
            other => return Err(format!("{other:?} is not understood").into()),
        })
    }

    fn doc(&self) -> Outcome<&Doc> {
        Ok(self.doc.as_ref().ok_or("no document")?)
    }

    /// Writes an entry of its own key.
    async fn write(&mut self) -> Outcome<()> {
        if self.doc.is_none() {
            self.doc = Some(self.docs.create().await?);
        }
        self.written += 1;
        let value = text(self.written);
        self.doc()?.set_bytes(self.author, format!("fact/{}", self.written), value).await?;
        Ok(())
    }

    async fn invite(&mut self) -> Outcome<String> {
        let doc = self.doc()?;
        doc.start_sync(Vec::new()).await?;
        Ok(doc.share(ShareMode::Write, AddrInfoOptions::Addresses).await?.to_string())
    }

    async fn join(&mut self, ticket: &str) -> Outcome<String> {
        let ticket: DocTicket = ticket.parse()?;
        self.began = Instant::now();
        self.other = ticket.nodes.clone();
        let doc = self.docs.import_namespace(ticket.capability).await?;
        let (counted, came) = watch::channel(Came::default());
        tokio::spawn(count(events(&doc).await?, counted));
        self.came = Some(came);
        doc.start_sync(ticket.nodes).await?;
        self.doc = Some(doc);
        Ok("joined".to_owned())
    }

    /// Waits until so many entries came in all, and their values too; says how long each took.
    async fn wait(&mut self, count: usize) -> Outcome<String> {
        let (mut entries, mut came) = (None, self.came.clone().ok_or("no document was joined")?);
        while self.began.elapsed() < PATIENCE {
            let now = *came.borrow_and_update();
            if now.entries >= count && entries.is_none() {
                entries = Some(self.began.elapsed().as_secs_f64());
            }
            if let (Some(entries), true) = (entries, now.values >= count) {
                return Ok(format!("{entries} {}", self.began.elapsed().as_secs_f64()));
            }
            if tokio::time::timeout(ASK_AGAIN, came.changed()).await.is_err() {
                // A sync that meets the end of the one before it is refused and not tried again by itself.
                self.doc()?.start_sync(self.other.clone()).await?;
            }
        }
        Err(format!("not all of {count} entries came").into())
    }

    /// Writes entries one by one with pauses; says when each was begun, in nanoseconds of the clock.
    async fn drip(&mut self, count: usize) -> Outcome<String> {
        let mut times = Vec::new();
        for _ in 0..count {
            tokio::time::sleep(Duration::from_millis(20)).await;
            times.push(nanoseconds()?.to_string());
            self.write().await?;
        }
        Ok(times.join(" "))
    }

    /// Waits for so many more entries with their values; says when each was there.
    async fn watch(&mut self, count: usize) -> Outcome<String> {
        let came = self.came.as_mut().ok_or("no document was joined")?;
        let (from, mut times) = (came.borrow_and_update().values, Vec::new());
        while times.len() < count {
            tokio::time::timeout(PATIENCE, came.changed()).await??;
            let more = came.borrow_and_update().values - from;
            while times.len() < count.min(more) {
                times.push(nanoseconds()?.to_string());
            }
        }
        Ok(times.join(" "))
    }
}

/// Counts what happens. It never pauses: the channel behind is bounded, and full it would stop the whole node.
async fn count(mut events: Events, counted: watch::Sender<Came>) {
    // Values that came although their entry was not seen yet, or the other way round.
    let mut waiting = HashSet::new();
    while let Some(Ok(event)) = events.next().await {
        let (entry, hash, complete) = match &event {
            LiveEvent::InsertRemote { content_status, entry, .. } => {
                (1, entry.content_hash(), matches!(content_status, ContentStatus::Complete))
            }
            LiveEvent::ContentReady { hash } => (0, *hash, false),
            _ => continue,
        };
        let value = usize::from(complete || waiting.remove(&hash));
        if value == 0 {
            waiting.insert(hash);
        }
        counted.send_modify(|came| {
            came.entries += entry;
            came.values += value;
        });
    }
}

async fn events(doc: &Doc) -> Outcome<Events> {
    Ok(Box::pin(doc.subscribe().await?.map(|event| event.map_err(Into::into))))
}

fn nanoseconds() -> Outcome<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}

/// A value like no other: values are named by their hash, and equal ones would be sent once.
fn text(number: u64) -> String {
    let mut text = format!("{number} ");
    let mut state = number;
    while text.len() < VALUE_BYTES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b'a' + (state >> 33) as u8 % 26));
    }
    text
}
