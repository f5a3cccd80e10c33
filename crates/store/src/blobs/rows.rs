//! The rows: which ciphertexts there are, their manifests, and which blocks are missing.

use antiphon_core::content::{Manifest, Shape};
use antiphon_core::ids::Hash;
use rusqlite::{Connection, OptionalExtension, params};

use super::bits::{Bits, PART_BLOCKS};
use super::block::Landed;
use super::view::{BLOB_RANGES_MAX, BlobTotals, BlobView};
use super::writing::Finished;
use crate::db::Db;
use crate::error::Error;
use crate::reader::Reader;
use crate::row::{self, sql};

/// What became of the manifest of a part.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leafed {
    /// It is kept, or was already.
    Kept,
    /// The root does not list it, or lists it for another length.
    NotListed,
    /// The root is not known here.
    NoRoot,
}

impl Db {
    /// The files of the ciphertexts.
    pub fn blobs(&self) -> super::Blobs {
        self.blobs.clone()
    }

    /// Keeps a ciphertext that was written whole. If it is known already, nothing of it is missing from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_blob(&mut self, finished: &Finished) -> Result<(), Error> {
        self.transaction(|db| {
            let id = insert(&db.conn, &finished.root, &finished.parts, Some(&finished.hash))?;
            db.conn.prepare_cached("DELETE FROM blob_missing WHERE blob = ?1")?.execute([id])?;
            let whole = "UPDATE blobs SET held = length, missing = 0, damaged = 0, hash = ?2 WHERE id = ?1";
            db.conn.prepare_cached(whole)?.execute(params![id, finished.hash.0])?;
            Ok(())
        })
    }

    /// Begins to fetch a ciphertext, of which nothing is held yet; if it is known already, that changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_fetch(&mut self, root: &Manifest) -> Result<BlobView, Error> {
        self.transaction(|db| {
            let name = root.hash();
            insert(&db.conn, root, &[], None)?;
            blob(&db.conn, &name)?.ok_or_else(|| Error::damaged(format!("content {name} is gone")))
        })
    }

    /// Keeps the manifest of a part, wherever the root lists it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_manifest(&mut self, root: &Hash, part: &Manifest) -> Result<Leafed, Error> {
        self.transaction(|db| {
            let Some((id, bytes)) = db
                .conn
                .prepare_cached(
                    "SELECT b.id, m.bytes FROM blobs b JOIN blob_manifests m ON m.blob = b.id AND m.place = 0
                     WHERE b.root = ?1",
                )?
                .query_row([root.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
                .optional()?
            else {
                return Ok(Leafed::NoRoot);
            };
            let list = Manifest::decode(&bytes).map_err(|error| Error::damaged(error.to_string()))?;
            let (hash, shape) = (part.hash(), Shape { length: list.length });
            let fits = |at: u64| shape.leaf(at).is_some_and(|own| own.length == part.length);
            let places = (0..).zip(&list.children).filter(|(at, child)| **child == hash && fits(*at));
            let mut done = Leafed::NotListed;
            if list.depth == 1 && part.depth == 0 {
                for (at, _) in places {
                    insert_manifest(&db.conn, id, at + 1, part)?;
                    done = Leafed::Kept;
                }
            }
            Ok(done)
        })
    }

    /// Notes that blocks are held; `landed` proves that they are on the disk. Nothing if the ciphertext was dropped.
    ///
    /// # Errors
    /// When the database fails.
    pub fn blocks_held(&mut self, landed: &Landed) -> Result<Option<BlobView>, Error> {
        self.transaction(|db| {
            let blocks = landed.blocks.iter().copied();
            if !change(&db.conn, &landed.root, blocks, Change::gain)? {
                return Ok(None);
            }
            blob(&db.conn, &landed.root)
        })
    }

    /// Writes down which blocks were found damaged since the last call; says how many.
    ///
    /// # Errors
    /// When the database fails; then they are written down by a later call.
    pub fn note_damage(&mut self) -> Result<u64, Error> {
        let found = self.blobs.damage();
        self.transaction(|db| {
            for (root, block) in &found {
                change(&db.conn, root, std::iter::once(*block), Change::lose)?;
            }
            Ok(())
        })?;
        self.blobs.damage_noted(&found);
        Ok(found.len() as u64)
    }

    /// Forgets a ciphertext; says whether it was known. Its file is still there until [`super::Blobs::remove`] or the
    /// next start.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_blob(&mut self, root: &Hash) -> Result<bool, Error> {
        self.transaction(|db| {
            for table in ["blob_missing", "blob_manifests"] {
                let delete = format!("DELETE FROM {table} WHERE blob IN (SELECT id FROM blobs WHERE root = ?1)");
                db.conn.prepare_cached(&delete)?.execute([root.0])?;
            }
            Ok(db.conn.prepare_cached("DELETE FROM blobs WHERE root = ?1")?.execute([root.0])? > 0)
        })
    }
}

