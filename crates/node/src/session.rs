//! The byte side of a sync session: one task reads frames, one writes them, and the machine between them lives in
//! the event loop.
//!
//! Decoding, hashing and compressing happen here, beside the loop and on as many cores as there are. Both directions
//! are bounded: a reader waits until the loop has room, and a peer that takes nothing for so long that
//! [`FRAMES_WAITING_MAX`] frames pile up loses its session, because a machine that acknowledges four pages at a time
//! never has that many under way.

use antiphon_core::ids::NodeId;
use antiphon_net::{MemberReader, MemberStream, MemberWriter};
use antiphon_protocol::frame;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Message, Session};
use tokio::sync::mpsc;

use crate::inputs::Input;
use crate::reasons;
use crate::tasks::Tasks;

/// Most frames that wait to be written to one peer.
const FRAMES_WAITING_MAX: usize = 64;

/// Tells apart the sessions that one peer has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u64);

/// A session: its machine, and the way out.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) epoch: Epoch,
    pub(crate) machine: Session,
    /// Whether the peer has said how much it holds.
    pub(crate) heard: bool,
    frames: mpsc::Sender<Message>,
}

impl Live {
    /// Starts the two tasks of a stream.
    pub(crate) fn start(
        tasks: &mut Tasks,
        inputs: mpsc::Sender<Input>,
        stream: MemberStream,
        epoch: Epoch,
        machine: Session,
    ) -> Self {
        let peer = stream.peer();
        let (reader, writer) = stream.split();
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING_MAX);
        tasks.spawn(write(writer, waiting));
        tasks.spawn(read(reader, peer, epoch, inputs));
        Self { epoch, machine, heard: false, frames }
    }

    /// Hands a message to the writing task.
    ///
    /// # Errors
    /// When the peer takes nothing any more.
    pub(crate) fn send(&self, message: Message) -> Result<(), Stuck> {
        self.frames.try_send(message).map_err(|_| Stuck)
    }
}

/// The peer takes nothing any more.
#[derive(Debug)]
pub(crate) struct Stuck;

async fn write(mut writer: MemberWriter, mut waiting: mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        if let Err(error) = writer.send(&frame::encode(&message)).await {
            // The reading task sees the same end and reports it.
            tracing::debug!(%error, "a sync stream ended while it was written");
            return;
        }
    }
    if let Err(error) = writer.close().await {
        tracing::debug!(%error, "a sync stream could not be closed in order");
    }
}

async fn read(mut reader: MemberReader, peer: NodeId, epoch: Epoch, inputs: mpsc::Sender<Input>) {
    let reason = loop {
        let message = match reader.next().await {
            Ok(Some(bytes)) => frame::decode(&bytes),
            Ok(None) => break None,
            Err(error) => break Some(reasons::of_network(error.reason())),
        };
        let input = match message {
            Ok(message) => Input::Frame { peer, epoch, message },
            Err(error) => {
                tracing::warn!(%peer, %error, "a frame that cannot be read");
                break Some(Reason::Other);
            }
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    };
    // The loop is gone only when the node stops, and then nobody needs to know.
    let _ = inputs.send(Input::SessionEnded { peer, epoch, reason }).await;
}
