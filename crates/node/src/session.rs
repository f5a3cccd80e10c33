//! A sync session as the event loop has it: its machine, and the stream behind it.

use antiphon_core::ids::NodeId;
use antiphon_net::MemberStream;
use antiphon_protocol::frame;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Message, Session};
use tokio::sync::mpsc;

use crate::audit;
use crate::framed::{Framed, Frames, Stuck};
use crate::inputs::Input;
use crate::tasks::Tasks;

/// Tells apart the streams that one peer has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u64);

/// A session: its machine, and the way out.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) epoch: Epoch,
    pub(crate) machine: Session,
    /// How often the peer has said how much it holds.
    pub(crate) clocks: u64,
    frames: Frames<Message>,
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
        let kind = Sync { peer: stream.peer(), epoch };
        Self { epoch, machine, clocks: 0, frames: Frames::start(tasks, inputs, stream, kind) }
    }

    /// Hands a message to the writing task.
    ///
    /// # Errors
    /// When the peer takes nothing any more. A machine that acknowledges four pages at a time never has that many
    /// under way.
    pub(crate) fn send(&self, message: Message) -> Result<(), Stuck> {
        self.frames.send(message)
    }
}

/// Whose session a frame belongs to.
struct Sync {
    peer: NodeId,
    epoch: Epoch,
}

impl Framed for Sync {
    type Message = Message;
    const KIND: &'static str = audit::SYNC;

    fn peer(&self) -> NodeId {
        self.peer
    }

    fn encode(message: &Message) -> Vec<u8> {
        frame::encode(message)
    }

    fn decode(frame: &[u8]) -> Result<Message, frame::Error> {
        frame::decode(frame)
    }

    fn came(&self, message: Message) -> Input {
        Input::Frame { peer: self.peer, epoch: self.epoch, message }
    }

    fn ended(self, reason: Option<Reason>) -> Input {
        Input::SessionEnded { peer: self.peer, epoch: self.epoch, reason }
    }
}
