//! Copies of documents: who holds one, who makes the next, and how it is proved that somebody does.
//!
//! | module | what it decides |
//! |---|---|
//! | [`asking`] | the side of a stream that asks and offers |
//! | [`answering`] | the side that is asked |
//! | [`message`] | what two members say to each other on `/antiphon/replication/1` |
//! | [`manager`] | which copies are missing, who makes them, and which may go |

pub mod answering;
pub mod asking;
pub mod manager;
pub mod message;

pub use answering::{Allowance, Answering};
pub use asking::{Asking, questions};
pub use message::{About, Answer, Depth, Message, Offer, Outcome};

/// Longest message, in bytes: a question about, or a statement of, as many ciphertexts as one may have.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;
/// Most ciphertexts that one question is about.
pub const ABOUT_MAX: usize = antiphon_core::possession::CLAIMS_MAX;
/// Most blocks that one question has read.
pub const BLOCKS_PER_ASK_MAX: usize = 128;
/// Most messages of unknown kinds that are skipped in one conversation.
pub const UNKNOWN_MAX: u32 = 256;
