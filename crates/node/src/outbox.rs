//! What is meant for a peer that may be away: put down, delivered when it can be, taken once.
//!
//! | file | what is in it |
//! |---|---|
//! | `pen.rs` | how an item gets into the outbox, by whichever task |
//! | `sending.rs` | the event loop's part: whom to try, and the conversations in which items are delivered |
//! | `taking.rs` | the other side of those: items of others come in |
//! | `effects.rs` | what an item that came means here |
//! | `letters.rs` | messages between agents, sealed and opened |
//! | `ask.rs`, `show.rs` | what a handle asks the loop |
//!
//! The machines of `protocol::outbox` decide; this is their disk, their network and their clock. What a machine asks
//! for becomes a task, and the answer comes back as [`News`].

pub(crate) mod ask;
pub(crate) mod effects;
pub(crate) mod letters;
pub(crate) mod pen;
mod resources;
mod sending;
mod show;
mod taking;

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::announce::Announcement;
use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Level, Outgoing, Place};
use antiphon_core::time::UnixMillis;
use antiphon_net::MemberStream;
use antiphon_protocol::frame;
use antiphon_protocol::outbox::{Message, Moderate, Outcome, Schedule, Source, delivery, reception};
use antiphon_protocol::reason::Reason;
use antiphon_vault::random;
use tokio::sync::Mutex;

use crate::api::Error;
use crate::audit;
use crate::framed::Framed;
use crate::inputs::Input;
use crate::session::Epoch;
use ask::Counts;
use pen::Pen;
use sending::Sending;
use taking::Receiving;

/// What the tasks of the outbox found out.
#[derive(Debug)]
pub(crate) enum News {
    /// Something was put down for these peers.
    Waits(Vec<NodeId>),
    /// These items are to be kept in memory.
    Keep { level: Level, items: Vec<Outgoing> },
    /// A stream to a peer stands, or could not be opened.
    Stream { peer: NodeId, stream: Result<MemberStream, Reason> },
    /// A message came over a stream that this node opened.
    Answer { peer: NodeId, epoch: Epoch, message: Message },
    /// A message came over a stream that the peer opened.
    Offer { peer: NodeId, epoch: Epoch, message: Message },
    /// What a delivery asked for is there.
    Sender { peer: NodeId, epoch: Epoch, input: delivery::Input },
    /// What a reception asked for is there.
    Receiver { peer: NodeId, epoch: Epoch, input: reception::Input },
    /// Items were settled on disk.
    Settled { peer: NodeId, outcomes: Vec<(Place, Outcome)> },
    /// Rows did not open and were set aside.
    SetAside { peer: NodeId, rows: Vec<(u64, &'static str)> },
    /// What waited for a peer was refused, because it is no member any more.
    Withheld { peer: NodeId, items: usize },
    /// The two sides do not remember the same.
    Restored { peer: NodeId, side: Side },
    /// A member says something about itself.
    Announced { peer: NodeId, announcement: Announcement },
    /// Messages came.
    LettersCame(u64),
    /// A member wants a receipt.
    ReceiptWanted { peer: NodeId },
    /// A stream that this node opened ended.
    SenderEnded { peer: NodeId, epoch: Epoch, reason: Option<Reason> },
    /// A stream that the peer opened ended.
    ReceiverEnded { peer: NodeId, epoch: Epoch },
}

/// Whose database turned out to be an older copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// This node's, as a sender: it no longer knew what it had delivered.
    OwnSent,
    /// This node's, as a receiver: it lost what it had taken.
    OwnTaken,
    /// The peer's, as a receiver.
    PeerTaken,
}

/// The loop's part of the outbox.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) pen: Pen,
    schedule: Schedule,
    moderate: Moderate,
    /// Deliveries under way, and those whose stream is being opened.
    sending: BTreeMap<NodeId, Sending>,
    receiving: BTreeMap<NodeId, Receiving>,
    /// Held by whoever takes items of a peer. There is one for each member that ever delivered.
    turns: BTreeMap<NodeId, Arc<Mutex<()>>>,
    /// Numbers of what is, or was lately, kept in memory.
    numbers: BTreeMap<(NodeId, Place), u64>,
    next_number: u64,
    /// Why the last attempt at a peer failed.
    reasons: BTreeMap<NodeId, Reason>,
    counts: Counts,
    /// Copies that were restored, and when that was noticed last.
    restored: BTreeMap<(NodeId, Side), UnixMillis>,
    /// When the schedule wants to be woken.
    wake_at: Option<UnixMillis>,
    /// When the disk is looked through again.
    rescan_at: UnixMillis,
}

impl Outbox {
    /// An outbox that knows of nothing that waits.
    ///
    /// # Errors
    /// [`Error::Key`] without randomness.
    pub(crate) fn new(pen: Pen, retry_ms: u64) -> Result<Self, Error> {
        let seed = || random::bytes().map(u64::from_be_bytes);
        Ok(Self {
            pen,
            schedule: Schedule::new(seed()?, retry_ms),
            moderate: Moderate::new(Source::Memory.era(seed()?)),
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            turns: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_number: 1,
            reasons: BTreeMap::new(),
            counts: Counts::default(),
            restored: BTreeMap::new(),
            wake_at: None,
            rescan_at: UnixMillis(0),
        })
    }

    /// Sets how long a first failure keeps the next attempt away.
    pub(crate) const fn set_pause(&mut self, retry_ms: u64) {
        self.schedule.set_pause(retry_ms);
    }
}

/// Whose stream a frame came over, and who opened it.
struct OutboxFrames {
    peer: NodeId,
    epoch: Epoch,
    ours: bool,
}

impl Framed for OutboxFrames {
    type Message = Message;
    const KIND: &'static str = audit::OUTBOX;

    fn peer(&self) -> NodeId {
        self.peer
    }

    fn encode(message: &Message) -> Vec<u8> {
        message.to_frame()
    }

    fn decode(frame: &[u8]) -> Result<Message, frame::Error> {
        Message::from_frame(frame)
    }

    fn came(&self, message: Message) -> Input {
        let Self { peer, epoch, ours } = *self;
        Input::Outbox(if ours { News::Answer { peer, epoch, message } } else { News::Offer { peer, epoch, message } })
    }

    fn ended(self, reason: Option<Reason>) -> Input {
        let Self { peer, epoch, ours } = self;
        Input::Outbox(if ours {
            News::SenderEnded { peer, epoch, reason }
        } else {
            News::ReceiverEnded { peer, epoch }
        })
    }
}
