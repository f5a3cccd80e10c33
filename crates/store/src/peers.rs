//! Peers: what this node knows about the others, kept across restarts.
//!
//! What is asked for often has a column; the rest is one canonical CBOR list, so that a field can be added without a
//! migration. A list that cannot be read counts as "no data yet": nothing in it may keep a node from starting.

use antiphon_core::announce::{FederationConfig, StorageConfig};
use antiphon_core::cbor;
use antiphon_core::ids::{EventId, FactId, Hash, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::time::UnixMillis;
use antiphon_core::trust::Trust;
use minicbor::{Decoder, Encoder};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use crate::db::Db;
use crate::error::Error;
use crate::row::{self, sql};

/// Most entries of one list of a peer.
const ENTRIES_MAX: usize = 64;
/// Most domains that one list of a peer names.
pub const DOMAINS_MAX: usize = ENTRIES_MAX;
/// Most logs of a clock. Of an acknowledged one that lists more the first are kept: a peer is then believed to hold
/// less than it does, which costs a question and loses nothing.
const CLOCK_LOGS_MAX: usize = 2 * crate::LOGS_MAX;
/// Longest text of a peer, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// Whether we exchange events with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PeerMode {
    /// Both ways.
    #[default]
    Sync,
    /// Not now; cursor and pin are kept.
    Paused,
}

/// The last failure with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthError {
    /// Stable name of the reason.
    pub reason: String,
    /// The event that could not be applied.
    pub event: Option<EventId>,
    /// The fact it is about.
    pub fact: Option<FactId>,
    /// When.
    pub observed_at: UnixMillis,
}

/// How sync with a peer goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// The version it runs.
    pub version: Option<String>,
    /// When that was seen.
    pub version_observed_at: Option<UnixMillis>,
    /// The last time all went well.
    pub last_success: Option<UnixMillis>,
    /// Failures since then.
    pub consecutive_failures: u64,
    /// The last failure.
    pub last_error: Option<HealthError>,
}

/// Everything that is kept about a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Its key.
    pub node: NodeId,
    /// Its name for people.
    pub name: String,
    /// How far it proved to belong to us.
    pub trust: Trust,
    /// Stable name of the reason, when it was rejected.
    pub reason: Option<String>,
    /// Whether it was the peer that rejected us.
    pub by_peer: bool,
    /// When a handshake with it was carried by hand, if that was the last one that succeeded.
    pub by_hand: Option<UnixMillis>,
    /// Where it was reached.
    pub addresses: Vec<String>,
    /// The store it is pinned to.
    pub store: Option<StoreId>,
    /// The genome hash it named.
    pub genome_hash: Option<Hash>,
    /// The last sign of life.
    pub last_seen: Option<UnixMillis>,
    /// The last sync.
    pub last_sync: Option<UnixMillis>,
    /// The last handshake.
    pub handshake_at: Option<UnixMillis>,
    /// The last event received from it.
    pub last_event: Option<EventId>,
    /// Facts received from it, cumulative. Counted by the store itself as well.
    pub fact_count: u64,
    /// How much of each log it said it holds.
    pub acked: NodeClock,
    /// The last time when both sides were seen to hold the same.
    pub equal_at: Option<UnixMillis>,
    /// Whether we sync with it.
    pub mode: PeerMode,
    /// If not empty, it gets the texts of these domains only.
    pub only_domains: Vec<String>,
    /// It does not get the texts of these domains.
    pub except_domains: Vec<String>,
    /// How sync with it goes.
    pub health: Health,
    /// How much it said that it stores for others.
    pub storage: Option<StorageConfig>,
    /// How it said that it takes part in sharing.
    pub federation: Option<FederationConfig>,
}

impl PeerRow {
    /// A peer of which nothing is known but its key and name.
    pub fn new(node: NodeId, name: impl Into<String>) -> Self {
        Self {
            node,
            name: name.into(),
            trust: Trust::Unknown,
            reason: None,
            by_peer: false,
            by_hand: None,
            addresses: Vec::new(),
            store: None,
            genome_hash: None,
            last_seen: None,
            last_sync: None,
            handshake_at: None,
            last_event: None,
            fact_count: 0,
            acked: NodeClock::new(),
            equal_at: None,
            mode: PeerMode::Sync,
            only_domains: Vec::new(),
            except_domains: Vec::new(),
            health: Health::default(),
            storage: None,
            federation: None,
        }
    }
}

