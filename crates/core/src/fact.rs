//! Facts: what an agent or a person wants to be remembered.
//!
//! A fact is an id and a set of fields. An edit sets or clears some of them; the frontier of all edits says which
//! values stand. Values are checked here, once, before they are signed; what arrives from others is checked by kind
//! when it is projected, and a value of the wrong kind is left out, never trusted.

mod edit;
mod field;
mod level;
mod text;

use std::collections::BTreeMap;

pub use crate::edit::Kind;
pub use edit::{Edit, Error};
pub use field::{FIELDS_KNOWN, Field};
pub use level::{Level, Sharing, UnknownLevel};
pub use text::{CONTENT_BYTES_MAX, TextError, check_content, check_label, check_text, escape};

use crate::ids::FactId;
use crate::log::Stream;
use crate::time::UnixMillis;
use crate::value::Value;

/// What happens to a fact when its time to live has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpire {
    /// It is shown as stale.
    MarkStale,
    /// It leaves recall, and can be listed as archived.
    Archive,
    /// It is treated as forgotten.
    Delete,
}

impl OnExpire {
    /// Every choice; its position is its number.
    pub const ALL: [Self; 3] = [Self::MarkStale, Self::Archive, Self::Delete];

    /// Its name at the doors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MarkStale => "mark_stale",
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
    }
}

/// A place in a repository that a fact speaks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// File path inside the repository.
    pub path: String,
    /// Git blob id of the file as it was then, in hex.
    pub blob: String,
}

/// The standing values of a fact, typed. `content` is `None` when it was forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its id, the same on every node.
    pub id: FactId,
    /// The text.
    pub content: Option<String>,
    /// How far it reaches.
    pub level: Level,
    /// Area of knowledge.
    pub domain: Option<String>,
    /// Module inside the domain.
    pub module: Option<String>,
    /// Tags, in the order given.
    pub tags: Vec<String>,
    /// How sure the author is, in thousandths.
    pub confidence_permille: Option<u64>,
    /// Place in code it speaks about, as text.
    pub code_ref: Option<String>,
    /// The fact it belongs to.
    pub parent: Option<FactId>,
    /// Time to live from its creation, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// What happens after that.
    pub on_expire: OnExpire,
    /// Not true before.
    pub valid_from: Option<UnixMillis>,
    /// Not true after.
    pub valid_until: Option<UnixMillis>,
    /// The fact it replaces.
    pub supersedes: Option<FactId>,
    /// Marked as out of date.
    pub stale: bool,
    /// Out of recall, still listed.
    pub archived: bool,
    /// Facts it was derived from.
    pub derived_from: Vec<FactId>,
    /// Files it speaks about.
    pub anchors: Vec<Anchor>,
    /// Never leaves the node, whatever its level.
    pub private: bool,
    /// Sealed to this role.
    pub role: Option<String>,
    /// When it was first written, also where it was imported from elsewhere.
    pub created_at: UnixMillis,
    /// Where it was taken from: a file, an address.
    pub source: Option<String>,
}

impl Fact {
    /// Reads standing values; one of the wrong kind counts as absent.
    pub fn from_values(id: FactId, values: &BTreeMap<Field, Value>) -> Self {
        let get = |field: Field| values.get(&field).filter(|value| field.kind().fits(value));
        let text = |field| get(field).and_then(Value::as_text).map(str::to_owned);
        let uint = |field| get(field).and_then(Value::as_uint);
        let flag = |field| get(field).and_then(Value::as_bool).unwrap_or(false);
        let fact = |field| get(field).and_then(Value::as_array).map(FactId);
        let on_expire = uint(Field::OnExpire).and_then(|n| OnExpire::ALL.get(usize::try_from(n).ok()?).copied());
        Self {
            id,
            content: text(Field::Content),
            level: uint(Field::Level).and_then(Level::from_number).unwrap_or_default(),
            domain: text(Field::Domain),
            module: text(Field::Module),
            tags: get(Field::Tags).and_then(Value::as_texts).unwrap_or_default(),
            confidence_permille: uint(Field::Confidence),
            code_ref: text(Field::CodeRef),
            parent: fact(Field::Parent),
            ttl_ms: uint(Field::Ttl),
            on_expire: on_expire.unwrap_or(OnExpire::MarkStale),
            valid_from: uint(Field::ValidFrom).map(UnixMillis),
            valid_until: uint(Field::ValidUntil).map(UnixMillis),
            supersedes: fact(Field::Supersedes),
            stale: flag(Field::Stale),
            archived: flag(Field::Archived),
            derived_from: get(Field::DerivedFrom).and_then(ids_of).unwrap_or_default(),
            anchors: get(Field::Anchors).and_then(anchors_of).unwrap_or_default(),
            private: flag(Field::Private),
            role: text(Field::Role),
            created_at: uint(Field::CreatedAt).map_or(id.time(), UnixMillis),
            source: text(Field::Source),
        }
    }

    /// The stream its edits belong in.
    pub fn stream(&self) -> Stream {
        stream_of(self.level, self.private)
    }

    /// What its time to live has done to it by `now`.
    pub fn expired(&self, now: UnixMillis) -> Option<OnExpire> {
        let over = self.ttl_ms.is_some_and(|ttl| now > self.created_at.after(ttl));
        over.then_some(self.on_expire)
    }
}

/// Shared levels go into the shared stream unless the fact is private; everything else stays on the node.
pub fn stream_of(level: Level, private: bool) -> Stream {
    if level.is_shared() && !private { Stream::Shared } else { Stream::Local }
}

fn ids_of(value: &Value) -> Option<Vec<FactId>> {
    value.as_list()?.iter().map(|id| id.as_array().map(FactId)).collect()
}

fn anchors_of(value: &Value) -> Option<Vec<Anchor>> {
    let anchor = |value: &Value| {
        let [path, blob] = value.as_list()? else { return None };
        Some(Anchor { path: path.as_text()?.to_owned(), blob: blob.as_text()?.to_owned() })
    };
    value.as_list()?.iter().map(anchor).collect()
}
