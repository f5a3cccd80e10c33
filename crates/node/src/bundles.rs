//! What a person carries between two machines that cannot reach each other: handshakes and events, by hand.
//!
//! The proofs are those of the network, made by the same machines. What the network gives for free has to be replaced:
//! the channel that authenticates a key by a signature over the whole document, the connection that makes an answer
//! fresh by nonces that both ends remember (see the store's table of them). A document is read and written by the
//! door, which knows JSON; here are its parts as values, and everything that needs the key or the database.
//!
//! Whatever is wrong is found before anything is stored. Charter records that come along are therefore first looked at
//! as if they were held: only if the sender is believed with them, and the genomes are equal with them, they are.
//!
//! Limits: who may read a document that is not sealed is decided by whoever holds the stick.

mod export;
mod handshake;
mod import;
mod registry;
mod verify;

use antiphon_core::event::{Event, Unverified};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{LogId, NodeClock};
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::handshake::{Request, Response};
use antiphon_protocol::reason::Reason;
use antiphon_store::{FactView, IncidentView, LogRun};
use antiphon_vault::sealed_file;
use zeroize::Zeroizing;

use crate::api::{Error, Trust};
use crate::handle::Handle;
pub(crate) use registry::Carry;

/// What is signed begins with this, so that no other signature of the same key can pass for a bundle's.
const SIGN_DOMAIN: &[u8] = b"antiphon/bundle/1";

/// Most bytes of one document, sealed or not.
pub const BUNDLE_BYTES_MAX: usize = sealed_file::FILE_BYTES_MAX;

/// The kind of a refusal in the audit.
pub const BUNDLE: &str = "bundle";

/// Consecutive events of one log, as they were carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedLog {
    /// Which log.
    pub log: LogId,
    /// The key that is said to sign it.
    pub node: NodeId,
    /// The events.
    pub events: Vec<Event<Unverified>>,
}

/// A request as people may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// Who asks.
    pub from: NodeId,
    /// Its name.
    pub name: String,
    /// Its team.
    pub team: TeamId,
    /// Hash of its genome.
    pub genome: Hash,
    /// Its store.
    pub store: Option<StoreId>,
    /// When it asked, by its clock.
    pub timestamp: UnixMillis,
    /// What the answer must echo.
    pub nonce: [u8; 32],
    /// Its program and version.
    pub agent_version: String,
}

/// An answer as people may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseView {
    /// Who answers.
    pub to: NodeId,
    /// Its name.
    pub name: String,
    /// Hash of its genome.
    pub genome: Hash,
    /// Its store.
    pub store: Option<StoreId>,
    /// Whether the genomes are equal.
    pub matches: bool,
    /// What whoever asked is to it now.
    pub trust: Trust,
    /// Why it is not verified.
    pub reason: Option<Reason>,
    /// When it answered, by its clock.
    pub timestamp: UnixMillis,
    /// The nonce of the request.
    pub nonce: [u8; 32],
    /// Its program and version.
    pub agent_version: String,
}

impl RequestView {
    /// Reads the bytes of a request.
    ///
    /// # Errors
    /// [`CarryError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, CarryError> {
        let request = Request::decode(bytes).map_err(|error| CarryError::Malformed(error.to_string()))?;
        Ok(Self {
            from: request.from,
            name: request.from_name,
            team: request.team,
            genome: request.genome,
            store: request.proof.store,
            timestamp: request.timestamp,
            nonce: request.nonce,
            agent_version: request.agent_version,
        })
    }
}

impl ResponseView {
    /// Reads the bytes of an answer.
    ///
    /// # Errors
    /// [`CarryError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, CarryError> {
        let response = Response::decode(bytes).map_err(|error| CarryError::Malformed(error.to_string()))?;
        Ok(Self {
            to: response.to,
            name: response.to_name,
            genome: response.genome,
            store: response.proof.and_then(|proof| proof.store),
            matches: response.matches,
            trust: response.trust,
            reason: response.reason,
            timestamp: response.timestamp,
            nonce: response.nonce,
            agent_version: response.agent_version,
        })
    }
}

