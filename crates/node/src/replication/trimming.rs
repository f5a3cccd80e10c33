//! Copies that are too many here.
//!
//! The row goes first and the file after it, and with the row what the hash table is told of it: a crash in between leaves
//! a file without a row, which the next start removes. What is being read, served or fetched stays.

use antiphon_core::ids::Hash;

use super::Care;
use crate::api::Error;
use crate::tasks::Tasks;

/// Drops the own copy; says whether it is gone.
pub(super) async fn trim(care: &Care, root: Hash) -> bool {
    match try_trim(care, root).await {
        Ok(gone) => gone,
        Err(error) => {
            tracing::warn!(%root, %error, "a copy that is too many could not be dropped");
            false
        }
    }
}

async fn try_trim(care: &Care, root: Hash) -> Result<bool, Error> {
    let Some(_dropping) = care.transfers.in_use().dropping(root) else { return Ok(false) };
    let along = care.dht.along();
    let said = along.clone();
    let dropped = care.store.share(move |db| {
        said.let_go(db, root)?;
        db.drop_blob(&root)
    });
    let dropped = dropped.await?;
    care.dht.told(&along).await?;
    let blobs = care.store.blobs();
    let removed = Tasks::compute(move || blobs.remove(&root)).await.map_err(|_| Error::Stopped)??;
    tracing::debug!(%root, dropped, removed, "a copy that was too many was dropped");
    Ok(true)
}
