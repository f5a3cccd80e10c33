//! Ciphertexts as they are held and moved; what is in them is another matter.

use std::io::{Read, Write};

use antiphon_core::content::Shape;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_net::StreamKind;
use antiphon_store::BlobView;
use tokio::sync::watch;

use super::Handle;
use crate::content::{FetchError, Fetched, Interrupted, Progress, Repaired, Served};
use crate::tasks::Tasks;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

impl Handle {
    /// Keeps a ciphertext that is read to its end; it is durable when this returns.
    ///
    /// # Errors
    /// [`FetchError::Blob`] when it is empty or the disk fails, [`FetchError::Store`].
    pub async fn keep_blob(&self, mut cipher: impl Read + Send + 'static) -> Result<BlobView, FetchError> {
        let blobs = self.store().blobs();
        let write = move || -> Result<_, FetchError> {
            let mut writing = blobs.begin()?;
            let mut buffer = vec![0; READ_BYTES];
            loop {
                match cipher.read(&mut buffer)? {
                    0 => return Ok(writing.finish()?),
                    read => writing.write_all(&buffer[..read])?,
                }
            }
        };
        let finished = Tasks::compute(write).await.map_err(|_| FetchError::Stopped)??;
        let root = finished.name();
        self.store().share(move |db| db.keep_blob(&finished)).await?;
        self.blob(root).await?.ok_or(FetchError::NotFound(root))
    }

    /// What is held of a ciphertext.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn blob(&self, root: Hash) -> Result<Option<BlobView>, FetchError> {
        Ok(self.store().read(move |reader| reader.blob(&root)).await?)
    }

    /// Fetches a ciphertext of `length` bytes from whoever of `providers` sends it. What is held already is not fetched
    /// again; when this returns all of it is held, durably. Dropping the future stops it.
    ///
    /// # Errors
    /// [`FetchError`], with what each provider did.
    pub async fn fetch_blob(
        &self,
        root: Hash,
        length: u64,
        providers: Vec<NodeId>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Fetched, FetchError> {
        self.shared.transfers.fetch(root, Shape { length }, providers, progress).await
    }

    /// Reads all of a ciphertext, and fetches what of it is damaged or missing.
    ///
    /// # Errors
    /// [`FetchError`], with what each provider did.
    pub async fn repair_blob(
        &self,
        root: Hash,
        providers: Vec<NodeId>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Repaired, FetchError> {
        self.shared.transfers.repair(root, providers, progress).await
    }

    /// Fetches that were begun and are not complete, in the order of their roots, those after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interrupted_fetches(&self, after: Option<Hash>) -> Result<Vec<Interrupted>, FetchError> {
        Ok(self.shared.transfers.interrupted(after).await?)
    }

    /// What others fetched from here since the node started.
    pub fn blocks_served(&self) -> Served {
        self.shared.transfers.serving().served()
    }

    /// Bytes of the frames of blocks sent and received since the node started.
    pub fn blocks_traffic(&self) -> (u64, u64) {
        let traffic = self.shared.net.traffic(StreamKind::Blocks);
        (traffic.sent(), traffic.received())
    }
}
