//! What callers give and get: plain data, no rows, no handles.

use antiphon_core::charter::{Grant, Record, Revoke};
use antiphon_core::content::NewEntry;
use antiphon_core::event::{Action, Event, Provenance, Subject};
use antiphon_core::fact::{Edit, Fact, Field, Level};
use antiphon_core::ids::{ContentId, EventId, FactId, Hash, IncidentId, NodeId, StoreId, TeamId};
use antiphon_core::incident::{self, Incident, IncidentEdit, Severity, Status};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::value::Value;

use crate::cause::{Cause, Trouble};
use crate::divergence::Settlement;

/// Who will write: what a new store is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The key that signs.
    pub node: NodeId,
    /// The node's name for people.
    pub name: String,
    /// A fresh ULID; the store id derives from it.
    pub nonce: [u8; 16],
    /// The store of the same key that this one follows, with its heads.
    pub previous: Option<(StoreId, Vec<(LogId, Head)>)>,
}

/// Whose database this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The team.
    pub team: TeamId,
    /// The key that signs.
    pub node: NodeId,
    /// The node's name for people.
    pub name: String,
    /// The store.
    pub store: StoreId,
}

/// Verified events of one log, as another node handed them over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRun {
    /// Which log.
    pub log: LogId,
    /// The key that signs it.
    pub node: NodeId,
    /// Consecutive events.
    pub events: Vec<Event>,
}

/// What to do with the shared facts of the team that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bring {
    /// Facts of shared levels are published in the new team; the others stay on the node.
    Shared,
    /// Every fact stays on the node, whatever its level.
    None,
}

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draft {
    /// A new fact.
    Remember {
        /// Its id, where it was imported; else a fresh one.
        id: Option<FactId>,
        /// Its fields; the content is needed.
        edit: Edit,
        /// How it came to be.
        provenance: Provenance,
        /// Names the write, so that repeating it does nothing.
        idempotency_key: Option<String>,
    },
    /// A new fact that only a role can read. Every edit of it is sealed to the same role.
    RememberSealed {
        /// The role.
        role: String,
        /// Its id, where it was imported; else a fresh one.
        id: Option<FactId>,
        /// Its fields; the content is needed.
        edit: Edit,
        /// How it came to be.
        provenance: Provenance,
        /// Names the write, so that repeating it does nothing.
        idempotency_key: Option<String>,
    },
    /// Sets or clears fields.
    Edit {
        /// Which fact.
        fact: FactId,
        /// The fields.
        edit: Edit,
        /// How it came to be.
        provenance: Provenance,
    },
    /// Takes a fact out of memory for good, everywhere: its author's, or a steward's.
    Erase {
        /// Which fact.
        fact: FactId,
        /// How it came to be.
        provenance: Provenance,
    },
    /// Takes a fact out of memory, everywhere.
    Forget {
        /// Which fact.
        fact: FactId,
        /// How it came to be.
        provenance: Provenance,
    },
    /// Brings a forgotten fact back as it was.
    Restore {
        /// Which fact.
        fact: FactId,
        /// How it came to be.
        provenance: Provenance,
    },
    /// A new incident.
    ReportIncident {
        /// Its id, where it was imported; else a fresh one.
        id: Option<IncidentId>,
        /// Its fields; the title is needed.
        edit: IncidentEdit,
        /// How it came to be.
        provenance: Provenance,
    },
    /// Sets or clears fields of an incident.
    UpdateIncident {
        /// Which incident.
        incident: IncidentId,
        /// The fields.
        edit: IncidentEdit,
        /// How it came to be.
        provenance: Provenance,
    },
    /// A write that its caller named, so that repeating it does nothing.
    Named {
        /// The name.
        key: String,
        /// The write.
        draft: Box<Draft>,
    },
    /// A new version of a document.
    PutContent {
        /// What the index is to say; the version number is found here.
        entry: NewEntry,
        /// How it came to be.
        provenance: Provenance,
    },
    /// Takes every version of a document away that is known here, everywhere.
    RemoveContent {
        /// Which document.
        id: ContentId,
        /// How it came to be.
        provenance: Provenance,
    },
    /// Settles a divergence, unless that was done meanwhile.
    Settle {
        /// What is right.
        settlement: Settlement,
        /// The sides that whoever settles it has seen: with others it is not settled.
        seen: Vec<EventId>,
        /// How it came to be.
        provenance: Provenance,
    },
    /// Makes a node a member.
    Grant(Grant),
    /// Ends a membership; logs of the member that the cuts do not name are cut at what is held here.
    Revoke(Revoke),
    /// Writes any other charter record.
    Record(Record),
}

