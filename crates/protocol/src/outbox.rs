//! The outbox between two nodes: what waited for a peer is handed over, once each, in order.
//!
//! Sending an item and forgetting it loses it whenever the line breaks between. Sending it until it is acknowledged
//! applies it twice whenever the acknowledgement is what gets lost. So every item has a [`Place`] by which both
//! sides know it; the sender keeps it until the receiver says that it is durable there, and the receiver notes the
//! place in the transaction that takes the item, and skips it when it comes again. How long must it remember? The
//! sender names the lowest number that it still has for this receiver, and nothing below it can come again.
//!
//! | module | what it does |
//! |---|---|
//! | [`message`] | what the two say to each other on `/antiphon/outbox/1` |
//! | [`delivery`] | the sender's side of one stream |
//! | [`reception`] | the receiver's side |
//! | [`schedule`] | when to try which peer |
//! | [`moderate`] | what is kept in memory and given up after a few tries |
//!
//! - **In order.** Items of one receiver go out by their numbers and are taken one frame after the other. When the
//!   receiver cannot take one for now, it takes none of those behind it in this conversation.
//! - **Settled means durable.** The receiver answers a frame after its commit. The sender forgets an item after that.
//! - **Two sources.** Items on disk and items in memory travel on the same stream under eras of their own, see
//!   [`Source`].
//! - **A restored copy shows.** The sender says which place it was last told to be taken; a receiver that does not
//!   know it was restored from an older copy. The receiver says which place it took last; a sender that never gave
//!   it was.
//! - **Bounded.** At most [`FRAMES_UNANSWERED_MAX`] frames are under way, each of at most [`ITEMS_PER_FRAME_MAX`]
//!   items and [`MESSAGE_BYTES_MAX`] bytes.

pub mod delivery;
pub mod message;
pub mod moderate;
pub mod reception;
pub mod schedule;
mod timer;

use antiphon_core::outbox::Place;

pub use delivery::Delivery;
pub use message::{Item, Message, Outcome, Refusal};
pub use moderate::Moderate;
pub use reception::Reception;
pub use schedule::Schedule;

/// Most items of one frame.
pub const ITEMS_PER_FRAME_MAX: usize = 256;
/// Longest message, in bytes, before it is compressed.
pub const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Most frames of items that are under way without an answer; a peer that sends more is not ours.
pub const FRAMES_UNANSWERED_MAX: usize = 4;
/// Most frames that were sent and are not settled yet, answered ones included.
pub const FRAMES_UNSETTLED_MAX: usize = 16;
/// Time without an answer after which the receiver counts as gone, in milliseconds.
pub const SILENT_MS: u64 = 60_000;
/// Time without a message after which the sender counts as gone, in milliseconds.
pub const IDLE_MS: u64 = 120_000;
/// How long a delivery that has nothing left waits for new items before it says goodbye, in milliseconds.
pub const LINGER_MS: u64 = 2_000;
/// Most messages of unknown kinds that are skipped in one conversation.
pub const UNKNOWN_MAX: u32 = 256;
/// Largest number of an item: what a database's integers hold.
pub const N_MAX: u64 = i64::MAX.unsigned_abs();

/// Where items come from.
///
/// Items on disk and items in memory are counted apart, so they need eras apart. The lowest bit of an era says which
/// it is: 0 on disk, 1 in memory. Only for items on disk can a number tell that a copy was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The rows of the outbox.
    Disk,
    /// The queue in memory, see [`Moderate`].
    Memory,
}

impl Source {
    /// An era for items of this source, from 64 random bits.
    pub const fn era(self, random: u64) -> u64 {
        match self {
            Self::Disk => random & !1,
            Self::Memory => random | 1,
        }
    }

    /// Where the items of an era come from.
    pub const fn of(era: u64) -> Self {
        if era & 1 == 0 { Self::Disk } else { Self::Memory }
    }
}

/// Items as they are read from a [`Source`], in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The lowest number of all items that this source has for the peer, those included that do not wait; the number
    /// of the next item when it has none. It is read together with the items, or before them.
    pub floor: u64,
    /// The items, ascending.
    pub items: Vec<Item>,
    /// Up to this number was looked. Items up to here that are not listed are not to be sent.
    pub through: u64,
    /// Whether something waits behind.
    pub more: bool,
}

/// Why a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Nothing is left to deliver.
    #[error("nothing is left to deliver")]
    Done,
    /// The receiver takes nothing more for now.
    #[error("the receiver takes nothing more for now")]
    Busy,
    /// The peer said goodbye.
    #[error("the peer said goodbye")]
    Bye,
    /// This node ended it.
    #[error("this node ended it")]
    Asked,
    /// The peer was silent for too long.
    #[error("the peer was silent for {0} ms")]
    Silent(u64),
    /// The peer broke the rules of the conversation.
    #[error("the peer broke a rule: {0}")]
    Violation(&'static str),
}

/// Whether a place can be one at all.
const fn is_place(place: Place) -> bool {
    place.n >= 1 && place.n <= N_MAX
}
