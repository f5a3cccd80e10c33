//! What any task may ask of the asynchronous store.

use std::sync::Arc;

use antiphon_core::ids::Hash;

use super::block::Landed;
use super::error::BlobError;
use super::handle::Blobs;
use super::view::{BlobTotals, BlobView};
use super::writing::Finished;
use crate::error::Error;
use crate::store::Store;

impl Store {
    /// Keeps a ciphertext that was written whole and answers once that is on disk; see [`crate::Db::keep_blob`].
    ///
    /// # Errors
    /// When the commit failed, and [`Error::Closed`]; so for all that follow.
    pub async fn keep_blob(&self, finished: Finished) -> Result<(), Error> {
        let finished = Arc::new(finished);
        // It holds the name of its file until the row is on the disk.
        let held = Arc::clone(&finished);
        let kept = self.share(move |db| db.keep_blob(&held)).await;
        drop(finished);
        kept
    }

    /// Notes that blocks are held; see [`crate::Db::blocks_held`].
    ///
    /// # Errors
    /// As [`Self::keep_blob`].
    pub async fn blocks_held(&self, landed: Landed) -> Result<Option<BlobView>, Error> {
        self.share(move |db| db.blocks_held(&landed)).await
    }

    /// What is held of a ciphertext.
    ///
    /// # Errors
    /// As [`Self::keep_blob`].
    pub async fn blob(&self, root: Hash) -> Result<Option<BlobView>, Error> {
        self.read(move |reader| reader.blob(&root)).await
    }

    /// How much content is kept: what a quota asks.
    ///
    /// # Errors
    /// As [`Self::keep_blob`].
    pub async fn blobs_total(&self) -> Result<BlobTotals, Error> {
        self.read(|reader| reader.blobs_total()).await
    }

    /// Forgets a ciphertext and removes its file; says whether it was known.
    ///
    /// # Errors
    /// As [`Self::keep_blob`], and when the file cannot be removed; then the next start does it.
    pub async fn drop_blob(&self, root: Hash) -> Result<bool, BlobError> {
        let known = self.write(move |db| db.drop_blob(&root)).await?;
        let blobs: Blobs = self.blobs();
        // Freeing the space of a large file takes the file system long enough that no task should wait for it.
        let removed = tokio::task::spawn_blocking(move || blobs.remove(&root)).await;
        removed.map_err(|_| Error::Closed)??;
        Ok(known)
    }
}
