//! One node: its key, its home, and, while it is up, its machines around the real database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_core::charter::{MEMBERS_MAX, Membership};
use antiphon_core::event::Event;
use antiphon_core::genome::Genome;
use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::log::{LogId, NodeClock, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_core::trust::Trust;
use antiphon_protocol::handshake::{Initiator, Local};
use antiphon_protocol::join::{Joiner, Steward, StewardLocal};
use antiphon_protocol::sync::{Authors, Mode, Session};
use antiphon_protocol::ticket::Ticket;
use antiphon_store::{Db, Options, Own, Reader};
use antiphon_vault::NodeKey;

use crate::backups::Backing;
use crate::failure::Step;
use crate::outbox::Outbox;
use crate::plan::Policy;
use crate::rejoin::Rejoin;

/// Wall-clock time at which every world begins.
pub(crate) const BEGINNING: UnixMillis = UnixMillis(1_700_000_000_000);
/// What the nodes call their program.
const AGENT_VERSION: &str = "antiphon-sim/1";

/// A machine that may be on or off.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) key: Arc<NodeKey>,
    pub(crate) id: NodeId,
    pub(crate) name: String,
    /// Where its database lies; each life has a directory of its own.
    pub(crate) dir: PathBuf,
    /// How far its clock is off, in milliseconds.
    pub(crate) skew: i64,
    /// Counts its starts and ends, so that nothing of one life reaches another.
    pub(crate) life: u64,
    /// What may flow in its sessions.
    pub(crate) mode: Mode,
    /// Peers with which it exchanges nothing shared for now.
    pub(crate) paused: BTreeSet<NodeId>,
    /// Which domains a peer gets, where not all, and since when.
    pub(crate) shares: BTreeMap<usize, (Policy, u64)>,
    /// When its disk was replaced by an older copy.
    pub(crate) lost_at: Option<u64>,
    /// Whether its clock was set back.
    pub(crate) set_back: bool,
    /// What lets it join.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) up: Option<Up>,
}

/// What a running node has in memory.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) db: Db,
    pub(crate) team: Option<TeamState>,
    pub(crate) held: Held,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    pub(crate) sessions: BTreeMap<usize, Live>,
    /// Requests that wait for an answer.
    pub(crate) asked: BTreeMap<u64, Asked>,
    /// Requests to join that are being answered, with who asks.
    pub(crate) joins: BTreeMap<u64, (Steward, usize)>,
    /// Members that are being greeted.
    pub(crate) greeting: BTreeSet<NodeId>,
    /// Members to whom a stream is being opened.
    pub(crate) opening: BTreeMap<NodeId, u64>,
    /// Counts the sessions of this life.
    pub(crate) epochs: u64,
    /// When the database is done with what it was given to write.
    pub(crate) writer_free_at: u64,
    /// Whether a commit waits to be read.
    pub(crate) reading: bool,
    /// How far it is with an own log that others hold otherwise.
    pub(crate) rejoin: Rejoin,
    /// Peers of which more can be said once the charter was read again.
    pub(crate) rechecks: BTreeSet<usize>,
    /// What waits for other members, and comes from them.
    pub(crate) outbox: Option<Box<Outbox>>,
    /// What it leaves with others, and takes back.
    pub(crate) backing: Backing,
}

/// A request of ours that waits.
#[derive(Debug)]
pub(crate) enum Asked {
    Handshake(NodeId, Box<Initiator>),
    Join(Box<Joiner>),
}

/// What a node thinks of another one.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) trust: Trust,
    /// The store it is pinned to.
    pub(crate) store: Option<StoreId>,
    /// Whether it may open streams.
    pub(crate) gate: bool,
    /// Whether its genome was another than ours when it was last greeted.
    pub(crate) out_of_step: bool,
    pub(crate) failures: u32,
    pub(crate) dial_at: u64,
}

impl Default for Peer {
    fn default() -> Self {
        Self { trust: Trust::Unknown, store: None, gate: false, out_of_step: false, failures: 0, dial_at: 0 }
    }
}

/// Wait before the first new attempt to reach a member, in milliseconds; it doubles with every failure.
const REDIAL_FIRST_MS: u64 = 500;
/// Longest wait between two attempts, in milliseconds.
const REDIAL_LONGEST_MS: u64 = 30_000;

impl Peer {
    pub(crate) fn failed(&mut self, at: u64) {
        let wait = REDIAL_FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(REDIAL_LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        self.dial_at = at + wait;
    }

    pub(crate) fn reached(&mut self, at: u64) {
        (self.failures, self.dial_at) = (0, at);
    }

    pub(crate) fn dial_soon(&mut self, at: u64) {
        self.dial_at = self.dial_at.max(at + REDIAL_FIRST_MS);
    }
}

/// A session with its stream, and what is watched of it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) epoch: u64,
    pub(crate) stream: u64,
    pub(crate) machine: Session,
    /// What the peer says that it holds.
    pub(crate) claims: Option<NodeClock>,
    /// When it asked to be woken, by its node's clock.
    pub(crate) wake: Option<UnixMillis>,
    /// Ends of the pages that were sent and not answered.
    pub(crate) unacked: Vec<(LogId, u64)>,
    /// Whether a page is being stored.
    pub(crate) storing: bool,
    /// Whether a page is being loaded.
    pub(crate) loading: bool,
}

