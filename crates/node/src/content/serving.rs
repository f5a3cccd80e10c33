//! Blocks for other members: one task for each stream that they open.
//!
//! A block is read, checked and sent; the next is read while it is on its way, and no more than that, so an asker that
//! takes nothing costs a slot for [`TAKES_NOTHING`] and a few blocks of memory. Everything comes from
//! [`antiphon_store::Blobs`], which hashes what it hands out: a damaged block is said to be missing here, noted, and
//! can be repaired from somebody else. A member that is put out loses its stream with its connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_net::{MemberReader, MemberStream, MemberWriter};
use antiphon_protocol::blocks::serve::{Closed, Input, Job, Output};
use antiphon_protocol::blocks::{Message, Serve};
use antiphon_store::{BlobError, Store};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::using::{InUse, Using};
use crate::audit;
use crate::clock;
use crate::event_loop::Engine;
use crate::inputs::Input as News;
use crate::tasks::Tasks;

/// Most streams that are served at the same time; others are told that this node is busy.
pub(crate) const ASKERS_MAX: usize = 16;
/// Most of these streams of one member, over all its connections, so that nobody alone keeps the others waiting.
pub(crate) const ASKERS_PER_MEMBER_MAX: usize = antiphon_net::BLOCKS_STREAMS_MAX;
/// Most messages that wait to be sent to one asker.
const SENDS_MAX: usize = 2;
/// How long an asker may take nothing of what it asked for.
const TAKES_NOTHING: Duration = Duration::from_secs(30);

/// What was served since the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Blocks that were sent.
    pub blocks: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Blocks and manifests that were asked for and are not here.
    pub missing: u64,
    /// Blocks that were asked for and found damaged.
    pub damaged: u64,
    /// Streams that were refused because too many were served.
    pub busy: u64,
}

/// The serving side of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Serving(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slots: Semaphore,
    /// How many of them each member has; who has none is not there.
    taken: Lock<BTreeMap<NodeId, usize>>,
    blocks: AtomicU64,
    bytes: AtomicU64,
    missing: AtomicU64,
    damaged: AtomicU64,
    busy: AtomicU64,
    in_use: InUse,
}

impl Serving {
    pub(super) fn new(in_use: InUse) -> Self {
        Self(Arc::new(Shared {
            slots: Semaphore::new(ASKERS_MAX),
            taken: Lock::default(),
            blocks: AtomicU64::default(),
            bytes: AtomicU64::default(),
            missing: AtomicU64::default(),
            damaged: AtomicU64::default(),
            busy: AtomicU64::default(),
            in_use,
        }))
    }

    pub(crate) fn served(&self) -> Served {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { blocks, bytes, missing, damaged, busy, .. } = &*self.0;
        Served {
            blocks: read(blocks),
            bytes: read(bytes),
            missing: read(missing),
            damaged: read(damaged),
            busy: read(busy),
        }
    }

    /// A slot for a stream of this member, if there is one.
    fn slot(&self, peer: NodeId) -> Option<Slot<'_>> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&peer).is_some_and(|taken| *taken >= ASKERS_PER_MEMBER_MAX) {
            return None;
        }
        let permit = self.0.slots.try_acquire().ok()?;
        *taken.entry(peer).or_default() += 1;
        Some(Slot { serving: self, peer, _permit: permit })
    }

    /// Serves a stream until it ends; says which rule its asker broke, if that is why.
    async fn serve(self, store: Store, stream: MemberStream) -> Option<&'static str> {
        let peer = stream.peer();
        let (reader, writer) = stream.split();
        let Some(_slot) = self.slot(peer) else {
            self.0.busy.fetch_add(1, Ordering::Relaxed);
            refuse(writer).await;
            return None;
        };
        let (sends, waiting) = mpsc::channel(SENDS_MAX);
        let (began, asked) = ((clock::now(), Instant::now()), Mutex::new(None));
        let asker = Asker { store, serving: &self, sends, began, asked };
        let mut write = std::pin::pin!(write(peer, writer, waiting));
        let end = tokio::select! {
            end = asker.answer(peer, reader) => end,
            () = &mut write => return None,
        };
        // Who has left takes nothing more, and waiting for it would cost the slot.
        if !matches!(end, End::Gone) {
            write.await;
        }
        match end {
            End::Broke(rule) => Some(rule),
            End::Gone | End::Over => None,
        }
    }

    fn note(&self, loaded: &Result<Vec<u8>, BlobError>, is_block: bool) {
        let Shared { blocks, bytes, missing, damaged, .. } = &*self.0;
        match loaded {
            Ok(block) if is_block => {
                blocks.fetch_add(1, Ordering::Relaxed);
                bytes.fetch_add(block.len() as u64, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) => {
                missing.fetch_add(1, Ordering::Relaxed);
                damaged.fetch_add(u64::from(error.is_damaged()), Ordering::Relaxed);
            }
        }
    }
}

/// How a stream came to its end.
enum End {
    /// The asker left.
    Gone,
    /// This side has enough, and a last word to say.
    Over,
    /// The same, because the asker broke this rule.
    Broke(&'static str),
}

/// One of the streams that are served.
struct Slot<'a> {
    serving: &'a Serving,
    peer: NodeId,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut taken = self.serving.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.peer) {
            Some(left) if *left > 1 => *left -= 1,
            _ => drop(taken.remove(&self.peer)),
        }
    }
}

