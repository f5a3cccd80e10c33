//! Which messages there are, for whoever reads them.

use antiphon_core::ids::{MessageId, NodeId};
use antiphon_core::letter::Kept;
use antiphon_core::outbox::Sealer;
use antiphon_core::time::UnixMillis;
use rusqlite::{Connection, Row, params};

use super::words::Question;
use super::{MESSAGES_SHOWN_MAX, binding};
use crate::error::Error;
use crate::query::facts::ulids_beginning;
use crate::reader::Reader;
use crate::row;
use crate::view::Resolved;

/// Most messages of this node that are opened to look for words, the newest ones.
const SEARCHED_MAX: usize = 2_000;
/// Most ids that an ambiguous beginning is answered with.
const AMBIGUOUS_MAX: i64 = 10;

/// Which messages are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// Those that came.
    #[default]
    Received,
    /// Those that this node wrote.
    Sent,
    /// Both.
    Both,
}

/// What messages must be like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageFilter {
    /// Where they come from.
    pub which: Which,
    /// Only those that came and were not read.
    pub unread: bool,
    /// Only those of this conversation.
    pub thread: Option<MessageId>,
    /// Only those with all of these words.
    pub words: Option<String>,
    /// Only those before this number.
    pub before: Option<u64>,
    /// Only those after this number; then the oldest of them are given, else the newest.
    pub after: Option<u64>,
}

/// How far a message has come with one of its receivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It waits in the outbox.
    Queued,
    /// It was handed over to be sent and is not kept on disk, so it is not known how far it came.
    Sent,
    /// The receiver has it.
    Delivered,
    /// The receiver says that it was read.
    Read,
    /// The receiver must not get it or does not want it; the stable name of the reason.
    Refused(String),
    /// Its row of the outbox does not open, for the reason of this name.
    Broken(String),
    /// A person took it out of the outbox.
    Dropped,
}

impl Delivery {
    /// Its stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Refused(_) => "refused",
            Self::Broken(_) => "broken",
            Self::Dropped => "dropped",
        }
    }

    /// Why it does not go on, if it does not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(reason) | Self::Broken(reason) => Some(reason),
            _ => None,
        }
    }
}

/// One receiver of a message that this node wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverView {
    /// Who.
    pub node: NodeId,
    /// Number of the row of the outbox, if it waited on disk.
    pub item: Option<u64>,
    /// How far it has come.
    pub state: Delivery,
    /// When it was delivered, by this node's clock.
    pub delivered_at: Option<UnixMillis>,
    /// When it was read, by the receiver's clock.
    pub read_at: Option<UnixMillis>,
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its number here, which grows with every message.
    pub n: u64,
    /// Its id.
    pub id: MessageId,
    /// The message that began the conversation.
    pub thread: MessageId,
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// Who wrote it.
    pub from: NodeId,
    /// Whether that is this node.
    pub sent: bool,
    /// When it was written, by its writer's clock.
    pub at: UnixMillis,
    /// When it came here, or was put into the outbox.
    pub came_at: UnixMillis,
    /// When it was read here; of one that came.
    pub read_at: Option<UnixMillis>,
    /// The rest; `None` when it does not open.
    pub kept: Option<Kept>,
    /// Its receivers, in the order of their ids; of one that this node wrote.
    pub receivers: Vec<ReceiverView>,
}

/// How many messages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCounts {
    /// Of those that came.
    pub received: u64,
    /// Of those that came, how many were not read.
    pub unread: u64,
    /// Of those that this node wrote.
    pub sent: u64,
}