impl Live {
    pub(crate) fn new(epoch: u64, stream: u64, machine: Session) -> Self {
        Self { epoch, stream, machine, claims: None, wake: None, unacked: Vec::new(), storing: false, loading: false }
    }
}

/// What a node is in its team, as its database knows it.
#[derive(Debug, Clone)]
pub(crate) struct TeamState {
    pub(crate) own: Own,
    pub(crate) founding: Genome,
    pub(crate) membership: Arc<Membership>,
    pub(crate) local: Arc<Local>,
}

impl TeamState {
    pub(crate) fn read(reader: &Reader<'_>) -> Step<Option<Self>> {
        let Some(own) = reader.own()? else { return Ok(None) };
        let founding = reader.founding_genome()?;
        let records = reader.charter()?;
        let membership = records.shared_membership();
        let genome = founding.with(membership.genes());
        let opening = reader.event_at(LogId::new(own.store, Stream::Shared), 1)?;
        let local = Arc::new(Local {
            node: own.node,
            name: own.name.clone(),
            team: own.team,
            genome: genome.hash(),
            records,
            charter: charter_of(&reader.clock()?),
            path: reader.grant_path(&own.node)?,
            store: own.store,
            opening: opening.map(Event::into_unverified),
            agent_version: AGENT_VERSION.to_owned(),
            addresses: Vec::new(),
        });
        Ok(Some(Self { own, founding, membership, local }))
    }

    pub(crate) fn steward_local(&self) -> Arc<StewardLocal> {
        Arc::new(StewardLocal {
            node: self.own.node,
            name: self.own.name.clone(),
            team: self.own.team,
            genome: self.founding.encode(),
            membership: self.membership.clone(),
            members_max: MEMBERS_MAX,
        })
    }
}

/// What a node holds, as sync sessions need to know it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    pub(crate) clock: NodeClock,
    pub(crate) keys: BTreeMap<StoreId, NodeId>,
    pub(crate) partings: NodeClock,
    pub(crate) authors: Authors,
}

impl Held {
    /// Reads the snapshot. Where the charter is as it was in the `last` one, who may write is so too.
    pub(crate) fn read(reader: &Reader<'_>, last: &Self) -> Step<Self> {
        let (clock, partings) = (reader.clock()?, reader.partings()?);
        let keys = reader.logs()?.into_iter().map(|log| (log.log.store, log.node)).collect();
        let mut held = Self { clock, keys, partings, authors: last.authors.clone() };
        if held.charter() != last.charter() || held.partings != last.partings {
            held.authors = Authors::of(reader.membership()?.as_ref());
        }
        Ok(held)
    }

    pub(crate) fn charter(&self) -> NodeClock {
        charter_of(&self.clock)
    }
}

fn charter_of(clock: &NodeClock) -> NodeClock {
    clock.iter().filter(|(log, _)| log.stream == Stream::Charter).map(|(log, head)| (*log, *head)).collect()
}

impl Up {
    /// Opens the database of a directory and forgets everything else.
    pub(crate) fn start(dir: &Path, key: &Arc<NodeKey>) -> Step<Self> {
        crate::fresh::begin(dir)?;
        let signer: Arc<dyn Signer> = key.clone();
        let db = Db::open(dir, Options { durable: false }, Some(signer))?;
        let mut up = Self {
            db,
            team: None,
            held: Held::default(),
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            asked: BTreeMap::new(),
            joins: BTreeMap::new(),
            greeting: BTreeSet::new(),
            opening: BTreeMap::new(),
            epochs: 0,
            writer_free_at: 0,
            reading: false,
            rejoin: Rejoin::default(),
            rechecks: BTreeSet::new(),
            outbox: None,
            backing: Backing::default(),
        };
        up.read_all()?;
        up.rejoin = Rejoin::new(up.db.reader().own_log()?);
        for row in up.db.reader().peers()? {
            // What was verified before is not verified to this life; only the pin is kept.
            up.peers.insert(row.node, Peer { store: row.store, ..Peer::default() });
        }
        Ok(up)
    }

    /// Reads team and logs as the database has them.
    pub(crate) fn read_all(&mut self) -> Step {
        self.team = TeamState::read(&self.db.reader())?;
        self.held =
            if self.team.is_some() { Held::read(&self.db.reader(), &Held::default())? } else { Held::default() };
        Ok(())
    }

    pub(crate) fn peer(&mut self, node: NodeId) -> &mut Peer {
        self.peers.entry(node).or_default()
    }
}

impl Node {
    /// A machine that was never on.
    pub(crate) fn new(key: Arc<NodeKey>, id: NodeId, name: String, dir: PathBuf) -> Self {
        Self {
            key,
            id,
            name,
            dir,
            skew: 0,
            life: 0,
            mode: Mode::BOTH,
            paused: BTreeSet::new(),
            shares: BTreeMap::new(),
            lost_at: None,
            set_back: false,
            ticket: None,
            up: None,
        }
    }

    /// The time its clock shows when the world is `at` milliseconds old.
    pub(crate) fn clock(&self, at: u64) -> UnixMillis {
        BEGINNING.after(at).shifted(self.skew)
    }
}

/// Time that is moved by a signed number of milliseconds.
trait Shift {
    fn shifted(self, by: i64) -> Self;
}

impl Shift for UnixMillis {
    fn shifted(self, by: i64) -> Self {
        Self(self.0.saturating_add_signed(by))
    }
}
