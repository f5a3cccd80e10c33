//! The task around the machine.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use antiphon_core::content::Shape;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_net::NetHandle;
use antiphon_protocol::blocks::fetch::{Failure, Input, Output};
use antiphon_protocol::blocks::{Fetch, Message};
use antiphon_protocol::reason::Reason;
use antiphon_store::Store;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::stream::{Heard, News, SENDS_MAX, Teller, converse};
use super::{FLUSH_BYTES, FetchError, Fetched, Progress, disk};
use crate::clock;
use crate::tasks::Tasks;

/// Most messages of providers that wait for the machine, the blocks in them included.
const NEWS_MAX: usize = 16;

/// Work that is under way beside the machine.
type Working<T> = Option<Pin<Box<dyn Future<Output = Result<T, FetchError>> + Send>>>;

struct Drive<'a> {
    store: &'a Store,
    net: &'a NetHandle,
    root: Hash,
    shape: Shape,
    machine: Fetch,
    /// What the machine must hear next.
    inputs: VecDeque<Input>,
    /// How to say something to a provider, and which of its streams that is.
    streams: BTreeMap<NodeId, (u64, mpsc::Sender<Message>)>,
    epochs: u64,
    tasks: Tasks,
    news: mpsc::Sender<News>,
    /// Blocks that came and are not being written yet.
    waiting: Vec<(u64, Vec<u8>)>,
    putting: Working<Vec<(u64, bool)>>,
    noting: Working<()>,
    /// Bytes that were written and not noted.
    unnoted: u64,
    wake_at: Option<Instant>,
    /// When it began, by the wall and by the clock that is never set.
    began: (UnixMillis, Instant),
    result: Option<Result<(), Failure>>,
}

/// Runs a transfer to its end.
pub(super) async fn run(
    store: &Store,
    net: &NetHandle,
    root: Hash,
    shape: Shape,
    providers: Vec<NodeId>,
    progress: &watch::Sender<Progress>,
) -> Result<Fetched, FetchError> {
    let (news, mut heard) = mpsc::channel(NEWS_MAX);
    let manifest = disk::begin(store, root).await?;
    let mut drive = Drive {
        store,
        net,
        root,
        shape,
        machine: Fetch::new(root, shape, providers),
        inputs: VecDeque::from([Input::Begin(manifest)]),
        streams: BTreeMap::new(),
        epochs: 0,
        tasks: Tasks::default(),
        news,
        waiting: Vec::new(),
        putting: None,
        noting: None,
        unnoted: 0,
        wake_at: None,
        began: (clock::now(), Instant::now()),
        result: None,
    };
    let done = drive.go(&mut heard, progress).await;
    let noted = drive.note_all().await;
    drive.finish(progress, done, noted).await
}