/// How a handshake that was carried by hand ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedHandshake {
    /// The bytes to carry back; empty for whoever completes.
    pub message: Vec<u8>,
    /// The peer.
    pub peer: NodeId,
    /// Its name.
    pub name: String,
    /// Verified, or pending while the genomes differ.
    pub trust: Trust,
    /// Our genome hash.
    pub our_genome: Hash,
    /// The peer's.
    pub their_genome: Hash,
}

/// What to take along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Charter and shared logs.
    Everything,
    /// The charter alone: for a member whose genome is not ours yet.
    Charter,
}

/// What is taken along.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The team.
    pub team: TeamId,
    /// This node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its store.
    pub store: StoreId,
    /// Hash of its genome.
    pub genome: Hash,
    /// The genes, where everything from the beginning is taken along.
    pub genes: Vec<(String, String)>,
    /// The events, in the order in which they are taken in.
    pub logs: Vec<LogRun>,
    /// The facts that these events wrote or changed, as they stand here.
    pub facts: Vec<FactView>,
    /// The incidents that they wrote or changed.
    pub incidents: Vec<IncidentView>,
    /// What this node holds; empty where the charter alone is taken along.
    pub clock: NodeClock,
    /// What the reader holds who held the rest before.
    pub reaches: NodeClock,
    /// Whether there was more than fits one document.
    pub more: bool,
}

/// Facts of another node, as a document names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedFacts {
    /// Who signed the document.
    pub from: NodeId,
    /// Its team.
    pub team: TeamId,
    /// Its store.
    pub store: StoreId,
    /// Hash of its genome.
    pub genome: Hash,
    /// What it holds.
    pub clock: NodeClock,
    /// The events that came along.
    pub logs: Vec<CarriedLog>,
}

/// A log of which nothing, or not all, was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLog {
    /// Which log.
    pub log: LogId,
    /// The key that is said to sign it.
    pub node: NodeId,
    /// The first event that was refused.
    pub seq: u64,
    /// Stable name of why.
    pub reason: &'static str,
}

/// Events of a log that are missing before those that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarriedGap {
    /// Which log.
    pub log: LogId,
    /// The last event that is held.
    pub held: u64,
    /// The first event that came.
    pub got: u64,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Imported {
    /// Events that are new here.
    pub events: u64,
    /// Events that were held already.
    pub known: u64,
    /// Edits of facts among the new ones.
    pub facts: u64,
    /// New events that wait for an upgrade.
    pub deferred: u64,
    /// New events that are kept and do not count.
    pub quarantined: u64,
    /// Texts that were missing and came along.
    pub filled: u64,
    /// Logs that were found to have two branches.
    pub forked: u64,
    /// Logs that were refused, or from some event on.
    pub refused: Vec<RefusedLog>,
    /// Logs whose earlier events are missing here.
    pub gaps: Vec<CarriedGap>,
}

