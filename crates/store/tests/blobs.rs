//! Ciphertexts in files: what is kept, fetched, damaged, dropped, and left by a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::cast_possible_truncation, clippy::single_range_in_vec_init)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use antiphon_core::content::{BLOCK_BYTES, MANIFEST_CHILDREN_MAX, Manifest, Shape};
use antiphon_core::ids::Hash;
use antiphon_store::{BLOB_DIR, BlobError, BlobTotals, Blobs, Db, Finished, Leafed, Options, Store, StoreOptions};
use proptest::prelude::*;

const BLOCK: usize = BLOCK_BYTES as usize;

fn open(home: &Path) -> Db {
    Db::open(home, Options { durable: false }, None).unwrap()
}

fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed + 1).wrapping_mul(0x2545_f491_4f6c_dd1d);
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

fn write(blobs: &Blobs, content: &[u8]) -> Finished {
    let mut writing = blobs.begin().unwrap();
    writing.write_all(content).unwrap();
    assert_eq!(writing.written(), content.len() as u64);
    writing.finish().unwrap()
}

fn keep(db: &mut Db, content: &[u8]) -> Hash {
    let finished = write(&db.blobs(), content);
    db.keep_blob(&finished).unwrap();
    finished.name()
}

fn read(blobs: &Blobs, root: &Hash) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    blobs.reader(root).unwrap().read_to_end(&mut out)?;
    Ok(out)
}

fn blocks_of(content: &[u8]) -> Vec<&[u8]> {
    content.chunks(BLOCK).collect()
}

fn manifest_of(content: &[u8]) -> Manifest {
    let hashes: Vec<Hash> = blocks_of(content).into_iter().map(Hash::of).collect();
    Manifest::of_blocks(content.len() as u64, &hashes).unwrap().0
}

fn land(db: &mut Db, root: &Hash) -> u64 {
    let landed = db.blobs().flush(root).unwrap();
    db.blocks_held(&landed).unwrap().unwrap().missing_blocks
}

fn spoil(blobs: &Blobs, root: &Hash, at: usize, bit: u32) {
    let mut file = fs::read(blobs.path(root)).unwrap();
    file[at] ^= 1 << bit;
    fs::write(blobs.path(root), file).unwrap();
}

fn files(home: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for dir in [home.join(BLOB_DIR), home.join(BLOB_DIR).join("tmp")] {
        let Ok(entries) = fs::read_dir(dir) else { continue };
        let entries = entries.map(Result::unwrap).filter(|entry| entry.path().is_file());
        names.extend(entries.map(|entry| entry.file_name().into_string().unwrap()));
    }
    names.sort();
    names
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let content = bytes(3 * BLOCK + 17, 1);
    let root = keep(&mut open(home.path()), &content);
    let db = open(home.path());
    let view = db.reader().blob(&root).unwrap().unwrap();
    assert!(view.is_complete() && view.missing.is_empty());
    assert_eq!((view.length, view.blocks, view.held_bytes), (content.len() as u64, 4, content.len() as u64));
    assert_eq!(view.hash, Some(Hash::of(&content)));
    assert_eq!(read(&db.blobs(), &root).unwrap(), content);
    let block = db.blobs().read_block(&root, 3).unwrap();
    assert_eq!(block, content[3 * BLOCK..]);
    assert!(matches!(db.blobs().read_block(&root, 4), Err(BlobError::NoSuchBlock { blocks: 4, .. })));
    let manifest = db.reader().manifest(&root).unwrap().unwrap();
    assert_eq!((Hash::of(&manifest), Manifest::decode(&manifest).unwrap()), (root, manifest_of(&content)));
    let checked = db.blobs().check(&root).unwrap();
    assert_eq!((checked.sound, checked.hash), (4, Some(Hash::of(&content))));
}

#[test]
fn a_long_one_is_on_the_disk_when_it_is_finished() {
    let home = tempfile::tempdir().unwrap();
    let mut db = Db::open(home.path(), Options::default(), None).unwrap();
    let block = bytes(BLOCK, 1);
    let mut writing = db.blobs().begin().unwrap();
    (0..300).for_each(|_| writing.write_all(&block).unwrap());
    let finished = writing.finish().unwrap();
    db.keep_blob(&finished).unwrap();
    let checked = db.blobs().check(&finished.name()).unwrap();
    assert_eq!((checked.sound, checked.hash), (300, Some(finished.hash)));
}

