//! Messages between agents: those that came, and those that this node wrote.
//!
//! Both stand in one table in the order in which they came into it, so that a conversation is one range of it. What
//! came is kept as it is. What this node wrote is kept sealed: it waits in the outbox, and nothing of what waits there
//! may stand on the disk for others to read. Whether it still waits is not written down twice; it does as long as its
//! row of the outbox does.
//!
//! A member that writes without end must neither fill the disk nor push out what others wrote. So there is a bound for
//! each writer, and one in all; what was read goes first, the oldest before the others, and where nothing was read a
//! new message is refused, which its writer sees.

mod list;
mod tally;
mod words;

use antiphon_core::ids::{MessageId, NodeId};
use antiphon_core::letter::{Kept, Letter, ReadNotice};
use antiphon_core::outbox::{Binding, Level, Place, Protocol, Sealer, Subject};
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

pub(crate) use tally::{check as check_tallies, recount};

pub use list::{Delivery, MessageCounts, MessageFilter, MessageView, ReceiverView, Which};

use crate::db::Db;
use crate::error::Error;
use crate::outbox::Effected;
use crate::row;

/// Most messages that are kept of those that came.
pub const MESSAGES_MAX: u64 = 100_000;
/// Most bytes of them.
pub const MESSAGE_BYTES_MAX: u64 = 512 << 20;
/// Most messages that are kept of one writer; so many are also kept of this node's own, and as many more as wait.
pub const MESSAGES_PER_WRITER_MAX: u64 = 10_000;
/// Most bytes of them.
pub const MESSAGE_BYTES_PER_WRITER_MAX: u64 = 64 << 20;
/// Most messages that are shown at once.
pub const MESSAGES_SHOWN_MAX: usize = 500;
/// Most messages that are marked as read at once.
pub const MESSAGES_READ_MAX: usize = 1_000;

/// Why a message was refused: too much of what came before was not read.
pub const INBOX_FULL: &str = "inbox_full";
/// Form of a body that is a letter, sealed to its receiver; the item's subject is the id of the message.
pub const LETTER_SCHEMA: u16 = 1;
/// Form of a body that is a read notice, sealed to its receiver.
pub const NOTICE_SCHEMA: u16 = 2;

/// How much is kept of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageBounds {
    /// Messages in all.
    pub items: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Messages of one writer.
    pub items_per_writer: u64,
    /// Bytes of one writer.
    pub bytes_per_writer: u64,
}

impl MessageBounds {
    /// What a node keeps.
    pub const DEFAULT: Self = Self {
        items: MESSAGES_MAX,
        bytes: MESSAGE_BYTES_MAX,
        items_per_writer: MESSAGES_PER_WRITER_MAX,
        bytes_per_writer: MESSAGE_BYTES_PER_WRITER_MAX,
    };
}

/// A message of this node, as it is noted when it is put into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// The conversation.
    pub thread: MessageId,
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// Who writes it: this node.
    pub from: NodeId,
    /// For whom, each with the number of the row of the outbox in which it waits, if it waits on disk.
    pub to: Vec<(NodeId, Option<u64>)>,
    /// When.
    pub at: UnixMillis,
    /// The rest, which is sealed.
    pub kept: Kept,
    /// What its caller named it, so that it is sent once.
    pub key: Option<String>,
}

/// What became of a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Came {
    /// It is kept.
    Kept,
    /// It was here already.
    Had,
    /// There is no room for it: too much of what came before was not read.
    Full,
}

/// What a message that this node keeps sealed is bound to. No item of the outbox is one for this node itself, so
/// neither can stand in for the other.
fn binding(n: u64, own: NodeId, id: MessageId) -> Binding {
    Binding {
        row: n,
        peer: own,
        place: Place { era: 0, n: 0 },
        protocol: Protocol::MESSAGE,
        level: Level::Critical,
        schema: 0,
        subject: Subject(id.0),
    }
}