impl Drive<'_> {
    /// Drives the machine to its end.
    async fn go(
        &mut self,
        heard: &mut mpsc::Receiver<News>,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), FetchError> {
        loop {
            self.settle().await?;
            progress.send_replace(self.progress());
            if self.result.is_some() {
                return Ok(());
            }
            let wake_at = self.wake_at.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            tokio::select! {
                // This side holds a sender itself, so the channel never ends.
                Some(news) = heard.recv() => self.hear(news)?,
                put = work(&mut self.putting) => {
                    self.putting = None;
                    self.inputs.extend(put?.into_iter().map(|(n, good)| Input::Kept { n, good }));
                }
                noted = work(&mut self.noting) => {
                    self.noting = None;
                    noted?;
                }
                () = sleep_until(wake_at) => {
                    self.wake_at = None;
                    self.inputs.push_back(Input::Wake);
                }
                () = self.tasks.reap() => {}
            }
        }
    }

    /// Tells the machine all that happened, and does what it says; begins to write what came.
    async fn settle(&mut self) -> Result<(), FetchError> {
        while let Some(input) = self.inputs.pop_front() {
            for output in self.machine.handle(input, self.now()) {
                self.act(output).await?;
            }
        }
        if self.putting.is_none() && !self.waiting.is_empty() {
            let blocks = std::mem::take(&mut self.waiting);
            self.unnoted += blocks.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            self.putting = Some(Box::pin(disk::put(self.store.blobs(), self.root, blocks)));
        }
        if self.noting.is_none() && self.unnoted >= FLUSH_BYTES {
            self.unnoted = 0;
            let (store, root) = (self.store.clone(), self.root);
            self.noting = Some(Box::pin(async move { disk::note(&store, root).await }));
        }
        Ok(())
    }

    async fn act(&mut self, output: Output) -> Result<(), FetchError> {
        match output {
            Output::Open(node) => self.open(node),
            Output::Close(node) => drop(self.streams.remove(&node)),
            Output::Send(node, message) => {
                let taken = self.streams.get(&node).is_some_and(|(_, sends)| sends.try_send(message).is_ok());
                if !taken && self.streams.remove(&node).is_some() {
                    self.inputs.push_back(Input::Closed(node, Reason::NetworkTimeout));
                }
            }
            Output::KeepManifest(part, bytes) => disk::keep_manifest(self.store, self.root, part, &bytes).await?,
            Output::Look(look) => {
                let input = disk::look(self.store, self.root, look).await?;
                self.inputs.push_back(input);
            }
            Output::Keep { block, .. } => self.waiting.push((block.n, block.bytes)),
            Output::WakeAt(at) => {
                self.wake_at = Some(self.began.1 + Duration::from_millis(at.since(self.began.0)));
            }
            Output::End(result) => self.result = Some(result),
        }
        Ok(())
    }

    fn open(&mut self, node: NodeId) {
        self.epochs += 1;
        let (sends, waiting) = mpsc::channel(SENDS_MAX);
        self.streams.insert(node, (self.epochs, sends));
        let teller = Teller { node, epoch: self.epochs, news: self.news.clone() };
        self.tasks.spawn(converse(self.net.clone(), teller, waiting));
    }

    fn hear(&mut self, News { node, epoch, heard }: News) -> Result<(), FetchError> {
        if self.streams.get(&node).is_none_or(|(current, _)| *current != epoch) {
            return Ok(());
        }
        self.inputs.push_back(match heard {
            Heard::Opened => Input::Opened(node),
            Heard::Message(message) => Input::Message(node, message),
            Heard::Unreadable => Input::Unreadable(node),
            Heard::Closed(reason) => {
                self.streams.remove(&node);
                Input::Closed(node, reason)
            }
            Heard::Stopped => return Err(FetchError::Stopped),
        });
        Ok(())
    }

    /// Writes what came, and notes it; also when the transfer failed, so that the next one need not fetch it again.
    async fn note_all(&mut self) -> Result<(), FetchError> {
        if let Some(putting) = self.putting.take() {
            putting.await?;
        }
        if let Some(noting) = self.noting.take() {
            noting.await?;
        }
        if !self.waiting.is_empty() {
            disk::put(self.store.blobs(), self.root, std::mem::take(&mut self.waiting)).await?;
        }
        disk::note(self.store, self.root).await
    }

    async fn finish(
        self,
        progress: &watch::Sender<Progress>,
        done: Result<(), FetchError>,
        noted: Result<(), FetchError>,
    ) -> Result<Fetched, FetchError> {
        let Progress { fetched_blocks: blocks, fetched_bytes: bytes, providers, .. } = self.progress();
        progress.send_replace(self.progress());
        done?;
        if let Some(Err(failure)) = self.result {
            return Err(FetchError::Failed { failure, providers });
        }
        noted?;
        let blob = disk::view(self.store, self.root).await?;
        if !blob.is_complete() {
            return Err(FetchError::Lost { root: self.root, missing: blob.missing_blocks });
        }
        Ok(Fetched { blob, blocks, bytes, providers })
    }

    fn progress(&self) -> Progress {
        let progress = self.machine.progress();
        Progress {
            length: self.shape.length,
            blocks: progress.blocks,
            held: progress.held,
            fetched_blocks: progress.fetched,
            fetched_bytes: progress.fetched_bytes,
            providers: self.machine.accounts(),
        }
    }

    /// Time goes forward only, so that nobody seems silent because a clock was set.
    fn now(&self) -> UnixMillis {
        let passed = u64::try_from(self.began.1.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began.0.after(passed)
    }
}

/// Waits for work that is under way; for ever if there is none.
async fn work<T>(work: &mut Working<T>) -> Result<T, FetchError> {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