#[test]
fn only_their_owner_may_look_at_the_files() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path());
    assert!(!home.path().join(BLOB_DIR).exists(), "a node without content has no directory for it");
    let root = keep(&mut db, b"secret enough");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(db.blobs().dir()), mode(&db.blobs().path(&root))), (0o700, 0o600));
    let fetched = manifest_of(b"fetched");
    db.begin_fetch(&fetched).unwrap();
    db.blobs().put_block(&fetched.hash(), 0, b"fetched").unwrap();
    assert_eq!(mode(&db.blobs().path(&fetched.hash())), 0o600);
}

#[test]
fn writing_that_ends_early_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let db = open(home.path());
    for len in [0, 10, 2 * BLOCK + 10] {
        let mut writing = db.blobs().begin().unwrap();
        writing.write_all(&bytes(len, 1)).unwrap();
        drop(writing);
    }
    let nothing = db.blobs().begin().unwrap().finish().unwrap_err();
    assert!(matches!(nothing, BlobError::Manifest(_)), "{nothing}");
    assert_eq!(files(home.path()), [""; 0]);
}

#[test]
fn more_than_there_is_room_for_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let db = open(home.path());
    let room = (2 * BLOCK + 5) as u64;
    let mut writing = db.blobs().begin_within(room).unwrap();
    writing.write_all(&bytes(2 * BLOCK + 5, 1)).unwrap();
    let error = writing.write_all(b"x").unwrap_err();
    let inside = BlobError::inside(&error).unwrap();
    assert!(inside.is_full() && matches!(inside, BlobError::NoRoom { room: said } if *said == room), "{error}");
    assert_eq!(writing.finish().unwrap().length(), room);
}

#[test]
fn totals_follow_what_is_kept_fetched_and_dropped() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path());
    let totals = |db: &Db| db.reader().blobs_total().unwrap();
    let first = keep(&mut db, &bytes(BLOCK + 1, 1));
    assert_eq!(keep(&mut db, &bytes(BLOCK + 1, 1)), first, "the same twice is one");
    let content = bytes(2 * BLOCK, 2);
    let root = manifest_of(&content).hash();
    let view = db.begin_fetch(&manifest_of(&content)).unwrap();
    assert_eq!((view.missing, view.held_bytes), (vec![0..2], 0));
    db.blobs().put_block(&root, 1, &content[BLOCK..]).unwrap();
    assert_eq!(land(&mut db, &root), 1);
    let (one, two) = (BLOCK_BYTES + 1, 2 * BLOCK_BYTES);
    assert_eq!(totals(&db), BlobTotals { blobs: 2, length: one + two, held: one + BLOCK_BYTES });
    assert!(db.drop_blob(&first).unwrap());
    assert!(!db.drop_blob(&first).unwrap());
    assert_eq!(totals(&db), BlobTotals { blobs: 1, length: two, held: BLOCK_BYTES });
    assert_eq!(db.reader().blobs(None, 10).unwrap().len(), 1);
    assert_eq!(db.reader().blobs_wanting(None, 10).unwrap()[0].missing, [0..1]);
    assert!(db.reader().blobs(Some(&root), 10).unwrap().is_empty());
}

#[test]
fn a_fetch_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let content = bytes(5 * BLOCK + 9, 1);
    let (manifest, blocks) = (manifest_of(&content), blocks_of(&content));
    let root = manifest.hash();
    {
        let mut db = open(home.path());
        db.begin_fetch(&manifest).unwrap();
        for block in [5, 0, 3] {
            db.blobs().put_block(&root, block, blocks[usize::try_from(block).unwrap()]).unwrap();
        }
        assert_eq!(land(&mut db, &root), 3);
    }
    let mut db = open(home.path());
    let view = db.begin_fetch(&manifest).unwrap();
    assert_eq!(view.missing, [1..3, 4..5]);
    assert!(matches!(db.blobs().read_block(&root, 1), Err(BlobError::Missing { block: 1, .. })));
    let error = read(&db.blobs(), &root).unwrap_err();
    assert!(matches!(BlobError::inside(&error), Some(BlobError::Missing { block: 1, .. })), "{error}");
    for block in view.missing.into_iter().flatten() {
        db.blobs().put_block(&root, block, blocks[usize::try_from(block).unwrap()]).unwrap();
    }
    assert_eq!(land(&mut db, &root), 0);
    assert!(db.reader().blob(&root).unwrap().unwrap().is_complete());
    assert_eq!(read(&db.blobs(), &root).unwrap(), content);
    assert!(db.reader().blobs_damaged(None, 10).unwrap().is_empty());
}