impl Db {
    /// Notes a message that this node writes, its text sealed; it belongs in the transaction that put the message into
    /// the outbox. Older ones that wait no more make room for it.
    ///
    /// # Errors
    /// [`Error::AlreadySent`] when its name was used lately, when there is no randomness to seal with, or when the
    /// database fails.
    pub fn put_message(&mut self, message: &NewMessage, sealer: &dyn Sealer, now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| {
            if let Some(key) = &message.key {
                db.name_message(key, message.id, now)?;
            }
            let n = next_n(&db.conn)?;
            let sealed = sealer.seal(&binding(n, message.from, message.id), &message.kept.encode())?;
            make_room_for_own(&db.conn, &message.from, sealed.len() as u64)?;
            let at = Times { written: message.at, came: now };
            let (id, from) = (message.id, message.from);
            insert(&db.conn, n, (id, message.thread, message.reply_to), from, true, &at, &sealed)?;
            let mut insert =
                db.conn.prepare_cached("INSERT INTO message_receivers (message, node, item) VALUES (?1, ?2, ?3)")?;
            for (to, item) in &message.to {
                insert.execute(params![row::sql(n), to.0, item.map(row::sql)])?;
            }
            Ok(())
        })
    }

    /// Marks messages that came as read. Returns those that were not, with their writers, in ascending order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn mark_read(&mut self, ids: &[MessageId], now: UnixMillis) -> Result<Vec<(NodeId, MessageId)>, Error> {
        self.transaction(|db| {
            let mut mark = db.conn.prepare_cached(
                "UPDATE messages SET read_at = ?2 WHERE id = ?1 AND sent = 0 AND read_at IS NULL RETURNING node",
            )?;
            let mut count = db.conn.prepare_cached("UPDATE message_writers SET unread = unread - 1 WHERE node = ?1")?;
            let mut read = Vec::new();
            for id in ids {
                let writer = mark.query_row(params![id.0, stored(now)], |found| found.get(0)).optional()?;
                if let Some(writer) = writer.map(NodeId) {
                    count.execute([writer.0])?;
                    read.push((writer, *id));
                }
            }
            read.sort_unstable();
            Ok(read)
        })
    }

    /// Deletes messages from this database, read or not. One that this node wrote and that still waits for a receiver
    /// stays: what is not to be sent is dropped from the outbox. Returns those that are gone and those that stayed;
    /// what is not here is neither.
    ///
    /// # Errors
    /// When the database fails.
    pub fn delete_messages(&mut self, ids: &[MessageId]) -> Result<(Vec<MessageId>, Vec<MessageId>), Error> {
        self.transaction(|db| {
            let (mut gone, mut stayed) = (Vec::new(), Vec::new());
            for id in ids {
                let mut find = db.conn.prepare_cached(
                    "SELECT n, EXISTS (SELECT 1 FROM message_receivers r JOIN outbox o ON o.id = r.item
                                       WHERE r.message = m.n AND m.sent = 1)
                     FROM messages m WHERE id = ?1",
                )?;
                let found = find.query_row([id.0], |found| Ok((found.get(0)?, found.get(1)?))).optional()?;
                match found {
                    Some((_, true)) => stayed.push(*id),
                    Some((n, false)) => {
                        forget(&db.conn, n)?;
                        gone.push(*id);
                    }
                    None => {}
                }
            }
            Ok((gone, stayed))
        })
    }

    /// Takes in a message that came, as its effect does; for whoever drives the database without an outbox.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_letter(&mut self, letter: &Letter, bounds: &MessageBounds, now: UnixMillis) -> Result<Came, Error> {
        self.transaction(|db| take(&db.conn, letter, bounds, now))
    }

    /// Notes what a receiver says it read, as its effect does.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_notice(&mut self, notice: &ReadNotice, now: UnixMillis) -> Result<(), Error> {
        self.transaction(|db| noticed(&db.conn, notice, now))
    }
}

/// Takes in a message that came.
pub(crate) fn take(conn: &Connection, letter: &Letter, bounds: &MessageBounds, now: UnixMillis) -> Result<Came, Error> {
    let had = conn.prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?.exists([letter.id.0])?;
    if had {
        return Ok(Came::Had);
    }
    let kept = letter.kept();
    let body = kept.encode();
    if !make_room(conn, &letter.from, body.len() as u64, bounds)? {
        return Ok(Came::Full);
    }
    let (n, at) = (next_n(conn)?, Times { written: letter.at, came: now });
    insert(conn, n, (letter.id, letter.thread, letter.reply_to), letter.from, false, &at, &body)?;
    words::index(conn, n, &kept.text)?;
    Ok(Came::Kept)
}

