//! What goes in and out of a [`Handle`](crate::Handle): plain data, and one error.

mod content;
mod custody;
mod dht;
mod federation;
mod garbage;
mod messages;
mod outbox;
mod recall;
mod recovery;
mod replication;
mod resources;
mod trust;

pub use crate::reason_words::{Finder, Words, words, words_of_cause};
use antiphon_core::announce::{FederationConfig, StorageConfig};
use antiphon_core::fact;
use antiphon_core::ids::{EventId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::incident;
use antiphon_core::time::UnixMillis;
pub use antiphon_core::trust::Trust;
pub use antiphon_protocol::join::Refusal;
pub use antiphon_protocol::reason::Reason;
use antiphon_protocol::ticket;
use antiphon_store::PeerMode;

use crate::counted::count;
pub use content::*;
pub use custody::*;
pub use dht::*;
pub use federation::*;
pub use garbage::*;
pub use messages::*;
pub use outbox::*;
pub use recall::*;
pub use recovery::*;
pub use replication::*;
pub use resources::*;
pub use trust::{BackupView, Counters, HealthErrorView, HealthView, PeerStats};

/// How long a verified peer may be silent before it counts as expired, in milliseconds, if nobody says otherwise.
pub const PEER_TIMEOUT_MS: u64 = 30 * 60 * 1_000;
/// How long a stranger is remembered after it was last heard of, in milliseconds: 30 days.
pub const PEER_TTL_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// A team, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Root of its founding genome.
    pub id: TeamId,
    /// Its name.
    pub name: String,
}

/// A peer, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Its key.
    pub peer_id: NodeId,
    /// Its name, empty when it is not known.
    pub name: String,
    /// How far it is trusted.
    pub trust: Trust,
    /// Its roles by the charter.
    pub roles: Vec<String>,
    /// Whether the charter lets it sign membership.
    pub steward: bool,
    /// Whether there is a connection now.
    pub connected: bool,
    /// Where it was last reached or announced, as multiaddresses.
    pub addresses: Vec<String>,
    /// The version it runs.
    pub agent_version: Option<String>,
    /// Its store, pinned at the first handshake.
    pub store_id: Option<StoreId>,
    /// The genome hash it named in its last handshake.
    pub genome_hash: Option<Hash>,
    /// Whether events are exchanged with it.
    pub mode: PeerMode,
    /// When the last handshake with it ended, well or not.
    pub handshake_at: Option<UnixMillis>,
    /// When events were last exchanged, or both sides found that they hold the same.
    pub last_sync_at: Option<UnixMillis>,
    /// The last event received from it.
    pub last_event: Option<EventId>,
    /// How sync with it goes.
    pub health: HealthView,
    /// Facts received from it so far.
    pub fact_count: u64,
    /// Events we hold and it has not confirmed; `None` before its first clock.
    pub lag_events: Option<u64>,
    /// Events it holds, by its last clock, and we do not; `None` before its first.
    pub behind_events: Option<u64>,
    /// When both sides last held the same: now, if they do.
    pub equal_at: Option<UnixMillis>,
    /// Whether it takes shared events, by its last clock; `None` while there is no session.
    pub takes: Option<bool>,
    /// Whether its genome is not ours yet, so that the charter alone flows.
    pub out_of_step: bool,
    /// When it is dialled next, while there is no connection.
    pub next_try: Option<UnixMillis>,
    /// When it was last heard of.
    pub last_seen: Option<UnixMillis>,
    /// When a sync with it last succeeded.
    pub last_success: Option<UnixMillis>,
    /// Why it was refused, or else why the last attempt failed.
    pub reason: Option<Reason>,
    /// The same in words.
    pub words: Option<Words>,
    /// The last failure in words; it stays after a success.
    pub error_words: Option<Words>,
    /// That one side runs an older version than the other, in words.
    pub skew: Option<Words>,
    /// How much it says that it stores for others, if it said so.
    pub storage: Option<StorageConfig>,
    /// How it says that it shares with this node, if it said so.
    pub federation: Option<FederationConfig>,
    /// Whether it was the peer that refused this node.
    pub refused_by_peer: bool,
    /// When a handshake with it was carried by hand, if it was not reached since.
    pub by_hand: Option<UnixMillis>,
}