impl Reader<'_> {
    /// Messages that fit, in the order of their numbers: the newest `limit`, or the oldest after a number. What this
    /// node wrote is opened with `sealer`; without one its words and its text are unknown.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn messages(
        &self,
        filter: &MessageFilter,
        limit: usize,
        sealer: Option<&dyn Sealer>,
    ) -> Result<Vec<MessageView>, Error> {
        let (conn, limit) = (self.connection(), limit.min(MESSAGES_SHOWN_MAX));
        let Some(text) = &filter.words else {
            return listed(conn, filter, limit, sealer);
        };
        let Some(question) = Question::of(text) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        if filter.which != Which::Sent {
            found.extend(found_among_received(conn, filter, &question, limit)?);
        }
        if filter.which != Which::Received && !filter.unread {
            let own = MessageFilter { which: Which::Sent, ..filter.clone() };
            let mut own = listed(conn, &own, SEARCHED_MAX, sealer)?;
            own.retain(|message| message.kept.as_ref().is_some_and(|kept| question.fits(&kept.text)));
            found.extend(own);
        }
        found.sort_by_key(|message| message.n);
        let over = found.len().saturating_sub(limit);
        if filter.after.is_some() {
            found.truncate(limit)
        } else {
            drop(found.drain(..over))
        }
        Ok(found)
    }

    /// One message.
    ///
    /// # Errors
    /// When the database fails.
    pub fn message(&self, id: MessageId, sealer: Option<&dyn Sealer>) -> Result<Option<MessageView>, Error> {
        let conn = self.connection();
        let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE id = ?1"))?;
        let mut rows = query.query([id.0])?;
        rows.next()?.map(|found| view(conn, found, sealer)).transpose()
    }

    /// What a text stands for that should name a message: a whole id or the beginning of one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resolve_message(&self, text: &str) -> Result<Resolved<MessageId>, Error> {
        let Some((first, last)) = ulids_beginning(text) else { return Ok(Resolved::None) };
        let mut query = self
            .connection()
            .prepare_cached("SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3")?;
        let mut rows = query.query(params![first, last, AMBIGUOUS_MAX])?;
        let mut ids = Vec::new();
        while let Some(found) = rows.next()? {
            ids.push(message_id(found, 0)?);
        }
        Ok(Resolved::from_ids(ids))
    }

    /// How many messages there are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn message_counts(&self) -> Result<MessageCounts, Error> {
        let mut query = self.connection().prepare_cached(
            "SELECT COALESCE(SUM(items * (1 - own)), 0), COALESCE(SUM(unread), 0), COALESCE(SUM(items * own), 0)
             FROM message_writers",
        )?;
        let mut rows = query.query([])?;
        let Some(found) = rows.next()? else { return Ok(MessageCounts::default()) };
        Ok(MessageCounts { received: row::uint(found, 0)?, unread: row::uint(found, 1)?, sent: row::uint(found, 2)? })
    }
}

const COLUMNS: &str = "n, id, thread, reply_to, node, sent, at, came_at, read_at, body";

/// The conditions of a filter but for its words, over the parameters 1 to 5.
fn conditions(filter: &MessageFilter) -> String {
    let mut all = vec!["n < ?1 AND n > ?2".to_owned()];
    match filter.which {
        Which::Received => all.push("sent = 0".to_owned()),
        Which::Sent => all.push("sent = 1".to_owned()),
        Which::Both => {}
    }
    if filter.unread {
        // As the index has it.
        all.push("sent = 0 AND read_at IS NULL".to_owned());
    }
    if filter.thread.is_some() {
        all.push("thread = ?3".to_owned());
    }
    let order = if filter.after.is_some() { "ASC" } else { "DESC" };
    format!("{} ORDER BY n {order} LIMIT ?4", all.join(" AND "))
}

fn bounds(filter: &MessageFilter) -> (i64, i64, Option<[u8; 16]>) {
    let before = filter.before.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX));
    let after = filter.after.map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX));
    (before, after, filter.thread.map(|thread| thread.0))
}