impl Reader<'_> {
    /// What is held of a ciphertext.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn blob(&self, root: &Hash) -> Result<Option<BlobView>, Error> {
        blob(self.connection(), root)
    }

    /// Ciphertexts in the order of their roots, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn blobs(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<BlobView>, Error> {
        list(self.connection(), "1", after, limit)
    }

    /// Those of which something is missing.
    ///
    /// # Errors
    /// When the database fails.
    pub fn blobs_wanting(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<BlobView>, Error> {
        list(self.connection(), "missing > 0", after, limit)
    }

    /// Those of which something was found damaged that has not been put right yet.
    ///
    /// # Errors
    /// When the database fails.
    pub fn blobs_damaged(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<BlobView>, Error> {
        list(self.connection(), "damaged > 0", after, limit)
    }

    /// The canonical bytes of a manifest, a root or a part's.
    ///
    /// # Errors
    /// When the database fails.
    pub fn manifest(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Error> {
        let mut query = self.connection().prepare_cached("SELECT bytes FROM blob_manifests WHERE hash = ?1 LIMIT 1")?;
        Ok(query.query_row([hash.0], |row| row.get(0)).optional()?)
    }

    /// Manifests of parts that the root lists and that are not held, the first `limit`, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn manifests_missing(&self, root: &Hash, limit: usize) -> Result<Vec<Hash>, Error> {
        let bytes = self.manifest(root)?;
        let list = bytes.and_then(|bytes| Manifest::decode(&bytes).ok()).filter(|list| list.depth == 1);
        let mut query = self.connection().prepare_cached(
            "SELECT 1 FROM blob_manifests m JOIN blobs b ON b.id = m.blob WHERE b.root = ?1 AND m.place = ?2",
        )?;
        let mut missing = Vec::new();
        for (at, child) in (1_i64..).zip(list.map(|list| list.children).unwrap_or_default()) {
            if missing.len() >= limit {
                break;
            }
            if !query.exists(params![root.0, at])? {
                missing.push(child);
            }
        }
        Ok(missing)
    }

    /// How much content is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn blobs_total(&self) -> Result<BlobTotals, Error> {
        let mut query = self.connection().prepare_cached("SELECT blobs, length, held FROM blob_totals")?;
        let mut rows = query.query([])?;
        let Some(found) = rows.next()? else { return Ok(BlobTotals::default()) };
        Ok(BlobTotals { blobs: row::uint(found, 0)?, length: row::uint(found, 1)?, held: row::uint(found, 2)? })
    }
}

/// The missing blocks of one part, read to be changed and written back.
pub(super) struct Change {
    id: i64,
    part: u64,
    shape: Shape,
    missing: Bits,
    damaged: Bits,
    /// How the sums of the ciphertext change: bytes held, blocks missing, blocks damaged.
    by: (i64, i64, i64),
}

impl Change {
    /// `None` if the ciphertext is not known.
    pub(super) fn of(conn: &Connection, root: &Hash, part: u64) -> Result<Option<Self>, Error> {
        let mut query = conn.prepare_cached(
            "SELECT b.id, b.length, m.missing, m.damaged FROM blobs b
             LEFT JOIN blob_missing m ON m.blob = b.id AND m.part = ?2 WHERE b.root = ?1",
        )?;
        let mut rows = query.query(params![root.0, sql(part)])?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let bits = |column| -> Result<Bits, Error> {
            let bytes: Option<Vec<u8>> = found.get(column)?;
            bytes.map_or(Ok(Bits::none()), |bytes| {
                Bits::read(bytes).ok_or_else(|| Error::damaged(format!("bits of content {root}")))
            })
        };
        let (id, shape) = (found.get(0)?, Shape { length: row::uint(found, 1)? });
        Ok(Some(Self { id, part, shape, missing: bits(2)?, damaged: bits(3)?, by: (0, 0, 0) }))
    }