/// Something a person should mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// The command that mends it.
    pub fix: String,
}

/// The state of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its key.
    pub node_id: NodeId,
    /// Its store.
    pub store_id: StoreId,
    /// Its name.
    pub name: String,
    /// Its team.
    pub team: Team,
    /// Whether it may sign membership.
    pub steward: bool,
    /// Its roles.
    pub roles: Vec<String>,
    /// Addresses it listens at, as multiaddresses with its peer id.
    pub listen: Vec<String>,
    /// Whether it sends and takes.
    pub mode: antiphon_store::NodeMode,
    /// Facts it holds that are not forgotten.
    pub facts: u64,
    /// Facts that are sealed to a role whose key it has not.
    pub closed: u64,
    /// Events it holds.
    pub events: u64,
    /// When it started.
    pub started: UnixMillis,
    /// Its peers, in the order of their ids.
    pub peers: Vec<PeerView>,
    /// What waits for peers that cannot be reached.
    pub outbox: OutboxSummary,
    /// Messages that came and were not read.
    pub unread: u64,
    /// What a person should mend.
    pub problems: Vec<Problem>,
    /// What came of it when this machine was last found to have been restored from an older copy.
    pub rejoined: Option<antiphon_store::Rejoined>,
}

/// What an invitation prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The ticket, as text. It holds a secret: whoever has it can join once.
    pub ticket: String,
    /// The role it grants.
    pub role: String,
    /// When it ends.
    pub expires: UnixMillis,
}

/// Without the ticket, which must not get into a log.
impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Invitation");
        out.field("role", &self.role).field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// How a join ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The node is a member now.
    Member {
        /// The team.
        team: Team,
        /// Facts that were published again in the new team.
        brought: u64,
        /// Facts that stayed on this node alone.
        kept_local: u64,
        /// Facts of others that stayed with the team that was left.
        left_behind: u64,
    },
    /// It was a member already; the steward's addresses were renewed.
    Already {
        /// The team.
        team: Team,
    },
}

/// A handshake that was asked for by a person, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeView {
    /// The peer that answered.
    pub peer_id: NodeId,
    /// What came of it.
    pub trust: Trust,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// Our genome hash.
    pub our_genome: Hash,
    /// The peer's genome hash, where it told one.
    pub their_genome: Option<Hash>,
}