/// Takes in a message that came through the outbox of its writer.
pub(crate) fn effect(conn: &Connection, letter: &Letter, now: UnixMillis) -> Result<Effected, Error> {
    Ok(match take(conn, letter, &MessageBounds::DEFAULT, now)? {
        Came::Kept | Came::Had => Effected::Done,
        Came::Full => Effected::Refused(INBOX_FULL),
    })
}

/// Whether a row of the outbox with this kind and this form is a letter; its subject is the id of the message then.
pub(crate) fn is_letter(protocol: i64, schema: i64) -> bool {
    protocol == i64::from(Protocol::MESSAGE.number()) && schema == i64::from(LETTER_SCHEMA)
}

/// Notes that a letter was taken by its receiver. Called where the outbox lets go of it.
pub(crate) fn delivered(conn: &Connection, to: &NodeId, subject: &[u8], now: UnixMillis) -> Result<(), Error> {
    let mut note = conn.prepare_cached(
        "UPDATE message_receivers SET delivered_at = ?3
         WHERE message = (SELECT n FROM messages WHERE id = ?1 AND sent = 1) AND node = ?2 AND delivered_at IS NULL",
    )?;
    note.execute(params![subject, to.0, stored(now)])?;
    Ok(())
}

/// Notes what a receiver says it read. It can only have read what it got, and only what was sent to it.
pub(crate) fn noticed(conn: &Connection, notice: &ReadNotice, now: UnixMillis) -> Result<(), Error> {
    let mut note = conn.prepare_cached(
        "UPDATE message_receivers SET read_at = ?3, delivered_at = COALESCE(delivered_at, ?4)
         WHERE message = (SELECT n FROM messages WHERE id = ?1 AND sent = 1) AND node = ?2 AND read_at IS NULL",
    )?;
    for id in &notice.ids {
        note.execute(params![id.0, notice.from.0, stored(notice.at), stored(now)])?;
    }
    Ok(())
}

/// Forgets every message: they belong to the team that is left.
pub(crate) fn forget_all(conn: &Connection) -> Result<(), Error> {
    conn.execute_batch(
        "DELETE FROM message_receivers; DELETE FROM messages; DELETE FROM message_writers; DELETE FROM named_messages;",
    )?;
    words::forget_all(conn)
}

struct Times {
    written: UnixMillis,
    came: UnixMillis,
}

fn next_n(conn: &Connection) -> Result<u64, Error> {
    let mut last = conn.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'messages'")?;
    let last = last.query_row([], |found| found.get::<_, i64>(0)).optional()?;
    Ok(last.map_or(0, i64::cast_unsigned) + 1)
}

fn insert(
    conn: &Connection,
    n: u64,
    (id, thread, reply_to): (MessageId, MessageId, Option<MessageId>),
    from: NodeId,
    sent: bool,
    at: &Times,
    body: &[u8],
) -> Result<(), Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO messages (n, id, thread, reply_to, node, sent, at, came_at, read_at, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let (written, came) = (stored(at.written), stored(at.came));
    let read_at = sent.then_some(came);
    let reply_to = reply_to.map(|id| id.0);
    insert.execute(params![row::sql(n), id.0, thread.0, reply_to, from.0, sent, written, came, read_at, body])?;
    let mut count = conn.prepare_cached(
        "INSERT INTO message_writers (node, own, items, bytes, unread) VALUES (?1, ?3, 1, ?2, 1 - ?3)
         ON CONFLICT (node) DO UPDATE SET items = items + 1, bytes = bytes + ?2, unread = unread + 1 - ?3",
    )?;
    count.execute(params![from.0, row::sql_len(body.len()), sent])?;
    Ok(())
}

/// Messages and bytes that are kept.
struct Held {
    items: u64,
    bytes: u64,
}

