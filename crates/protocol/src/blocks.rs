//! Blocks between two nodes: a document's ciphertext moves from those who hold it to whoever asks.
//!
//! A ciphertext may be a gigabyte, and whoever sends it may lie, stall, or go away. Fetching it in one piece from one
//! holder finds out at the end, and begins anew. So it is fetched by its blocks (`antiphon_core::content`): each is
//! asked for by its number, checked by the manifest as it comes, and kept at once; what broke goes on where it was,
//! and several holders send different parts at the same time.
//!
//! | module | what it does |
//! |---|---|
//! | [`message`] | what the two say to each other on `/antiphon/blocks/1` |
//! | [`fetch`] | the side that asks, of several providers at once |
//! | [`serve`] | the side that is asked, for one stream |
//!
//! - **Nothing is believed.** A manifest is taken if its hash was asked for, a block if the manifest names its hash.
//!   Whoever sends anything else is asked nothing more, and it is said who that was.
//! - **Constant memory.** A transfer has at most [`fetch::FLYING_BYTES_MAX`] of blocks under way and
//!   [`fetch::PARTS_OPEN_MAX`] manifests open, whatever the size of the document. The serving side reads one block at a
//!   time, when the one before was taken.
//! - **Not twice.** Two providers are asked for the same block only when one of them has not sent it for
//!   [`fetch::ASK_AGAIN_MS`] and the other has nothing else to do.
//! - **Every end has a reason**, and an account of what each provider did.

pub mod fetch;
pub mod message;
pub mod serve;

use antiphon_core::content::{BLOCK_BYTES, MANIFEST_CHILDREN_MAX};

pub use fetch::Fetch;
pub use message::{Block, Message, What};
pub use serve::Serve;

/// Longest message, in bytes: a whole block and what is said beside it.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024 + 256;
const _: () = assert!(MESSAGE_BYTES_MAX as u64 == BLOCK_BYTES + 256, "a whole block fits");
/// Most ranges of blocks that one message names.
pub const RANGES_MAX: usize = 64;
/// Most blocks that one message asks for, and that one stream may have asked for without an answer.
pub const WANTED_BLOCKS_MAX: u64 = 64;
/// Blocks that the largest document has.
pub const BLOCKS_MAX: u64 = (MANIFEST_CHILDREN_MAX * MANIFEST_CHILDREN_MAX) as u64;
/// Most messages of unknown kinds that are skipped in one conversation.
pub const UNKNOWN_MAX: u32 = 256;