/// Why the node could not do what was asked. Doors turn it into words, a hint and a code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A fact or an edit that may not be remembered.
    #[error(transparent)]
    Fact(#[from] fact::Error),
    /// No fact has this id, or an id that begins so.
    #[error("no fact {0}")]
    FactNotFound(String),
    /// Several facts have ids that begin so.
    #[error("{count} facts have ids that begin with {prefix}")]
    FactAmbiguous {
        /// What was given.
        prefix: String,
        /// How many there are.
        count: usize,
    },
    /// The fact was forgotten.
    #[error("fact {0} was forgotten")]
    FactForgotten(String),
    /// An incident or an update that may not be written.
    #[error(transparent)]
    Incident(#[from] incident::Error),
    /// No incident has this id, or an id that begins so.
    #[error("no incident {0}")]
    IncidentNotFound(String),
    /// Several incidents have ids that begin so.
    #[error("{count} incidents have ids that begin with {prefix}")]
    IncidentAmbiguous {
        /// What was given.
        prefix: String,
        /// How many there are.
        count: usize,
    },
    /// Neither a fact nor an incident has this id, or an id that begins so.
    #[error("no fact and no incident {0}")]
    SubjectNotFound(String),
    /// Several facts or incidents have ids that begin so.
    #[error("{count} facts and incidents have ids that begin with {prefix}")]
    SubjectAmbiguous {
        /// What was given.
        prefix: String,
        /// How many there are.
        count: usize,
    },
    /// Something about a document that was not done.
    #[error(transparent)]
    Content(Box<ContentError>),
    /// A ciphertext could not be written or read.
    #[error(transparent)]
    Blob(#[from] antiphon_store::BlobError),
    /// Something about the hash table that was not done.
    #[error(transparent)]
    Dht(#[from] DhtError),
    /// Something about a resource that was not done.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// A divergence cannot be settled like this.
    #[error(transparent)]
    Unsettled(#[from] crate::divergences::Unsettled),
    /// An edit that the database refused for another reason.
    #[error(transparent)]
    Refused(antiphon_store::AuthorError),
    /// No peer has this name or id.
    #[error("no peer {0}")]
    PeerNotFound(String),
    /// Several peers have this name, or ids that begin so.
    #[error("{count} peers are called {text} or have ids that begin so")]
    PeerAmbiguous {
        /// What was given.
        text: String,
        /// How many there are.
        count: usize,
    },
    /// A member is not forgotten, it would be known again at once.
    #[error("{0} is a member of the team")]
    PeerIsMember(String),
    /// Nothing of the peer's own logs is held, so there is nothing to keep for it.
    #[error("this node holds nothing that {0} wrote")]
    NothingToBackUp(String),
    /// There is no gene backup of this peer.
    #[error("there is no gene backup of {0}")]
    NoBackup(String),
    /// Only a steward may do this.
    #[error("this node is no steward of {team}")]
    NotASteward {
        /// The team's name.
        team: String,
    },
    /// The charter grants this node nothing.
    #[error("{} is no member of this team", .0.short())]
    NotAMember(NodeId),
    /// Only what a removed member wrote can be adopted.
    #[error("{} was not removed, so there is nothing to adopt", .0.short())]
    NotRevoked(NodeId),
    /// The member is, or is not, a steward already.
    #[error("{} is {} a steward", node.short(), if *steward { "already" } else { "not" })]
    NoChange {
        /// Who.
        node: NodeId,
        /// What was asked for.
        steward: bool,
    },
    /// No change of stewards with this hash waits for consent, or several do.
    #[error("no single change that begins with {0:?} waits for consent")]
    NothingToApprove(String),
    /// Who proposed the change did not know this node as a steward, so its consent does not count.
    #[error("who proposed change {0} did not know this node as a steward, so its consent would not count")]
    NotAsked(Hash),
    /// Something that cannot be done with an item of the outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// A role key could not be made or opened.
    #[error(transparent)]
    RoleKey(#[from] antiphon_vault::role::Error),
    /// Something could not be sealed.
    #[error(transparent)]
    Seal(#[from] antiphon_vault::seal::Error),
    /// The genome knows no such role.
    #[error("the team has no role {role:?}; it has {}", known.join(", "))]
    UnknownRole {
        /// What was given.
        role: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The ticket cannot be used.
    #[error(transparent)]
    Ticket(#[from] ticket::Error),
    /// The node belongs to a team with other members.
    #[error("this node belongs to the team {team}, which has {}", count(*others, "other member"))]
    InAnotherTeam {
        /// The present team's name.
        team: String,
        /// Its other members.
        others: usize,
    },
    /// Joining would make facts visible, and nobody said whether it should.
    #[error(
        "{} and {}{} would become visible to {team}, and {} would stay on this node",
        count(*shared, "fact"),
        count(*incidents, "incident"),
        if *resources > 0 { format!(" and {}", count(*resources, "resource")) } else { String::new() },
        count(*local, "fact")
    )]
    BringUndecided {
        /// The team's name.
        team: String,
        /// Facts of shared levels.
        shared: u64,
        /// Facts that stay in any case.
        local: u64,
        /// Incidents, which come along or stay behind as a whole.
        incidents: u64,
        /// What this node offers, likewise.
        resources: u64,
    },
    /// The steward refused the join.
    #[error("{steward} refused the ticket: {refusal}")]
    JoinRefused {
        /// Who refused.
        steward: NodeId,
        /// Why.
        refusal: Refusal,
    },
    /// A member did not give this key its place back.
    #[error("{peer} does not give this key a place: {refusal}")]
    RecoverRefused {
        /// Who refused.
        peer: NodeId,
        /// Why.
        refusal: Refusal,
    },
    /// A home with facts in it is not recovered into.
    #[error("this home holds {} already", count(*facts, "fact"))]
    HomeInUse {
        /// How many.
        facts: u64,
    },
    /// The home belongs to another key than the recovery phrase.
    #[error("the home {home} belongs to another key, {}", node.short())]
    OtherKeyInHome {
        /// The home.
        home: String,
        /// Its key.
        node: NodeId,
    },
    /// The recovery phrase is not one.
    #[error(transparent)]
    Phrase(#[from] antiphon_vault::phrase::Error),
    /// No member was chosen to keep a sealed copy.
    #[error("no member was chosen to keep a sealed copy")]
    NoHolder,
    /// Too many members were chosen.
    #[error("at most {0} members can keep a sealed copy of one node")]
    TooManyHolders(usize),
    /// A member did not do what it was asked with a sealed copy.
    #[error("{peer}: {fault}")]
    CopyFault {
        /// Who.
        peer: NodeId,
        /// Why.
        fault: CopyFault,
    },
    /// A part of a sealed copy could not be made.
    #[error(transparent)]
    SealedCopy(#[from] antiphon_vault::sealed_copy::Error),
    /// The peer could not be reached.
    #[error("{peer} could not be reached: {}", reason.name())]
    Unreachable {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: Reason,
    },
    /// An address that is none.
    #[error("{0:?} is not an address a node can be reached at")]
    Address(String),
    /// The home directory cannot be used.
    #[error(transparent)]
    Home(#[from] crate::home::Error),
    /// A node cannot greet itself.
    #[error("this address is the node's own")]
    OwnAddress,
    /// The key file cannot be used.
    #[error(transparent)]
    Key(#[from] antiphon_vault::file::Error),
    /// A secret could not be made.
    #[error(transparent)]
    Secret(#[from] antiphon_vault::key::Error),
    /// The system gave no random bytes.
    #[error(transparent)]
    Random(#[from] antiphon_vault::random::Error),
    /// The database could not be read or written.
    #[error(transparent)]
    Store(#[from] antiphon_store::Error),
    /// The network side could not start.
    #[error(transparent)]
    NetStart(#[from] antiphon_net::BuildError),
    /// The network side could not do what it was asked.
    #[error(transparent)]
    Net(#[from] antiphon_net::Error),
    /// A file of a secret cannot be used.
    #[error(transparent)]
    SecretFile(#[from] antiphon_vault::secret_file::Error),
    /// A team name that is unfit, or a genome that is damaged.
    #[error(transparent)]
    Genome(#[from] antiphon_core::genome::Error),
    /// A message that may not be sent.
    #[error(transparent)]
    Message(#[from] antiphon_core::letter::Error),
    /// No message has this id, or an id that begins so.
    #[error("no message {0}")]
    MessageNotFound(String),
    /// Several messages have ids that begin so.
    #[error("{count} messages have ids that begin with {prefix}")]
    MessageAmbiguous {
        /// What was given.
        prefix: String,
        /// How many there are.
        count: usize,
    },
    /// Nobody is there to get a message: no other member has the role, or all receivers have left.
    #[error("{}", if .0.is_empty() { "nobody is left to get it".to_owned() } else { format!("no other member has the role {}", .0) })]
    NobodyInRole(String),
    /// Nobody was named to get a message.
    #[error("nobody is named to get the message")]
    NobodyNamed,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
    /// The home already holds a node.
    #[error("{0} already holds a node")]
    Initialized(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_of_an_invitation_is_not_printed() {
        let role = "observer".to_owned();
        let text = format!("{:?}", Invitation { ticket: "antiphon1secret".into(), role, expires: UnixMillis(7) });
        assert!(text.contains("observer") && !text.contains("secret"), "{text}");
    }
}