impl Db {
    /// Keeps a peer as it is given.
    ///
    /// # Errors
    /// [`Error::PeerTooLarge`] when it could not be read back, and when the database fails.
    pub fn put_peer(&mut self, peer: &PeerRow) -> Result<(), Error> {
        check(peer)?;
        self.transaction(|db| {
            let (store, seen) = (peer.store.map(|store| store.0), peer.last_seen.map(|at| sql(at.0)));
            db.conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO peers (node, name, trust, store, last_seen, fact_count, data)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    peer.node.0,
                    peer.name,
                    peer.trust as i64,
                    store,
                    seen,
                    sql(peer.fact_count),
                    encode(peer)
                ])?;
            Ok(())
        })
    }

    /// Changes a peer, which is made when it is not known; returns it as it is kept.
    ///
    /// # Errors
    /// As [`Db::put_peer`].
    pub fn update_peer(&mut self, node: &NodeId, change: impl FnOnce(&mut PeerRow)) -> Result<PeerRow, Error> {
        self.transaction(|db| {
            let mut peer = get(&db.conn, node)?.unwrap_or_else(|| PeerRow::new(*node, node.short()));
            change(&mut peer);
            db.put_peer(&peer)?;
            Ok(peer)
        })
    }

    /// Forgets a peer; returns whether it was known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_peer(&mut self, node: &NodeId) -> Result<bool, Error> {
        self.transaction(|db| {
            let mut delete = db.conn.prepare_cached("DELETE FROM peers WHERE node = ?1")?;
            Ok(delete.execute([node.0.as_slice()])? > 0)
        })
    }
}

const COLUMNS: &str = "node, name, trust, store, last_seen, fact_count, data";

/// See [`crate::Reader::peer`].
pub(crate) fn get(conn: &Connection, node: &NodeId) -> Result<Option<PeerRow>, Error> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM peers WHERE node = ?1"))?;
    let mut rows = query.query([node.0.as_slice()])?;
    rows.next()?.map(read).transpose()
}

/// See [`crate::Reader::peers`].
pub(crate) fn list(conn: &Connection) -> Result<Vec<PeerRow>, Error> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM peers ORDER BY node"))?;
    let mut rows = query.query([])?;
    let mut peers = Vec::new();
    while let Some(found) = rows.next()? {
        peers.push(read(found)?);
    }
    Ok(peers)
}

fn read(found: &Row<'_>) -> Result<PeerRow, Error> {
    let blank = PeerRow::new(row::node(found, 0)?, found.get::<_, String>(1)?);
    let data: Vec<u8> = found.get(6)?;
    let mut peer = cbor::decode(&data, |input| decode(input, blank.clone())).unwrap_or(blank);
    peer.trust = Trust::ALL.get(row::index(found, 2)?).copied().unwrap_or_default();
    peer.store = match found.get_ref(3)? {
        ValueRef::Null => None,
        _ => Some(row::store(found, 3)?),
    };
    peer.last_seen = row::maybe_uint(found, 4)?.map(UnixMillis);
    peer.fact_count = row::uint(found, 5)?;
    Ok(peer)
}

/// Whether a peer fits its bounds: what is beyond them could be written and not read back.
fn check(peer: &PeerRow) -> Result<(), Error> {
    let health = &peer.health;
    let one = [
        ("name", Some(&peer.name)),
        ("reason", peer.reason.as_ref()),
        ("version", health.version.as_ref()),
        ("last error", health.last_error.as_ref().map(|error| &error.reason)),
    ];
    let many = [("addresses", &peer.addresses), ("domains", &peer.only_domains), ("domains", &peer.except_domains)];
    let one = one.into_iter().filter_map(|(what, text)| Some((what, text?)));
    let each = many.iter().flat_map(|(what, list)| list.iter().map(|text| (*what, text)));
    let long = one.chain(each).find(|(_, text)| text.len() > TEXT_BYTES_MAX).map(|(what, _)| what);
    let wide = many.iter().find(|(_, list)| list.len() > ENTRIES_MAX).map(|(what, _)| *what);
    long.or(wide).map_or(Ok(()), |what| Err(Error::PeerTooLarge { node: peer.node, what }))
}

type Out<'a, 'b> = &'a mut Encoder<&'b mut Vec<u8>>;

/// Fields of the list. The first version had 16, the next ones 17, 18 and 19.
const FIELDS: usize = 21;
/// Longest announcement of a peer, in bytes.
const ANNOUNCEMENT_BYTES_MAX: usize = 512;

fn encode(peer: &PeerRow) -> Vec<u8> {
    let health = &peer.health;
    cbor::encode(|out| {
        cbor::array(out, FIELDS);
        put(out, peer.reason.as_deref(), cbor::text);
        texts(out, &peer.addresses);
        put(out, peer.genome_hash.as_ref(), |out, hash| cbor::bytes(out, &hash.0));
        put(out, peer.last_sync, |out, at| cbor::uint(out, at.0));
        put(out, peer.handshake_at, |out, at| cbor::uint(out, at.0));
        put(out, peer.last_event.as_ref(), |out, id| cbor::bytes(out, &id.0));
        encode_clock(out, &peer.acked);
        cbor::bool(out, peer.mode == PeerMode::Paused);
        texts(out, &peer.only_domains);
        texts(out, &peer.except_domains);
        put(out, health.version.as_deref(), cbor::text);
        put(out, health.version_observed_at, |out, at| cbor::uint(out, at.0));
        put(out, health.last_success, |out, at| cbor::uint(out, at.0));
        cbor::uint(out, health.consecutive_failures);
        put(out, health.last_error.as_ref().map(|error| error.reason.as_str()), cbor::text);
        put(out, health.last_error.as_ref(), |out, error| {
            cbor::array(out, 3);
            put(out, error.event.as_ref(), |out, id| cbor::bytes(out, &id.0));
            cbor::uint(out, error.observed_at.0);
            put(out, error.fact.as_ref(), |out, id| cbor::bytes(out, &id.0));
        });
        cbor::bool(out, peer.by_peer);
        put(out, peer.by_hand, |out, at| cbor::uint(out, at.0));
        put(out, peer.equal_at, |out, at| cbor::uint(out, at.0));
        put(out, peer.storage.as_ref(), |out, config| cbor::bytes(out, &config.encode()));
        put(out, peer.federation.as_ref(), |out, config| cbor::bytes(out, &config.encode()));
    })
}