    /// A block is held.
    fn gain(&mut self, block: u64) {
        let at = block % PART_BLOCKS;
        if !self.missing.get(at) {
            return;
        }
        self.by.2 -= i64::from(self.damaged.get(at));
        self.missing.set(at, false);
        self.damaged.set(at, false);
        self.by = (self.by.0 + self.bytes(block), self.by.1 - 1, self.by.2);
    }

    /// A block that was held is not what it was.
    pub(super) fn lose(&mut self, block: u64) {
        let at = block % PART_BLOCKS;
        if self.missing.get(at) || self.shape.block_bytes(block).is_none() {
            return;
        }
        self.missing.set(at, true);
        self.damaged.set(at, true);
        self.by = (self.by.0 - self.bytes(block), self.by.1 + 1, self.by.2 + 1);
    }

    fn bytes(&self, block: u64) -> i64 {
        sql(self.shape.block_bytes(block).unwrap_or(0))
    }

    pub(super) fn write(&self, conn: &Connection) -> Result<(), Error> {
        if self.by == (0, 0, 0) {
            return Ok(());
        }
        if self.missing.count() == 0 {
            let delete = "DELETE FROM blob_missing WHERE blob = ?1 AND part = ?2";
            conn.prepare_cached(delete)?.execute(params![self.id, sql(self.part)])?;
        } else {
            let put = "INSERT OR REPLACE INTO blob_missing (blob, part, missing, damaged) VALUES (?1, ?2, ?3, ?4)";
            let row = params![self.id, sql(self.part), self.missing.bytes(), self.damaged.bytes()];
            conn.prepare_cached(put)?.execute(row)?;
        }
        let sums = "UPDATE blobs SET held = held + ?2, missing = missing + ?3, damaged = damaged + ?4 WHERE id = ?1";
        conn.prepare_cached(sums)?.execute(params![self.id, self.by.0, self.by.1, self.by.2])?;
        Ok(())
    }
}

/// Changes what is held of a ciphertext, blocks in order; says whether it is known.
fn change(
    conn: &Connection,
    root: &Hash,
    blocks: impl Iterator<Item = u64>,
    how: impl Fn(&mut Change, u64),
) -> Result<bool, Error> {
    let mut open: Option<Change> = None;
    for block in blocks {
        let part = block / PART_BLOCKS;
        if open.as_ref().is_none_or(|open| open.part != part) {
            if let Some(done) = open.take() {
                done.write(conn)?;
            }
            open = Change::of(conn, root, part)?;
        }
        let Some(open) = open.as_mut() else { return Ok(false) };
        how(open, block);
    }
    open.map_or(Ok(()), |open| open.write(conn))?;
    exists(conn, root)
}

/// Inserts a ciphertext of which nothing is held, unless it is known; returns its row.
fn insert(conn: &Connection, root: &Manifest, parts: &[Manifest], hash: Option<&Hash>) -> Result<i64, Error> {
    let (name, shape) = (root.hash(), Shape { length: root.length });
    let known = conn.prepare_cached("SELECT id FROM blobs WHERE root = ?1")?.query_row([name.0], |row| row.get(0));
    let id = match known.optional()? {
        Some(id) => id,
        None => {
            let row = params![name.0, sql(root.length), hash.map(|hash| hash.0), sql(shape.blocks())];
            let put = "INSERT INTO blobs (root, length, hash, held, missing) VALUES (?1, ?2, ?3, 0, ?4)";
            conn.prepare_cached(put)?.execute(row)?;
            let id = conn.last_insert_rowid();
            insert_missing(conn, id, shape)?;
            id
        }
    };
    insert_manifest(conn, id, 0, root)?;
    (1..).zip(parts).try_for_each(|(place, part)| insert_manifest(conn, id, place, part))?;
    Ok(id)
}

fn insert_missing(conn: &Connection, id: i64, shape: Shape) -> Result<(), Error> {
    let mut put =
        conn.prepare_cached("INSERT INTO blob_missing (blob, part, missing, damaged) VALUES (?1, ?2, ?3, ?4)")?;
    for part in 0..shape.leaves() {
        let blocks = shape.leaf(part).map_or(0, Shape::blocks);
        put.execute(params![id, sql(part), Bits::first(blocks).bytes(), Bits::none().bytes()])?;
    }
    Ok(())
}