#[test]
fn blocks_that_a_crash_left_unnoted_are_found_again() {
    let home = tempfile::tempdir().unwrap();
    let content = bytes(4 * BLOCK, 1);
    let (manifest, blocks) = (manifest_of(&content), blocks_of(&content));
    let root = manifest.hash();
    {
        let mut db = open(home.path());
        db.begin_fetch(&manifest).unwrap();
        db.blobs().put_block(&root, 0, blocks[0]).unwrap();
        db.blobs().put_block(&root, 2, blocks[2]).unwrap();
    }
    let mut db = open(home.path());
    assert_eq!(db.reader().blob(&root).unwrap().unwrap().missing, [0..4]);
    let landed = db.blobs().take_stock(&root).unwrap();
    assert_eq!(landed.ranges(), [0..1, 2..3]);
    assert_eq!(db.blocks_held(&landed).unwrap().unwrap().missing, [1..2, 3..4]);
    assert!(db.blobs().take_stock(&root).unwrap().is_empty());
}

#[test]
fn a_block_that_is_another_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path());
    let (content, other) = (bytes(2 * BLOCK + 9, 1), bytes(2 * BLOCK + 9, 2));
    let root = manifest_of(&content).hash();
    db.begin_fetch(&manifest_of(&content)).unwrap();
    let refused = |block: u64, bytes: &[u8]| {
        let error = db.blobs().put_block(&root, block, bytes).unwrap_err();
        assert!(matches!(error, BlobError::WrongBlock { .. } | BlobError::NoSuchBlock { .. }), "{error}");
    };
    refused(0, blocks_of(&other)[0]);
    refused(0, blocks_of(&content)[1]);
    refused(1, &content[BLOCK..2 * BLOCK - 1]);
    refused(2, &[]);
    refused(3, blocks_of(&content)[2]);
    refused(u64::MAX, blocks_of(&content)[0]);
    let stranger = manifest_of(&other).hash();
    assert!(matches!(db.blobs().put_block(&stranger, 0, blocks_of(&other)[0]), Err(BlobError::NotFound(_))));
    assert_eq!(files(home.path()), [""; 0], "nothing was written");
}

#[test]
fn a_damaged_block_is_noted_and_can_be_mended() {
    let home = tempfile::tempdir().unwrap();
    let content = bytes(3 * BLOCK, 1);
    let mut db = open(home.path());
    let root = keep(&mut db, &content);
    spoil(&db.blobs(), &root, BLOCK + 5, 3);
    let error = read(&db.blobs(), &root).unwrap_err();
    assert!(BlobError::inside(&error).unwrap().is_damaged());
    assert_eq!((db.note_damage().unwrap(), db.note_damage().unwrap()), (1, 0));
    let view = db.reader().blobs_damaged(None, 10).unwrap().remove(0);
    assert_eq!((view.root, view.missing.clone(), view.damaged), (root, vec![1..2], 1));
    assert_eq!(view.held_bytes, 2 * BLOCK_BYTES);
    drop(db);
    let mut db = open(home.path());
    assert!(matches!(db.blobs().read_block(&root, 1), Err(BlobError::Missing { .. })), "it was noted");
    assert_eq!(db.blobs().read_block(&root, 2).unwrap(), content[2 * BLOCK..]);
    db.blobs().put_block(&root, 1, &content[BLOCK..2 * BLOCK]).unwrap();
    assert_eq!(land(&mut db, &root), 0);
    assert_eq!(read(&db.blobs(), &root).unwrap(), content);
    assert_eq!(db.reader().blob(&root).unwrap().unwrap().damaged, 0);
    assert_eq!(db.reader().blobs_total().unwrap().held, 3 * BLOCK_BYTES);
}