fn put<'b, T>(out: Out<'_, 'b>, value: Option<T>, write: impl FnOnce(Out<'_, 'b>, T)) {
    match value {
        Some(value) => write(out, value),
        None => cbor::null(out),
    }
}

fn texts(out: Out<'_, '_>, texts: &[String]) {
    cbor::array(out, texts.len());
    texts.iter().for_each(|text| cbor::text(out, text));
}

/// Writes a clock.
pub(crate) fn encode_clock(out: Out<'_, '_>, clock: &NodeClock) {
    cbor::array(out, clock.len().min(CLOCK_LOGS_MAX));
    for (log, head) in clock.iter().take(CLOCK_LOGS_MAX) {
        cbor::array(out, 4);
        cbor::uint(out, log.stream.number().into());
        cbor::bytes(out, &log.store.0);
        cbor::uint(out, head.seq);
        cbor::bytes(out, &head.hash.0);
    }
}

fn decode(input: &mut Decoder<'_>, blank: PeerRow) -> Result<PeerRow, cbor::Error> {
    let text = |input: &mut Decoder<'_>| cbor::read_text(input, TEXT_BYTES_MAX);
    let time = |input: &mut Decoder<'_>| Ok(UnixMillis(input.u64()?));
    let event = |input: &mut Decoder<'_>| cbor::read_array(input).map(EventId);
    let fields = cbor::read_list(input, ENTRIES_MAX)?;
    let mut peer = PeerRow {
        reason: cbor::read_option(input, text)?,
        addresses: read_texts(input)?,
        genome_hash: cbor::read_option(input, |input| cbor::read_array(input).map(Hash))?,
        last_sync: cbor::read_option(input, time)?,
        handshake_at: cbor::read_option(input, time)?,
        last_event: cbor::read_option(input, event)?,
        acked: read_clock(input)?,
        mode: if input.bool()? { PeerMode::Paused } else { PeerMode::Sync },
        only_domains: read_texts(input)?,
        except_domains: read_texts(input)?,
        ..blank
    };
    peer.health = Health {
        version: cbor::read_option(input, text)?,
        version_observed_at: cbor::read_option(input, time)?,
        last_success: cbor::read_option(input, time)?,
        consecutive_failures: input.u64()?,
        last_error: None,
    };
    let reason = cbor::read_option(input, text)?;
    let rest = cbor::read_option(input, |input| {
        let parts = cbor::read_list(input, 3)?;
        let (event, observed_at) = (cbor::read_option(input, event)?, time(input)?);
        let fact = |input: &mut Decoder<'_>| cbor::read_array(input).map(FactId);
        let fact = if parts > 2 { cbor::read_option(input, fact)? } else { None };
        Ok((event, fact, observed_at))
    })?;
    peer.health.last_error =
        reason.zip(rest).map(|(reason, (event, fact, observed_at))| HealthError { reason, event, fact, observed_at });
    if fields >= 17 {
        peer.by_peer = input.bool()?;
    }
    if fields >= 18 {
        peer.by_hand = cbor::read_option(input, time)?;
    }
    if fields >= 19 {
        peer.equal_at = cbor::read_option(input, time)?;
    }
    if fields >= FIELDS as u64 {
        let bytes = |input: &mut Decoder<'_>| cbor::read_bytes(input, ANNOUNCEMENT_BYTES_MAX);
        peer.storage = cbor::read_option(input, |input| StorageConfig::decode(&bytes(input)?))?;
        peer.federation = cbor::read_option(input, |input| FederationConfig::decode(&bytes(input)?))?;
    }
    Ok(peer)
}

fn read_texts(input: &mut Decoder<'_>) -> Result<Vec<String>, cbor::Error> {
    let len = cbor::read_list(input, ENTRIES_MAX)?;
    (0..len).map(|_| cbor::read_text(input, TEXT_BYTES_MAX)).collect()
}

/// Reads a clock.
pub(crate) fn read_clock(input: &mut Decoder<'_>) -> Result<NodeClock, cbor::Error> {
    let len = cbor::read_list(input, CLOCK_LOGS_MAX)?;
    (0..len)
        .map(|_| {
            cbor::read_list(input, 4)?;
            let stream = Stream::from_number(input.u64()?).ok_or(cbor::Error::Value("a stream"))?;
            let log = LogId::new(StoreId(cbor::read_array(input)?), stream);
            Ok((log, Head { seq: input.u64()?, hash: Hash(cbor::read_array(input)?) }))
        })
        .collect()
}