/// What a draft led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An event was written.
    Written,
    /// The fact or incident was there already; nothing was written.
    Existed,
    /// It says that already; nothing was written.
    Unchanged,
}

/// The event that stands for a draft: the one written, or the last one of the fact or incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authored {
    /// The fact, if it is about one.
    pub fact: Option<FactId>,
    /// The incident, if it is about one.
    pub incident: Option<IncidentId>,
    /// The document, if it is about one.
    pub content: Option<ContentId>,
    /// The event.
    pub event: EventId,
    /// The log it stands in.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// What happened.
    pub outcome: Outcome,
}

/// Where a log was found to have two branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkFound {
    /// The log.
    pub log: LogId,
    /// The first sequence number with two events.
    pub seq: u64,
}

/// What became of a run of events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Applied {
    /// Events that are new here.
    pub stored: usize,
    /// The log's head afterwards.
    pub head: Head,
    /// Events that were held already.
    pub duplicates: usize,
    /// New events of an action or type that waits for an upgrade.
    pub deferred: usize,
    /// New events that are kept and do not count.
    pub quarantined: usize,
    /// New events whose clock is too far in the future to move ours.
    pub ahead: usize,
    /// Payloads that were missing and came along now.
    pub filled: usize,
    /// Set when the events show that the log has two branches.
    pub fork: Option<ForkFound>,
    /// Whether the charter has new records.
    pub changed_charter: bool,
    /// Edits of facts among the new events; those of incidents are not counted.
    pub facts: usize,
    /// The gravest of what is wrong with the new events.
    pub trouble: Option<Trouble>,
}

/// An event that is kept and not, or not fully, applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The log it stands in.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// The event.
    pub event: EventId,
    /// What it is about.
    pub subject: Subject,
    /// Why.
    pub cause: Cause,
}

/// A log that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// Which log.
    pub log: LogId,
    /// The key that signs it.
    pub node: NodeId,
    /// The node's name when it opened the log.
    pub name: String,
    /// How much of it is held.
    pub head: Head,
    /// How far it is believed.
    pub verdict: Verdict,
}

/// Both branches of a forked log, as far as they are held: evidence anybody can check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkView {
    /// Which log.
    pub log: LogId,
    /// The first sequence number with two events.
    pub seq: u64,
    /// The branch that is held as the log: about a page of it, and at least up to a signature that covers it.
    pub held: Vec<Event>,
    /// The other branch, as far as it is kept.
    pub other: Vec<Event>,
}

/// Who wrote an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The store.
    pub store: StoreId,
    /// The key.
    pub node: NodeId,
    /// The node's name for people.
    pub name: String,
}

/// A fact with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactView {
    /// Its standing values.
    pub fact: Fact,
    /// The stream that decides: shared with the team, or local to this node.
    pub stream: Stream,
    /// Who wrote the text that is shown.
    pub author: Author,
    /// How that text came to be, as far as its payload is held.
    pub provenance: Provenance,
    /// Time of the last edit, by its author's clock.
    pub updated_at: UnixMillis,
    /// Fields for which distinct values stand.
    pub diverged: Vec<Field>,
    /// Whether it was forgotten.
    pub forgotten: bool,
    /// Whether it was forgotten for good: nothing can bring it back.
    pub erased: bool,
    /// Whether values are missing because a payload is not held.
    pub incomplete: bool,
    /// Whether it is sealed and this node has not the key: then nothing of it is shown.
    pub closed: bool,
    /// How often it was recalled on this node.
    pub hits: u64,
    /// When it was last recalled on this node.
    pub last_hit: Option<UnixMillis>,
}