#[test]
fn a_block_that_was_mended_before_its_damage_was_noted_stays_held() {
    let home = tempfile::tempdir().unwrap();
    let content = bytes(2 * BLOCK, 1);
    let mut db = open(home.path());
    let root = keep(&mut db, &content);
    spoil(&db.blobs(), &root, 7, 0);
    assert!(db.blobs().read_block(&root, 0).unwrap_err().is_damaged());
    db.blobs().put_block(&root, 0, &content[..BLOCK]).unwrap();
    assert_eq!((land(&mut db, &root), db.note_damage().unwrap()), (0, 0));
    spoil(&db.blobs(), &root, 7, 0);
    assert!(db.blobs().read_block(&root, 0).unwrap_err().is_damaged());
    assert_eq!(keep(&mut db, &content), root, "storing the same again mends it as well");
    assert_eq!((db.note_damage().unwrap(), read(&db.blobs(), &root).unwrap()), (0, content));
}

#[test]
fn a_file_that_was_cut_lost_its_end_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let content = bytes(3 * BLOCK + 100, 1);
    let mut db = open(home.path());
    let root = keep(&mut db, &content);
    let file = fs::OpenOptions::new().write(true).open(db.blobs().path(&root)).unwrap();
    file.set_len(2 * BLOCK_BYTES + 10).unwrap();
    let checked = db.blobs().check(&root).unwrap();
    assert_eq!((checked.sound, checked.missing, checked.damaged, checked.hash), (2, 0, 2, None));
    db.note_damage().unwrap();
    assert_eq!(db.reader().blob(&root).unwrap().unwrap().missing, [2..4]);
}

#[test]
fn each_crash_leaves_what_the_next_start_cleans_up() {
    let home = tempfile::tempdir().unwrap();
    let content = bytes(2 * BLOCK, 1);
    let (kept, lost, dropped) = {
        let mut db = open(home.path());
        let kept = keep(&mut db, &content);
        // Killed while it was written: the destructor of a killed process does not run.
        let mut writing = db.blobs().begin().unwrap();
        writing.write_all(&bytes(2 * BLOCK + 5, 2)).unwrap();
        std::mem::forget(writing);
        fs::write(db.blobs().path(&Hash::of(b"a short one")), "half").unwrap();
        // Killed between the name and the row.
        std::mem::forget(write(&db.blobs(), b"nobody was told"));
        // Killed between the row and the file.
        let dropped = keep(&mut db, b"was dropped");
        assert!(db.drop_blob(&dropped).unwrap());
        // Somebody removed the file.
        let lost = keep(&mut db, &bytes(3 * BLOCK, 3));
        fs::remove_file(db.blobs().path(&lost)).unwrap();
        (kept, lost, dropped)
    };
    fs::write(home.path().join(BLOB_DIR).join("notes.txt"), "not ours").unwrap();
    assert_eq!(files(home.path()).len(), 6);
    let db = open(home.path());
    assert_eq!(files(home.path()), [kept.to_string(), "notes.txt".to_owned()].map(|name| name));
    assert_eq!(read(&db.blobs(), &kept).unwrap(), content);
    assert_eq!(db.reader().blob(&dropped).unwrap(), None);
    let view = db.reader().blob(&lost).unwrap().unwrap();
    assert_eq!((view.missing, view.damaged, view.held_bytes), (vec![0..3], 3, 0));
    assert!(matches!(db.blobs().read_block(&lost, 0), Err(BlobError::Missing { .. })));
}

#[test]
fn half_a_short_one_spoils_nothing_that_is_fetched() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path());
    let manifest = manifest_of(b"short, and whole");
    let root = manifest.hash();
    db.begin_fetch(&manifest).unwrap();
    // Killed while the same was written here, which has its name from the beginning.
    fs::create_dir(db.blobs().dir()).unwrap();
    fs::write(db.blobs().path(&root), "short, and").unwrap();
    drop(db);
    let mut db = open(home.path());
    assert!(matches!(db.blobs().read_block(&root, 0), Err(BlobError::Missing { .. })));
    assert!(db.blobs().take_stock(&root).unwrap().is_empty());
    assert_eq!(keep(&mut db, b"short, and whole"), root);
    assert_eq!(read(&db.blobs(), &root).unwrap(), b"short, and whole");
}

