//! Ciphertexts of documents: files beside the database, cut into blocks that are checked whenever they are read.
//!
//! A document may be larger than memory, and larger than what anybody wants in a database, so its ciphertext is a file
//! of its own, `content/<root>`, named by the hash of its root manifest. Any block of it may be missing: while it is
//! fetched the file is sparse and has its final name from the first block on. What is held is written in the database,
//! and believed only as far as the hashes in the manifests go: every read hashes what it hands out. A block that is
//! not what it was is noted as missing, so that it is fetched again, and the reader gets an error, never the bytes.
//!
//! # Order of writing
//! 1. A new ciphertext is written to `content/tmp/`, `fdatasync`, renamed to its root, `fsync` of the directory, and
//!    then [`Db::keep_blob`] commits its row and manifests. Only then may anybody be told. One of a single block is
//!    written to its final name at once, which saves a wait for the disk.
//! 2. A fetched block is written into the sparse file; [`Blobs::flush`] waits for the disk, and then
//!    [`Db::blocks_held`] commits that these blocks are held.
//! 3. What is dropped loses its row first, [`Db::drop_blob`], and then its file, [`Blobs::remove`].
//!
//! So a crash leaves one of these, and the next start cleans it up:
//! - files in `tmp/`: removed;
//! - a file without a row (1 before its commit, 3 after it): removed;
//! - blocks that are in a sparse file and not noted (2 before its commit): the bits say that they are missing; they are
//!   found again by [`Blobs::take_stock`], or fetched a second time;
//! - a row without a file, which only somebody else's hand can bring about, or a disk that lies: its blocks are noted as
//!   damaged, and it is fetched again like any other.
//!
//! # Threads
//! [`Blobs`] may be used from any thread that may wait for the disk, and keeps a connection of its own for reading.
//! A ciphertext of several blocks is hashed, written and flushed on threads of its own beside whoever encrypts it, and
//! read and hashed on one beside whoever decrypts it; all of them end with their [`Writing`] or [`BlobReader`].

mod behind;
mod bits;
mod block;
mod error;
mod flow;
mod front;
mod handle;
mod parts;
mod reading;
mod rows;
mod sweep;
mod view;
mod writing;

pub use block::{Checked, Landed};
pub use error::BlobError;
pub use handle::{BLOB_DIR, Blobs, DAMAGE_NOTED_MAX};
pub use reading::BlobReader;
pub use rows::Leafed;
pub(crate) use rows::exists as is_held;
pub use view::{BLOB_RANGES_MAX, BlobTotals, BlobView};
pub use writing::{Finished, Writing};

#[cfg(doc)]
use crate::Db;
