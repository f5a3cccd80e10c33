//! What a transfer looks up, writes and notes.

use antiphon_core::content::Manifest;
use antiphon_core::ids::Hash;
use antiphon_protocol::blocks::fetch::{Input, Look};
use antiphon_store::{BLOB_RANGES_MAX, BlobError, BlobView, Blobs, Leafed, Store};

use super::FetchError;
use crate::tasks::Tasks;

/// A thread that may wait runs this; if it breaks the transfer ends.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, FetchError> {
    match Tasks::compute(work).await {
        Ok(done) => Ok(done?),
        Err(error) => {
            tracing::error!(%error, "a task of a transfer broke");
            Err(FetchError::Stopped)
        }
    }
}

/// What is held when a transfer begins: the manifest, if the fetch was begun before. Blocks that were written and not
/// noted, because the node stopped in between, are found and noted.
pub(super) async fn begin(store: &Store, root: Hash) -> Result<Option<Vec<u8>>, FetchError> {
    let known = store.read(move |reader| Ok((reader.blob(&root)?, reader.manifest(&root)?))).await?;
    let (Some(view), Some(manifest)) = known else { return Ok(None) };
    if !view.is_complete() {
        note(store, root).await?;
        let blobs = store.blobs();
        let landed = beside(move || blobs.take_stock(&root)).await?;
        if !landed.is_empty() {
            tracing::debug!(%root, blocks = landed.len(), "blocks were here that nobody had noted");
            store.share(move |db| db.blocks_held(&landed)).await?;
        }
    }
    Ok(Some(manifest))
}

/// What of a part is held.
pub(super) async fn look(store: &Store, root: Hash, look: Look) -> Result<Input, FetchError> {
    note(store, root).await?;
    let Look { part, manifest, blocks } = look;
    let known = store.read(move |reader| Ok((reader.blob(&root)?, reader.manifest(&manifest)?)));
    let (view, manifest) = known.await?;
    let missing = match view {
        None => vec![blocks],
        Some(BlobView { mut missing, .. }) => {
            // What a list does not reach counts as missing; the store finds out when it is written.
            if missing.len() >= BLOB_RANGES_MAX
                && let Some(last) = missing.last_mut()
            {
                last.end = last.end.max(blocks.end);
            }
            let inside = |range: &std::ops::Range<u64>| range.start < blocks.end && range.end > blocks.start;
            missing.retain(inside);
            missing
        }
    };
    Ok(Input::Looked { part, manifest, missing })
}

/// Keeps a manifest whose hash was checked.
pub(super) async fn keep_manifest(
    store: &Store,
    root: Hash,
    part: Option<u64>,
    bytes: &[u8],
) -> Result<(), FetchError> {
    let manifest = Manifest::decode(bytes).map_err(BlobError::from)?;
    if part.is_none() {
        store.share(move |db| db.begin_fetch(&manifest)).await?;
        return Ok(());
    }
    match store.share(move |db| db.keep_manifest(&root, &manifest)).await? {
        Leafed::Kept => Ok(()),
        // It was dropped while it was fetched.
        Leafed::NotListed | Leafed::NoRoot => Err(BlobError::NotFound(root).into()),
    }
}

/// Checks and writes blocks; says of each whether it was the right one.
pub(super) async fn put(blobs: Blobs, root: Hash, blocks: Vec<(u64, Vec<u8>)>) -> Result<Vec<(u64, bool)>, FetchError> {
    let put = move |(n, bytes): (u64, Vec<u8>)| match blobs.put_block(&root, n, &bytes) {
        Ok(()) => Ok((n, true)),
        Err(BlobError::WrongBlock { .. }) => Ok((n, false)),
        Err(error) => Err(error),
    };
    beside(move || blocks.into_iter().map(put).collect()).await
}

/// Waits until what was written is on the disk, and notes it.
pub(super) async fn note(store: &Store, root: Hash) -> Result<(), FetchError> {
    let blobs = store.blobs();
    let landed = beside(move || blobs.flush(&root)).await?;
    if !landed.is_empty() {
        store.share(move |db| db.blocks_held(&landed)).await?;
    }
    Ok(())
}

/// What is held now.
pub(super) async fn view(store: &Store, root: Hash) -> Result<BlobView, FetchError> {
    let view = store.read(move |reader| reader.blob(&root)).await?;
    view.ok_or(FetchError::NotFound(root))
}

/// Reads all of a ciphertext and notes what is damaged.
pub(super) async fn check(store: &Store, root: Hash) -> Result<BlobView, FetchError> {
    let blobs = store.blobs();
    match beside(move || blobs.check(&root)).await {
        Ok(_) => {}
        Err(FetchError::Blob(BlobError::NotFound(root))) => return Err(FetchError::NotFound(root)),
        Err(error) => return Err(error),
    }
    store.share(antiphon_store::Db::note_damage).await?;
    view(store, root).await
}
