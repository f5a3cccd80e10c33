//! Clearing away what nobody needs.
//!
//! The database knows which ciphertexts no version needs, and why. What it cannot know is what is under way: somebody
//! may be reading one, serving it or fetching it, and then it stays until the next time. What no event ever named may be
//! a moment ahead of its event, so it stays for [`GARBAGE_AGE_MS`] after it was first seen and nothing more of it came.
//! A document that is being stored is in no danger: its row and its event are one transaction.
//!
//! The row goes first, together with what the hash table is told of it, and the file after it: a crash in between leaves a
//! file without a row, which the next start removes. Whether it is still not needed is asked in that transaction.
//!
//! What is left of a team that was left may be the only copy there is, and nobody but a person knows whether it is still
//! wanted. It goes only when a person says so.

use antiphon_core::address::Address;
use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;
use antiphon_store::{Dropped, GarbageRow, Unneeded};

use super::Care;
use crate::api::{Error, GARBAGE_MAX, Garbage, Staying, WhyKept};
use crate::clock::now;
use crate::handle::Handle;
use crate::tasks::Tasks;

/// How long a ciphertext is kept whose event may still come, in milliseconds.
pub(crate) const GARBAGE_AGE_MS: u64 = 3_600_000;
/// How many are read at once.
const STEP: usize = 256;

/// Who wants it cleared away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A person.
    Hand,
    /// Nobody: it is time.
    Itself,
}

impl Handle {
    /// Frees what nobody needs on this node, or only says what would be freed: each ciphertext with the reason why it is
    /// not needed, and with what keeps it where it stays for now. At most [`GARBAGE_MAX`] of them.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Blob`], [`Error::Stopped`]; then some of them may be gone.
    pub async fn collect_garbage(&self, dry_run: bool) -> Result<Vec<Garbage>, Error> {
        let care = &self.shared.care;
        if dry_run { look(care, By::Hand).await } else { collect(care, By::Hand).await }
    }

    /// Why a ciphertext is on this node, or why it is not needed.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn why_kept(&self, root: Hash) -> Result<WhyKept, Error> {
        let care = &self.shared.care;
        let read = care.store.read(move |reader| {
            let needed = reader.content_by_root(&root)?;
            Ok((reader.blob(&root)?.is_some(), reader.garbage_row(&root)?, needed))
        });
        let (held, row, needed) = read.await?;
        if !held {
            return Ok(WhyKept::NotHeld);
        }
        match row {
            None => {
                Ok(WhyKept::Needed(needed.into_iter().map(|view| (view.entry.address, view.entry.version)).collect()))
            }
            Some(row) => Ok(WhyKept::Garbage(named(care, vec![row], By::Hand).await?.remove(0))),
        }
    }
}

/// Clears away what nobody needs, because it is time. Says whether some of it stays only because it is in use.
pub(super) async fn clean(care: &Care) -> bool {
    loop {
        match collect(care, By::Itself).await {
            Ok(found) => {
                let gone: Vec<&Garbage> = found.iter().filter(|one| one.goes()).collect();
                if !gone.is_empty() {
                    let bytes = gone.iter().fold(0, |sum: u64, one| sum.saturating_add(one.bytes));
                    tracing::info!(ciphertexts = gone.len(), bytes, "content that nobody needs was freed");
                }
                // Whatever stays is seen again the next time, so a full list that frees nothing must not come twice.
                if found.len() < GARBAGE_MAX || gone.is_empty() {
                    return found.iter().any(|one| one.stays == Some(Staying::InUse));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "content that nobody needs could not be freed");
                return false;
            }
        }
    }
}

/// What would be freed.
async fn look(care: &Care, by: By) -> Result<Vec<Garbage>, Error> {
    let mut all = Vec::new();
    let mut after = None;
    while let Some(rows) = page(care, after, all.len()).await? {
        after = rows.last().map(|row| row.root);
        all.extend(named(care, rows, by).await?);
    }
    Ok(all)
}