fn listed(
    conn: &Connection,
    filter: &MessageFilter,
    limit: usize,
    sealer: Option<&dyn Sealer>,
) -> Result<Vec<MessageView>, Error> {
    // The parameter of the thread is named even where it is not asked for, so that their number stays the same.
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM messages WHERE (?3 IS NULL OR ?3 IS NOT NULL) AND {}",
        conditions(filter)
    ))?;
    let (before, after, thread) = bounds(filter);
    let mut rows = query.query(params![before, after, thread, row::sql_len(limit)])?;
    let mut list = Vec::new();
    while let Some(found) = rows.next()? {
        list.push(view(conn, found, sealer)?);
    }
    list.sort_by_key(|message| message.n);
    Ok(list)
}

fn found_among_received(
    conn: &Connection,
    filter: &MessageFilter,
    question: &Question,
    limit: usize,
) -> Result<Vec<MessageView>, Error> {
    let received = MessageFilter { which: Which::Received, ..filter.clone() };
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM messages WHERE n IN (SELECT rowid FROM message_words WHERE message_words MATCH ?5)
         AND (?3 IS NULL OR ?3 IS NOT NULL) AND {}",
        conditions(&received)
    ))?;
    let (before, after, thread) = bounds(filter);
    let mut rows = query.query(params![before, after, thread, row::sql_len(limit), question.expression()])?;
    let mut list = Vec::new();
    while let Some(found) = rows.next()? {
        list.push(view(conn, found, None)?);
    }
    Ok(list)
}

/// A message from a row of [`COLUMNS`].
fn view(conn: &Connection, found: &Row<'_>, sealer: Option<&dyn Sealer>) -> Result<MessageView, Error> {
    let (n, id, from, sent) = (row::uint(found, 0)?, message_id(found, 1)?, row::node(found, 4)?, found.get(5)?);
    let body = found.get_ref(9)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
    let kept = if sent {
        let opened = sealer.and_then(|sealer| sealer.open(&binding(n, from, id), body).ok());
        opened.and_then(|opened| Kept::decode(&opened).ok())
    } else {
        Some(Kept::decode(body)?)
    };
    let reply_to = found.get::<_, Option<[u8; 16]>>(3)?.map(MessageId);
    Ok(MessageView {
        n,
        id,
        thread: message_id(found, 2)?,
        reply_to,
        from,
        sent,
        at: UnixMillis(row::uint(found, 6)?),
        came_at: UnixMillis(row::uint(found, 7)?),
        read_at: row::maybe_uint(found, 8)?.filter(|_| !sent).map(UnixMillis),
        kept,
        receivers: if sent { receivers(conn, n)? } else { Vec::new() },
    })
}

fn receivers(conn: &Connection, n: u64) -> Result<Vec<ReceiverView>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT r.node, r.item, r.delivered_at, r.read_at, o.state, o.reason FROM message_receivers r
         LEFT JOIN outbox o ON o.id = r.item WHERE r.message = ?1 ORDER BY r.node",
    )?;
    let mut rows = query.query([row::sql(n)])?;
    let mut list = Vec::new();
    while let Some(found) = rows.next()? {
        let delivered_at = row::maybe_uint(found, 2)?.map(UnixMillis);
        let read_at = row::maybe_uint(found, 3)?.map(UnixMillis);
        let reason = || Ok::<_, Error>(found.get::<_, Option<String>>(5)?.unwrap_or_default());
        let item = row::maybe_uint(found, 1)?;
        let state = match (read_at, delivered_at, row::maybe_uint(found, 4)?) {
            (Some(_), _, _) => Delivery::Read,
            (_, Some(_), _) => Delivery::Delivered,
            (_, _, None) if item.is_none() => Delivery::Sent,
            (_, _, None) => Delivery::Dropped,
            (_, _, Some(0)) => Delivery::Queued,
            (_, _, Some(1)) => Delivery::Refused(reason()?),
            (_, _, Some(_)) => Delivery::Broken(reason()?),
        };
        let node = row::node(found, 0)?;
        list.push(ReceiverView { node, item, state, delivered_at, read_at });
    }
    Ok(list)
}

fn message_id(found: &Row<'_>, column: usize) -> Result<MessageId, Error> {
    Ok(MessageId(found.get(column)?))
}
