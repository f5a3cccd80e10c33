//! The byte side of a members' stream: one task reads frames, one writes them, and the machine between them lives in
//! the event loop.
//!
//! Decoding, hashing and compressing happen here, beside the loop and on as many cores as there are. Both directions
//! are bounded: a reader waits until the loop has room, and a peer that takes nothing for so long that
//! [`FRAMES_WAITING_MAX`] frames pile up loses its stream, because no machine has that many under way.

use antiphon_core::ids::NodeId;
use antiphon_net::{MemberReader, MemberStream, MemberWriter, StreamKind};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::{blocks, frame, outbox, replication};
use tokio::sync::{mpsc, oneshot};

use crate::audit;
use crate::inputs::Input;
use crate::reasons;
use crate::tasks::Tasks;

/// Most frames that wait to be written to one peer.
const FRAMES_WAITING_MAX: usize = 64;

// What the protocols let a frame have fits into what the network does, and not much more does.
const _: () = {
    assert!(StreamKind::Sync.frame_bytes_max() == frame::FRAME_BYTES_MAX);
    assert!(StreamKind::Outbox.frame_bytes_max() > outbox::MESSAGE_BYTES_MAX);
    assert!(StreamKind::Blocks.frame_bytes_max() > blocks::MESSAGE_BYTES_MAX);
    assert!(StreamKind::Replication.frame_bytes_max() > replication::MESSAGE_BYTES_MAX);
};

/// A stream of one kind: how its messages look in frames, and how the loop hears of them.
pub(crate) trait Framed: Send + 'static {
    /// What travels.
    type Message: Send + 'static;
    /// What the audit calls it.
    const KIND: &'static str;

    /// The other end.
    fn peer(&self) -> NodeId;

    /// The frame of a message.
    fn encode(message: &Self::Message) -> Vec<u8>;
    /// The message of a frame.
    fn decode(frame: &[u8]) -> Result<Self::Message, frame::Error>;
    /// A message came.
    fn came(&self, message: Self::Message) -> Input;
    /// The stream ended, for a reason unless it ended in order.
    fn ended(self, reason: Option<Reason>) -> Input;
}

/// The way out of a stream.
#[derive(Debug)]
pub(crate) struct Frames<M> {
    waiting: mpsc::Sender<M>,
    /// Ends the reading task when it is dropped: whoever lost its stream is not read on.
    _open: oneshot::Sender<()>,
}

/// The peer takes nothing any more.
#[derive(Debug)]
pub(crate) struct Stuck;

impl<M: Send + 'static> Frames<M> {
    /// Starts the two tasks of a stream. They end when what this returns is dropped.
    pub(crate) fn start<F: Framed<Message = M>>(
        tasks: &mut Tasks,
        inputs: mpsc::Sender<Input>,
        stream: MemberStream,
        kind: F,
    ) -> Self {
        let (reader, writer) = stream.split();
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING_MAX);
        tasks.spawn(write::<F>(writer, waiting));
        let (open, over) = oneshot::channel();
        tasks.spawn(read(reader, kind, inputs, over));
        Self { waiting: frames, _open: open }
    }

    /// Hands a message to the writing task.
    ///
    /// # Errors
    /// When the peer takes nothing any more.
    pub(crate) fn send(&self, message: M) -> Result<(), Stuck> {
        self.waiting.try_send(message).map_err(|_| Stuck)
    }
}

async fn write<F: Framed>(mut writer: MemberWriter, mut waiting: mpsc::Receiver<F::Message>) {
    while let Some(message) = waiting.recv().await {
        if let Err(error) = writer.send(&F::encode(&message)).await {
            // The reading task sees the same end and reports it.
            tracing::debug!(%error, "a stream ended while it was written");
            return;
        }
    }
    if let Err(error) = writer.close().await {
        tracing::debug!(%error, "a stream could not be closed in order");
    }
}

async fn read<F: Framed>(
    mut reader: MemberReader,
    kind: F,
    inputs: mpsc::Sender<Input>,
    mut over: oneshot::Receiver<()>,
) {
    let reason = loop {
        let frame = tokio::select! {
            biased;
            _ = &mut over => return,
            frame = reader.next() => frame,
        };
        let message = match frame {
            Ok(Some(bytes)) => F::decode(&bytes),
            Ok(None) => break None,
            Err(error) => break Some(reasons::of_network(error.reason())),
        };
        let input = match message {
            Ok(message) => kind.came(message),
            Err(error) => {
                tracing::warn!(%error, "a frame that cannot be read");
                let refused = audit::broke_a_rule(F::KIND, kind.peer(), "a frame that cannot be read");
                if inputs.send(Input::Refused(refused)).await.is_err() {
                    return;
                }
                break Some(Reason::Other);
            }
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    };
    // The loop is gone only when the node stops, and then nobody needs to know.
    let _ = inputs.send(kind.ended(reason)).await;
}