#[test]
fn what_is_dropped_goes_and_what_is_kept_again_meanwhile_stays() {
    let home = tempfile::tempdir().unwrap();
    let mut db = open(home.path());
    let root = keep(&mut db, b"here today");
    assert!(!db.blobs().remove(&root).unwrap(), "its row is there");
    assert!(db.drop_blob(&root).unwrap());
    assert!(db.blobs().remove(&root).unwrap());
    assert!(matches!(db.blobs().read_block(&root, 0), Err(BlobError::NotFound(_))));
    assert!(matches!(db.blobs().put_block(&root, 0, b"here today"), Err(BlobError::NotFound(_))));
    keep(&mut db, b"here today");
    assert!(db.drop_blob(&root).unwrap());
    let again = write(&db.blobs(), b"here today");
    assert!(!db.blobs().remove(&root).unwrap(), "it has its name and will get its row");
    db.keep_blob(&again).unwrap();
    drop(again);
    assert_eq!(read(&db.blobs(), &root).unwrap(), b"here today");
}

#[test]
fn what_one_manifest_cannot_list_is_fetched_by_parts() {
    let home = tempfile::tempdir().unwrap();
    let block = bytes(BLOCK, 1);
    let last = bytes(10, 2);
    let full = MANIFEST_CHILDREN_MAX as u64;
    let length = (full + 2) * BLOCK_BYTES + 10;
    let mut hashes = vec![Hash::of(&block); MANIFEST_CHILDREN_MAX + 2];
    hashes.push(Hash::of(&last));
    let (root, parts) = Manifest::of_blocks(length, &hashes).unwrap();
    let name = root.hash();
    let mut db = open(home.path());
    assert_eq!(db.keep_manifest(&name, &parts[0]).unwrap(), Leafed::NoRoot);
    let view = db.begin_fetch(&root).unwrap();
    assert_eq!((view.missing, view.missing_manifests), (vec![0..full + 3], 2));
    assert_eq!(db.reader().manifests_missing(&name, 10).unwrap(), root.children);
    let none = db.blobs().put_block(&name, full, &block).unwrap_err();
    assert!(matches!(none, BlobError::NoManifest { part: 1, .. }), "{none}");
    assert_eq!(db.keep_manifest(&name, &manifest_of(b"another")).unwrap(), Leafed::NotListed);
    assert_eq!(db.keep_manifest(&name, &parts[1]).unwrap(), Leafed::Kept);
    assert_eq!(db.reader().manifests_missing(&name, 10).unwrap(), root.children[..1]);
    db.blobs().put_block(&name, full, &block).unwrap();
    db.blobs().put_block(&name, full + 2, &last).unwrap();
    assert_eq!(land(&mut db, &name), full + 1);
    let view = db.reader().blob(&name).unwrap().unwrap();
    assert_eq!((view.missing, view.held_bytes), (vec![0..full, full + 1..full + 2], BLOCK_BYTES + 10));
    assert_eq!(db.blobs().read_block(&name, full + 2).unwrap(), last);
    assert_eq!(db.keep_manifest(&name, &parts[0]).unwrap(), Leafed::Kept);
    assert_eq!(db.reader().manifest(&root.children[0]).unwrap().unwrap(), parts[0].encode());
    assert_eq!(
        db.blobs().path(&name).metadata().unwrap().len(),
        length,
        "the file is sparse and as long as it will be"
    );
    assert!(db.drop_blob(&name).unwrap());
    assert_eq!(db.reader().manifest(&root.children[0]).unwrap(), None);
}