fn insert_manifest(conn: &Connection, id: i64, place: u64, manifest: &Manifest) -> Result<(), Error> {
    let put = "INSERT OR IGNORE INTO blob_manifests (blob, place, hash, bytes) VALUES (?1, ?2, ?3, ?4)";
    conn.prepare_cached(put)?.execute(params![id, sql(place), manifest.hash().0, manifest.encode()])?;
    Ok(())
}

/// Whether a ciphertext is known.
pub(crate) fn exists(conn: &Connection, root: &Hash) -> Result<bool, Error> {
    Ok(conn.prepare_cached("SELECT 1 FROM blobs WHERE root = ?1")?.exists([root.0])?)
}

/// Ciphertexts of which something is held, in order of their roots: those after `after`, with their length.
pub(super) fn held_after(conn: &Connection, after: &Hash, limit: usize) -> Result<Vec<(Hash, u64)>, Error> {
    let mut query =
        conn.prepare_cached("SELECT root, length FROM blobs WHERE root > ?1 AND held > 0 ORDER BY root LIMIT ?2")?;
    let mut rows = query.query(params![after.0, row::sql_len(limit)])?;
    let mut found = Vec::new();
    while let Some(blob) = rows.next()? {
        found.push((row::hash(blob, 0)?, row::uint(blob, 1)?));
    }
    Ok(found)
}

fn list(conn: &Connection, which: &str, after: Option<&Hash>, limit: usize) -> Result<Vec<BlobView>, Error> {
    let text = format!("SELECT root FROM blobs WHERE {which} AND root > ?1 ORDER BY root LIMIT ?2");
    let mut query = conn.prepare_cached(&text)?;
    let after = after.map_or(&[][..], |after| &after.0[..]);
    let mut rows = query.query(params![after, row::sql_len(limit)])?;
    let mut views = Vec::new();
    while let Some(found) = rows.next()? {
        views.extend(blob(conn, &row::hash(found, 0)?)?);
    }
    Ok(views)
}

pub(super) fn blob(conn: &Connection, root: &Hash) -> Result<Option<BlobView>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT id, length, hash, held, missing, damaged,
                (SELECT count(*) FROM blob_manifests WHERE blob = blobs.id) FROM blobs WHERE root = ?1",
    )?;
    let mut rows = query.query([root.0])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let shape = Shape { length: row::uint(found, 1)? };
    let hash: Option<[u8; 32]> = found.get(2)?;
    let manifests = shape.leaves() + shape.depth();
    let mut view = BlobView {
        root: *root,
        length: shape.length,
        hash: hash.map(Hash),
        blocks: shape.blocks(),
        held_bytes: row::uint(found, 3)?,
        missing_blocks: row::uint(found, 4)?,
        missing: Vec::new(),
        damaged: row::uint(found, 5)?,
        missing_manifests: manifests.saturating_sub(row::uint(found, 6)?),
    };
    if view.missing_blocks > 0 {
        missing(conn, found.get(0)?, &mut view)?;
    }
    Ok(Some(view))
}

fn missing(conn: &Connection, id: i64, view: &mut BlobView) -> Result<(), Error> {
    let mut query = conn.prepare_cached("SELECT part, missing FROM blob_missing WHERE blob = ?1 ORDER BY part")?;
    let mut rows = query.query([id])?;
    while let Some(found) = rows.next()? {
        let first = row::uint(found, 0)? * PART_BLOCKS;
        let bits = Bits::read(found.get(1)?).ok_or_else(|| Error::damaged(format!("bits of content {}", view.root)))?;
        for range in bits.ranges() {
            let range = first + range.start..first + range.end;
            let full = view.missing.len() >= BLOB_RANGES_MAX;
            match view.missing.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ if full => return Ok(()),
                _ => view.missing.push(range),
            }
        }
    }
    Ok(())
}

/// Whether a block is noted as not held; `None` if the ciphertext is not known.
pub(super) fn is_missing(conn: &Connection, root: &Hash, block: u64) -> Result<Option<bool>, Error> {
    let change = Change::of(conn, root, block / PART_BLOCKS)?;
    Ok(change.map(|change| change.missing.get(block % PART_BLOCKS)))
}

/// Bytes of a ciphertext when it is whole; `None` if it is not known.
pub(super) fn length(conn: &Connection, root: &Hash) -> Result<Option<u64>, Error> {
    let mut query = conn.prepare_cached("SELECT length FROM blobs WHERE root = ?1")?;
    let mut rows = query.query([root.0])?;
    rows.next()?.map(|found| row::uint(found, 0)).transpose()
}