/// Frees it.
pub(crate) async fn collect(care: &Care, by: By) -> Result<Vec<Garbage>, Error> {
    let at = now();
    care.store.share(move |db| db.note_garbage(at)).await?;
    let mut all = Vec::new();
    let mut after = None;
    while let Some(rows) = page(care, after, all.len()).await? {
        after = rows.last().map(|row| row.root);
        for mut one in named(care, rows, by).await? {
            if one.goes() {
                one.stays = match free(care, one.root).await? {
                    Freed::Gone => None,
                    Freed::Stays(staying) => Some(staying),
                    Freed::Needed => continue,
                };
            }
            all.push(one);
        }
    }
    Ok(all)
}

/// The next rows; `None` when there are no more, or enough.
async fn page(care: &Care, after: Option<Hash>, so_far: usize) -> Result<Option<Vec<GarbageRow>>, Error> {
    let most = GARBAGE_MAX.saturating_sub(so_far).min(STEP);
    let rows = care.store.read(move |reader| reader.garbage(after.as_ref(), most)).await?;
    Ok((!rows.is_empty()).then_some(rows))
}

/// The same for people: with the address where the index knows it, and with what keeps it.
async fn named(care: &Care, rows: Vec<GarbageRow>, by: By) -> Result<Vec<Garbage>, Error> {
    let roots: Vec<Hash> = rows.iter().map(|row| row.root).collect();
    let read = care.store.read(move |reader| {
        let naming = roots.iter().map(|root| reader.content_naming(root));
        naming.map(|view| Ok(view?.map(|view| view.entry.address))).collect::<Result<Vec<Option<Address>>, _>>()
    });
    let at = now();
    let one = |(row, address): (GarbageRow, Option<Address>)| Garbage {
        root: row.root,
        bytes: row.held,
        length: row.length,
        reason: row.why,
        address,
        stays: staying(care, &row, by, at),
    };
    Ok(rows.into_iter().zip(read.await?).map(one).collect())
}

/// What keeps a ciphertext that nothing needs.
fn staying(care: &Care, row: &GarbageRow, by: By, at: UnixMillis) -> Option<Staying> {
    if row.why == Unneeded::LeftTeam && by == By::Itself {
        return Some(Staying::ForAPerson);
    }
    if !row.is_due(at, GARBAGE_AGE_MS) {
        return Some(Staying::Waits { left_ms: left(row, at) });
    }
    care.transfers.in_use().is_used(&row.root).then_some(Staying::InUse)
}

/// For how long it is kept still.
fn left(row: &GarbageRow, at: UnixMillis) -> u64 {
    GARBAGE_AGE_MS.saturating_sub(row.since.map_or(0, |since| at.since(since)))
}

/// What became of one.
enum Freed {
    Gone,
    Stays(Staying),
    Needed,
}

async fn free(care: &Care, root: Hash) -> Result<Freed, Error> {
    let Some(_dropping) = care.transfers.in_use().dropping(root) else { return Ok(Freed::Stays(Staying::InUse)) };
    let (along, at) = (care.dht.along(), now());
    let said = along.clone();
    let dropped = care.store.share(move |db| {
        let dropped = db.drop_garbage(&root, at, GARBAGE_AGE_MS)?;
        if matches!(dropped, Dropped::Gone(_)) {
            said.let_go(db, root)?;
        }
        Ok(dropped)
    });
    match dropped.await? {
        Dropped::Needed => Ok(Freed::Needed),
        Dropped::TooEarly(row) => Ok(Freed::Stays(Staying::Waits { left_ms: left(&row, at) })),
        Dropped::Gone(_) | Dropped::NotHeld => {
            care.dht.told(&along).await?;
            let blobs = care.store.blobs();
            // A file that somebody is just writing again stays.
            let _removed = Tasks::compute(move || blobs.remove(&root)).await.map_err(|_| Error::Stopped)??;
            Ok(Freed::Gone)
        }
    }
}