#[tokio::test]
async fn damage_is_written_down_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let options = StoreOptions { durable: false, ..StoreOptions::new(|| [7; 32]) };
    let store = Store::open(home.path(), options, None).unwrap();
    let content = bytes(2 * BLOCK + 1, 1);
    let finished = write(&store.blobs(), &content);
    let root = finished.name();
    store.keep_blob(finished).await.unwrap();
    spoil(&store.blobs(), &root, 2 * BLOCK, 0);
    assert!(store.blobs().read_block(&root, 2).unwrap_err().is_damaged());
    let mut tries = 0;
    while store.blob(root).await.unwrap().unwrap().is_complete() {
        tries += 1;
        assert!(tries < 1_000, "nobody wrote it down");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    store.blobs().put_block(&root, 2, &content[2 * BLOCK..]).unwrap();
    let landed = store.blobs().flush(&root).unwrap();
    assert!(store.blocks_held(landed).await.unwrap().unwrap().is_complete());
    assert_eq!(store.blobs_total().await.unwrap().held, content.len() as u64);
    assert!(store.drop_blob(root).await.unwrap());
    assert_eq!(files(home.path()), [""; 0]);
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_size_reads_back(len in 1..5 * BLOCK, exact in any::<bool>(), step in 1..400_000_usize) {
        let len = if exact { len.next_multiple_of(BLOCK) } else { len };
        let home = tempfile::tempdir().unwrap();
        let (mut db, content) = (open(home.path()), bytes(len, 1));
        let mut writing = db.blobs().begin().unwrap();
        for piece in content.chunks(step) {
            writing.write_all(piece).unwrap();
        }
        let finished = writing.finish().unwrap();
        prop_assert_eq!(&finished.root, &manifest_of(&content));
        prop_assert_eq!(finished.hash, Hash::of(&content));
        prop_assert_eq!(finished.blocks(), Shape { length: len as u64 }.blocks());
        db.keep_blob(&finished).unwrap();
        let mut reader = db.blobs().reader(&finished.name()).unwrap();
        let (mut back, mut some) = (Vec::new(), vec![0; step]);
        loop {
            let read = reader.read(&mut some).unwrap();
            if read == 0 {
                break;
            }
            back.extend_from_slice(&some[..read]);
        }
        prop_assert_eq!(back, content);
    }

    #[test]
    fn a_bit_that_changed_is_found_in_its_block(
        len in 1..4 * BLOCK, place in any::<prop::sample::Index>(), bit in 0_u32..8
    ) {
        let home = tempfile::tempdir().unwrap();
        let (mut db, content) = (open(home.path()), bytes(len, 1));
        let (root, at) = (keep(&mut db, &content), place.index(len));
        spoil(&db.blobs(), &root, at, bit);
        for (number, block) in (0..).zip(blocks_of(&content)) {
            match db.blobs().read_block(&root, number) {
                Ok(read) => prop_assert_eq!(read, block),
                Err(error) => prop_assert!(error.is_damaged() && number == (at / BLOCK) as u64, "{}", error),
            }
        }
        prop_assert_eq!(db.note_damage().unwrap(), 1);
        let view = db.reader().blob(&root).unwrap().unwrap();
        prop_assert_eq!(view.missing, vec![(at / BLOCK) as u64..(at / BLOCK) as u64 + 1]);
    }

    #[test]
    fn a_file_that_was_cut_anywhere_is_found(len in 1..3 * BLOCK, place in any::<prop::sample::Index>()) {
        let home = tempfile::tempdir().unwrap();
        let (mut db, content) = (open(home.path()), bytes(len, 1));
        let (root, cut) = (keep(&mut db, &content), place.index(len) as u64);
        fs::OpenOptions::new().write(true).open(db.blobs().path(&root)).unwrap().set_len(cut).unwrap();
        let error = read(&db.blobs(), &root).unwrap_err();
        let at = match BlobError::inside(&error) {
            Some(BlobError::Damaged { block, .. }) => Some(*block),
            _ => None,
        };
        prop_assert_eq!(at, Some(cut / BLOCK_BYTES));
    }

    #[test]
    fn blocks_may_come_in_any_order(count in 1..9_usize, seed in any::<u64>(), restarts in 0..4_usize) {
        let home = tempfile::tempdir().unwrap();
        let content = bytes((count - 1) * BLOCK + 77, seed);
        let (manifest, blocks) = (manifest_of(&content), blocks_of(&content));
        let root = manifest.hash();
        let mut order: Vec<u64> = (0..count as u64).collect();
        order.sort_by_key(|block| Hash::of(&[seed.to_be_bytes(), block.to_be_bytes()].concat()));
        let mut db = open(home.path());
        db.begin_fetch(&manifest).unwrap();
        for (done, block) in order.iter().enumerate() {
            db.blobs().put_block(&root, *block, blocks[usize::try_from(*block).unwrap()]).unwrap();
            prop_assert_eq!(land(&mut db, &root), (count - done - 1) as u64);
            if done % 4 < restarts {
                drop(db);
                db = open(home.path());
            }
        }
        prop_assert_eq!(read(&db.blobs(), &root).unwrap(), content);
    }
}
