//! Opening the files: settings, permissions, migrations.
//!
//! Settings are chosen for what they promise, not for speed: WAL with `synchronous=FULL` survives a power cut,
//! `mmap_size=0` turns a disk error into an error instead of a crash, `trusted_schema=OFF` keeps a tampered file from
//! running functions, `secure_delete=ON` overwrites what is deleted. Migrations are numbered and only ever appended;
//! a file with a higher number than this version knows is left exactly as it is.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::Error;

/// File name of the main database in its directory.
pub(crate) const MAIN_FILE: &str = "antiphon.db";
/// File name of the search index in its directory.
pub(crate) const SEARCH_FILE: &str = "search.db";

/// The least SQLite: earlier ones can corrupt a WAL database when a checkpoint meets a reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Memory for pages that a connection may keep which writes, in KiB. What does not fit goes to the write-ahead log
/// before its commit and is read back from there.
const WRITER_CACHE_KIB: u32 = 4_096;
/// Memory for pages that a connection may keep which only reads, in KiB. There are several of them, and behind them
/// stands the cache of the operating system.
const READER_CACHE_KIB: u32 = 2_048;
/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 128;
/// How long a connection waits for another one.
pub(crate) const BUSY: std::time::Duration = std::time::Duration::from_secs(10);

/// Migrations of the main database, the first being number 1.
const MAIN: &[&str] = &[
    include_str!("../migrations/0001_log.sql"),
    include_str!("../migrations/0002_trust.sql"),
    include_str!("../migrations/0003_federation.sql"),
    include_str!("../migrations/0004_outbox.sql"),
    include_str!("../migrations/0005_content.sql"),
    include_str!("../migrations/0006_blobs.sql"),
    include_str!("../migrations/0007_dht.sql"),
    include_str!("../migrations/0008_trail.sql"),
    include_str!("../migrations/0009_sealed.sql"),
    include_str!("../migrations/0010_replication.sql"),
    include_str!("../migrations/0011_domains.sql"),
    include_str!("../migrations/0012_named.sql"),
    include_str!("../migrations/0013_hidden.sql"),
    include_str!("../migrations/0014_named_messages.sql"),
    include_str!("../migrations/0015_project_facts.sql"),
];
/// Migrations of the search index.
const SEARCH: &[&str] = &[include_str!("../migrations/search_0001.sql")];

/// Opens or makes the main database for writing.
pub(crate) fn open_main(dir: &Path, durable: bool) -> Result<Connection, Error> {
    let synchronous = if durable { "FULL" } else { "OFF" };
    let settings =
        format!("PRAGMA synchronous={synchronous}; PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint=4000;");
    open(&dir.join(MAIN_FILE), MAIN, &settings)
}

/// Opens or makes the search index for writing. What it holds can be rebuilt, so a power cut may cost its last
/// commits, and a file that cannot be read is replaced by an empty one.
pub(crate) fn open_search(dir: &Path) -> Result<Connection, Error> {
    let path = dir.join(SEARCH_FILE);
    let settings = "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=FAST; PRAGMA wal_autocheckpoint=4000;";
    match open(&path, SEARCH, settings) {
        Err(error) if error.is_damaged() || error.is_newer_schema() => {
            tracing::warn!(%error, "the search index cannot be read and is built again");
            for suffix in ["", "-wal", "-shm"] {
                remove(&dir.join(format!("{SEARCH_FILE}{suffix}")))?;
            }
            open(&path, SEARCH, settings)
        }
        other => other,
    }
}

/// Opens a database that exists for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&conn, READER_CACHE_KIB, "PRAGMA query_only=ON;")?;
    Ok(conn)
}

/// Opens the main database and the search index of a directory for reading only.
pub(crate) fn open_readers(dir: &Path) -> Result<(Connection, Connection), Error> {
    Ok((open_reader(&dir.join(MAIN_FILE))?, open_reader(&dir.join(SEARCH_FILE))?))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

fn open(path: &Path, migrations: &[&str], settings: &str) -> Result<Connection, Error> {
    let found = rusqlite::version_number();
    if found < SQLITE_VERSION_MIN {
        return Err(Error::OldSqlite { found, need: SQLITE_VERSION_MIN });
    }
    // SQLite gives the WAL and its index the mode of the main file, so only that one is made by hand.
    let made = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    made.map_err(|error| Error::io(path, error))?;
    let mut conn =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    check_version(&conn, path, migrations.len())?;
    conn.execute_batch("PRAGMA journal_mode=WAL;")?;
    configure(&conn, WRITER_CACHE_KIB, settings)?;
    migrate(&mut conn, path, migrations)?;
    Ok(conn)
}

fn configure(conn: &Connection, cache_kib: u32, settings: &str) -> Result<(), Error> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Else a statement whose plan could depend on a bound value is prepared anew for every value.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(&format!(
        "PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-{cache_kib}; PRAGMA temp_store=MEMORY;",
    ))?;
    conn.execute_batch(settings)?;
    Ok(())
}

fn version(conn: &Connection) -> Result<u32, Error> {
    Ok(conn.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Looks whether a newer version wrote the main file.
pub(crate) fn check_newer(conn: &Connection, path: &Path) -> Result<(), Error> {
    check_version(conn, path, MAIN.len()).map(drop)
}

fn check_version(conn: &Connection, path: &Path, known: usize) -> Result<u32, Error> {
    let found = version(conn)?;
    let known = u32::try_from(known).unwrap_or(u32::MAX);
    if found > known { Err(Error::NewerSchema { path: path.to_owned(), found, known }) } else { Ok(found) }
}

/// Runs the migrations that the file has not seen, all of them or none.
fn migrate(conn: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), Error> {
    if check_version(conn, path, migrations.len())? as usize == migrations.len() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = check_version(&tx, path, migrations.len())? as usize;
    for migration in migrations.iter().skip(found) {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))?;
    tx.commit()?;
    Ok(())
}