/// Why something that was carried by hand was not taken. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The handshake inside a document cannot be read.
    #[error("the handshake in it cannot be read: {0}")]
    Malformed(String),
    /// It is this node's own.
    #[error("this node made it itself")]
    Itself,
    /// It is of another team.
    #[error("it is of team {theirs}, this node belongs to {ours}")]
    OtherTeam {
        /// Our team.
        ours: TeamId,
        /// The one it names.
        theirs: TeamId,
    },
    /// A request that was carried for too long.
    #[error("the request is {days} days old, the limit is 30")]
    TooOld {
        /// Its age.
        days: u64,
    },
    /// A request from the future.
    #[error("the request is {hours} hours ahead of this machine's clock, the limit is 24")]
    FromFuture {
        /// How far.
        hours: u64,
    },
    /// The request was answered before, or the answer completed.
    #[error("it was used before")]
    Replayed,
    /// The answer is to no request of this node.
    #[error("it answers no request that this node made")]
    NotAsked,
    /// The answer came too late.
    #[error("it answers a request that is older than 30 days")]
    Late,
    /// There were too many handshakes with this member.
    #[error("there were {max} handshakes by hand with {peer} in the last 30 days", max = antiphon_store::CARRIED_PER_NODE_MAX)]
    TooMany {
        /// With whom.
        peer: NodeId,
    },
    /// One side refused the other.
    #[error("{} {}: {}", peer.short(), if *by_peer { "refused this node" } else { "is refused" }, reason.name())]
    Refused {
        /// The other node.
        peer: NodeId,
        /// Why.
        reason: Reason,
        /// Whether it was the peer that refused.
        by_peer: bool,
    },
    /// The sender has not proved that it belongs to the team.
    #[error("{} is {trust}, and only what VERIFIED members send is taken", peer.short())]
    NotVerified {
        /// Who.
        peer: NodeId,
        /// What it is.
        trust: Trust,
    },
    /// The genomes differ, also with the genes that came along.
    #[error("its genome is {theirs}, this node's is {ours}")]
    Genome {
        /// Our genome, with what came along.
        ours: Hash,
        /// The sender's.
        theirs: Hash,
    },
    /// It cannot be sealed, or not be opened.
    #[error(transparent)]
    Seal(#[from] antiphon_vault::seal::Error),
    /// The node failed.
    #[error(transparent)]
    Node(#[from] Error),
}

impl From<antiphon_store::Error> for CarryError {
    fn from(error: antiphon_store::Error) -> Self {
        Self::Node(error.into())
    }
}

impl CarryError {
    /// The stable name, for the audit; `None` where nothing was refused but something failed.
    pub fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::Malformed(_) => "malformed",
            Self::Itself => "self",
            Self::OtherTeam { .. } => "other_team",
            Self::TooOld { .. } | Self::FromFuture { .. } | Self::Late => "stale",
            Self::Replayed => "replayed",
            Self::NotAsked => "not_asked",
            Self::TooMany { .. } => "quota",
            Self::Refused { reason, .. } => reason.name(),
            Self::NotVerified { .. } => "not_verified",
            Self::Genome { .. } => "genome_mismatch",
            Self::Seal(error) if error.is_not_for_us() => "not_for_us",
            Self::Seal(_) => "damaged_seal",
            Self::Node(_) => return None,
        })
    }
}

/// The message whose signature makes a document its sender's.
pub fn bundle_message(team: &TeamId, hash: &Hash) -> Vec<u8> {
    [SIGN_DOMAIN, &team.0, &hash.0].concat()
}

impl Handle {
    /// Signs the hash of a document for this node's team.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sign_bundle(&self, hash: &Hash) -> Result<Signature, CarryError> {
        use antiphon_core::sign::Signer;
        let team = self.fresh_team().await?;
        Ok(self.shared.key.sign(&bundle_message(&team.own.team, hash)))
    }

    /// Seals a document so that only the member `peer` can read it.
    ///
    /// # Errors
    /// [`CarryError::Refused`] when it is no member, [`CarryError::Seal`].
    pub async fn seal_bundle(&self, peer: NodeId, document: &[u8]) -> Result<Vec<u8>, CarryError> {
        let team = self.fresh_team().await?;
        let refused = |refusal| CarryError::Refused { peer, reason: Reason::from(refusal), by_peer: false };
        let member = team.membership.check(&peer, crate::clock::now()).map_err(refused)?;
        Ok(sealed_file::seal_file(&member.grant.recipient, document)?)
    }

    /// Opens a document if it is sealed; `None` if it is not.
    ///
    /// # Errors
    /// [`CarryError::Seal`] when it is sealed to somebody else, or damaged.
    pub fn open_bundle(&self, document: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, CarryError> {
        if !sealed_file::is_sealed(document) {
            return Ok(None);
        }
        Ok(Some(self.shared.key.open_file(document)?))
    }
}