/// One who asks.
struct Asker<'a> {
    store: Store,
    serving: &'a Serving,
    sends: mpsc::Sender<Message>,
    began: (UnixMillis, Instant),
    /// What it asked for last: that is not dropped while it may ask for more of it.
    asked: Mutex<Option<(Hash, Using)>>,
}

impl Asker<'_> {
    /// Hears requests and answers them, until one side has enough.
    async fn answer(self, peer: NodeId, mut reader: MemberReader) -> End {
        let (mut machine, first) = Serve::new(self.now());
        let mut outputs = vec![first];
        let mut loading = None;
        let mut wake_at = Instant::now();
        loop {
            for output in outputs {
                match output {
                    Output::Load(job) => loading = Some(Box::pin(self.load(job))),
                    Output::Send(message) => {
                        if self.sends.send(message).await.is_err() {
                            return End::Gone;
                        }
                    }
                    Output::WakeAt(at) => wake_at = self.began.1 + Duration::from_millis(at.since(self.began.0)),
                    Output::Close(closed) => {
                        tracing::debug!(%peer, %closed, "blocks are served no more");
                        return match closed {
                            Closed::Bye => End::Gone,
                            Closed::Asked | Closed::Idle(_) => End::Over,
                            Closed::Violation(rule) => End::Broke(rule),
                        };
                    }
                }
            }
            let input = tokio::select! {
                frame = reader.next() => match frame.as_ref().map(|frame| frame.as_deref().map(Message::decode)) {
                    Ok(Some(Ok(message))) => Input::Message(message),
                    Ok(Some(Err(error))) => {
                        tracing::warn!(%peer, %error, "a request that cannot be read");
                        return End::Broke("a request that cannot be read");
                    }
                    Ok(None) => return End::Gone,
                    Err(error) => {
                        tracing::debug!(%peer, %error, "a stream of blocks ended");
                        return End::Gone;
                    }
                },
                loaded = async { match &mut loading { Some(load) => load.await, None => std::future::pending().await } } => {
                    loading = None;
                    Input::Loaded(loaded)
                }
                () = sleep_until(wake_at) => Input::Wake,
            };
            outputs = machine.handle(input, self.now());
        }
    }

    /// Reads what was asked for; `None` if it is not here, damaged or of no document that is known.
    async fn load(&self, job: Job) -> Option<Vec<u8>> {
        let (Job::Manifest { root, .. } | Job::Block { root, .. }) = job;
        self.uses(root).await;
        let loaded = match job {
            Job::Manifest { root, hash } => self.manifest(root, hash).await,
            Job::Block { root, n } => {
                let blobs = self.store.blobs();
                match Tasks::compute(move || blobs.read_block(&root, n)).await {
                    Ok(read) => read,
                    Err(error) => {
                        tracing::error!(%error, "a block could not be read");
                        return None;
                    }
                }
            }
        };
        self.serving.note(&loaded, matches!(job, Job::Block { .. }));
        match loaded {
            Ok(bytes) => Some(bytes),
            Err(error) if error.is_missing() => None,
            Err(error) => {
                tracing::error!(%error, "what was asked for could not be read");
                None
            }
        }
    }

    async fn uses(&self, root: Hash) {
        let mut asked = self.asked.lock().await;
        if asked.as_ref().is_none_or(|(before, _)| *before != root) {
            // Before the next is waited for: two streams that change places would wait for each other otherwise.
            *asked = None;
            *asked = Some((root, self.serving.0.in_use.using(root).await));
        }
    }

    async fn manifest(&self, root: Hash, hash: Hash) -> Result<Vec<u8>, BlobError> {
        let read = self.store.read(move |reader| reader.manifest(&hash)).await?;
        read.ok_or(BlobError::NotFound(root))
    }

    fn now(&self) -> UnixMillis {
        let passed = u64::try_from(self.began.1.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began.0.after(passed)
    }
}

/// Tells an asker to come back later.
async fn refuse(mut writer: MemberWriter) {
    let told = async {
        writer.send(&Message::Busy.encode()).await?;
        writer.close().await
    };
    if !matches!(timeout(TAKES_NOTHING, told).await, Ok(Ok(()))) {
        tracing::debug!("an asker did not wait to hear that there is too much to do");
    }
}

/// Sends what there is to send.
async fn write(peer: NodeId, mut writer: MemberWriter, mut waiting: mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        match timeout(TAKES_NOTHING, writer.send(&message.encode())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "a stream of blocks ended while it was written"),
            Err(_) => return tracing::debug!(%peer, "an asker takes nothing of what it asked for"),
        }
    }
    if let Ok(Err(error)) = timeout(TAKES_NOTHING, writer.close()).await {
        tracing::debug!(%peer, %error, "a stream of blocks could not be closed in order");
    }
}

impl Engine {
    /// A member opened a stream to fetch blocks.
    pub(crate) fn on_blocks(&mut self, peer: NodeId, stream: MemberStream) {
        if self.team.check(&peer, clock::now()).is_err() {
            return tracing::debug!(%peer, "somebody who is no member asks for blocks");
        }
        if !self.mode_with(&peer).sends {
            return tracing::debug!(%peer, "nothing is sent to this peer, blocks neither");
        }
        let serving = self.transfers.serving().clone().serve(self.store.clone(), stream);
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            if let Some(rule) = serving.await {
                // Only a stopping node does not want to know.
                let _ = inputs.send(News::Refused(audit::broke_a_rule(audit::BLOCKS, peer, rule))).await;
            }
        });
    }
}