impl Held {
    fn fits(&self, more_bytes: u64, items_max: u64, bytes_max: u64) -> bool {
        self.items < items_max && self.bytes.saturating_add(more_bytes) <= bytes_max
    }
}

fn held_of(conn: &Connection, writer: &NodeId) -> Result<Held, Error> {
    let mut of = conn.prepare_cached("SELECT items, bytes FROM message_writers WHERE node = ?1")?;
    let mut rows = of.query([writer.0])?;
    let Some(found) = rows.next()? else { return Ok(Held { items: 0, bytes: 0 }) };
    Ok(Held { items: row::uint(found, 0)?, bytes: row::uint(found, 1)? })
}

/// What came, in all.
fn held_in_all(conn: &Connection) -> Result<Held, Error> {
    let mut all = conn
        .prepare_cached("SELECT COALESCE(SUM(items), 0), COALESCE(SUM(bytes), 0) FROM message_writers WHERE own = 0")?;
    let mut rows = all.query([])?;
    let Some(found) = rows.next()? else { return Ok(Held { items: 0, bytes: 0 }) };
    Ok(Held { items: row::uint(found, 0)?, bytes: row::uint(found, 1)? })
}

/// Makes room for a message of `writer`: what was read goes, the oldest first. Says whether there is room now.
fn make_room(conn: &Connection, writer: &NodeId, bytes: u64, bounds: &MessageBounds) -> Result<bool, Error> {
    while !held_of(conn, writer)?.fits(bytes, bounds.items_per_writer, bounds.bytes_per_writer) {
        let oldest = "SELECT n FROM messages WHERE sent = 0 AND read_at IS NOT NULL AND node = ?1 ORDER BY n LIMIT 1";
        let oldest = conn.prepare_cached(oldest)?.query_row([writer.0], |found| found.get(0)).optional()?;
        let Some(oldest) = oldest else { return Ok(false) };
        forget(conn, oldest)?;
    }
    while !held_in_all(conn)?.fits(bytes, bounds.items, bounds.bytes) {
        let oldest = "SELECT n FROM messages WHERE sent = 0 AND read_at IS NOT NULL ORDER BY n LIMIT 1";
        let oldest = conn.prepare_cached(oldest)?.query_row([], |found| found.get(0)).optional()?;
        let Some(oldest) = oldest else { return Ok(false) };
        forget(conn, oldest)?;
    }
    Ok(true)
}

/// Makes room for a message of this node. What waits in the outbox stays, and the bounds of the outbox bound it.
fn make_room_for_own(conn: &Connection, own: &NodeId, bytes: u64) -> Result<(), Error> {
    while !held_of(conn, own)?.fits(bytes, MESSAGES_PER_WRITER_MAX, MESSAGE_BYTES_PER_WRITER_MAX) {
        let mut oldest = conn.prepare_cached(
            "SELECT n FROM messages m WHERE sent = 1 AND NOT EXISTS (
                 SELECT 1 FROM message_receivers r JOIN outbox o ON o.id = r.item WHERE r.message = m.n)
             ORDER BY n LIMIT 1",
        )?;
        let Some(oldest) = oldest.query_row([], |found| found.get(0)).optional()? else { return Ok(()) };
        forget(conn, oldest)?;
    }
    Ok(())
}

/// Forgets one message.
fn forget(conn: &Connection, n: i64) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM message_receivers WHERE message = ?1")?.execute([n])?;
    words::forget(conn, n)?;
    let mut delete =
        conn.prepare_cached("DELETE FROM messages WHERE n = ?1 RETURNING node, LENGTH(body), read_at IS NULL")?;
    let gone = |found: &rusqlite::Row<'_>| Ok((found.get(0)?, found.get(1)?, found.get(2)?));
    let (node, bytes, unread): ([u8; 32], i64, bool) = delete.query_row([n], gone)?;
    let mut count = conn.prepare_cached(
        "UPDATE message_writers SET items = items - 1, bytes = bytes - ?2, unread = unread - ?3 WHERE node = ?1",
    )?;
    count.execute(params![node, bytes, i64::from(unread)])?;
    Ok(())
}

/// A time as the column holds it. One that no clock can show counts as the last that fits.
fn stored(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