/// One edit of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditView<F = Field> {
    /// The event.
    pub event: EventId,
    /// The log it stands in.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// Who wrote it.
    pub author: Author,
    /// When, by the author's clock.
    pub hlc: Hlc,
    /// What it did.
    pub action: Action,
    /// Fields it set, with their values, and fields it cleared. Empty when the payload is not held.
    pub fields: Vec<(F, Option<Value>)>,
    /// How it came to be; `None` when the payload is not held.
    pub provenance: Option<Provenance>,
    /// Fields for which it still stands.
    pub standing: Vec<F>,
}

/// One of several values that stand for a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side<F = Field> {
    /// The field.
    pub field: F,
    /// Its value: `Some(None)` when cleared, `None` when the payload is not held.
    pub value: Option<Option<Value>>,
    /// The event that says so.
    pub event: EventId,
    /// Who wrote it.
    pub author: Author,
    /// When, by the author's clock.
    pub hlc: Hlc,
    /// Whether it forgot the whole.
    pub deleted: bool,
    /// How it came to be; `None` when the payload is not held.
    pub provenance: Option<Provenance>,
}

/// What a text stands for, when it should name a fact or an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<Id = FactId> {
    /// Exactly one.
    One(Id),
    /// Several begin like this; some of them.
    Ambiguous(Vec<Id>),
    /// None.
    None,
}

impl<Id: Copy> Resolved<Id> {
    pub(crate) fn from_ids(ids: Vec<Id>) -> Self {
        match ids.as_slice() {
            [] => Self::None,
            [id] => Self::One(*id),
            _ => Self::Ambiguous(ids),
        }
    }
}

/// An incident with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentView {
    /// Its standing values.
    pub incident: Incident,
    /// Who reported it: the author of its first edit that counts.
    pub reporter: Author,
    /// How the title that is shown came to be, as far as its payload is held.
    pub provenance: Provenance,
    /// When it was last edited, by that author's clock.
    pub updated_at: UnixMillis,
    /// The values that stand for each diverged field, the shown one of each field first.
    pub diverged: Vec<Side<incident::Field>>,
    /// Whether a value is not known: the report or the payload of a standing edit is not held.
    pub incomplete: bool,
}

/// Which incidents to list. The default lists all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IncidentFilter {
    /// Only of this status.
    pub status: Option<Status>,
    /// Only of this severity.
    pub severity: Option<Severity>,
    /// Only those with a divergence.
    pub diverged: bool,
}

/// Which facts to list. The default lists all that are neither forgotten nor archived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FactFilter {
    /// Only of this level.
    pub level: Option<Level>,
    /// Only of this domain.
    pub domain: Option<String>,
    /// Only of this module.
    pub module: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only whose text this node wrote.
    pub author: Option<NodeId>,
    /// Only those with a divergence.
    pub diverged: bool,
    /// Also those that are archived.
    pub include_archived: bool,
    /// Also those that were forgotten.
    pub include_forgotten: bool,
    /// The time at which times to live are judged; `None` lets them all pass.
    pub now: Option<UnixMillis>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Facts that are not forgotten.
    pub facts: u64,
    /// Facts that were forgotten.
    pub forgotten: u64,
    /// Facts that are sealed to a role whose key this node has not; they are in none of the others but the erased.
    pub closed: u64,
    /// Facts that were forgotten for good, those included.
    pub erased: u64,
    /// Facts with a divergence.
    pub diverged: u64,
    /// Incidents with a divergence.
    pub diverged_incidents: u64,
    /// Incidents, closed ones included.
    pub incidents: u64,
    /// Events of all logs.
    pub events: u64,
    /// Logs.
    pub logs: u64,
    /// Events that are kept and not, or not fully, applied.
    pub quarantined: u64,
    /// Events whose payload is not held.
    pub without_payload: u64,
    /// Events that came from the future; they are applied.
    pub skewed: u64,
}

/// An event whose payload is not held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPayload {
    /// The log it stands in.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// The hash to ask for.
    pub hash: Hash,
    /// Bytes it has.
    pub len: u64,
}

/// What a check of the whole database found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Report {
    /// Events that were checked.
    pub events: u64,
    /// Logs that were checked.
    pub logs: u64,
    /// Facts that were checked.
    pub facts: u64,
    /// What is wrong, in words, at most [`crate::PROBLEMS_MAX`].
    pub problems: Vec<String>,
    /// Logs whose key signed two branches: nothing is wrong with this database, but with whoever wrote them.
    pub forked: Vec<LogView>,
}
