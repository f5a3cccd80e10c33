//! Which records are taken, and which of two stands.

use crate::cbor;
use crate::fact::TextError;
use crate::ids::NodeId;
use crate::time::UnixMillis;

use super::{Body, Key, LIFE_MAX_MS, Pointer, RECORD_BYTES_MAX, Realm, Record, Unchecked};

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than a record may be.
    #[error("a record of {got} bytes, the limit is {RECORD_BYTES_MAX}")]
    TooLarge {
        /// Bytes of it.
        got: usize,
    },
    /// Not made as a record is.
    #[error("malformed record: {0}")]
    Malformed(#[from] cbor::Error),
    /// It holds a text that may not be written as it is.
    #[error("unfit record: {0}")]
    Text(TextError),
    /// Its author signed it for another team.
    #[error("a record of another team")]
    OtherTeam,
    /// It belongs under another key.
    #[error("a record under a key that is not its own")]
    WrongKey,
    /// Whoever it names did not sign it.
    #[error("a record that its author did not sign")]
    NotSigned,
    /// Its author does not belong to the team now.
    #[error("a record by {0}, who is not a member")]
    NotAMember(NodeId),
    /// Its time is over.
    #[error("a record that ended {ago_ms} ms ago")]
    Expired {
        /// How long.
        ago_ms: u64,
    },
    /// It would live longer than a record may.
    #[error("a record that ends in {in_ms} ms, the limit is {LIFE_MAX_MS}")]
    TooLong {
        /// In how long it would end.
        in_ms: u64,
    },
    /// The event that it names says something else, or its author had no right to it.
    #[error("a pointer that its event does not authorise")]
    NotAuthorised,
    /// A newer one is there, or one with more authority.
    #[error("a record of version {got}, and version {held} is there")]
    Older {
        /// Its version.
        got: u64,
        /// The version that stands.
        held: u64,
    },
    /// One of the same version that says something else is there.
    #[error("a record that contradicts the one of version {version} that is there")]
    Contradicts {
        /// The version of both.
        version: u64,
    },
}

impl Refusal {
    /// The names of all reasons, in the order of their checks.
    pub const NAMES: [&'static str; 11] = [
        "record_too_large",
        "malformed_record",
        "record_of_another_team",
        "record_under_wrong_key",
        "record_not_signed",
        "record_not_by_a_member",
        "record_expired",
        "record_lives_too_long",
        "record_not_authorised",
        "record_older",
        "record_contradicts",
    ];

    /// Its stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "record_too_large",
            Self::Malformed(_) | Self::Text(_) => "malformed_record",
            Self::OtherTeam => "record_of_another_team",
            Self::WrongKey => "record_under_wrong_key",
            Self::NotSigned => "record_not_signed",
            Self::NotAMember(_) => "record_not_by_a_member",
            Self::Expired { .. } => "record_expired",
            Self::TooLong { .. } => "record_lives_too_long",
            Self::NotAuthorised => "record_not_authorised",
            Self::Older { .. } => "record_older",
            Self::Contradicts { .. } => "record_contradicts",
        }
    }
}

/// What the index of a node says of a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The event is known and says something else, or whoever wrote it had no right to.
    Refuted,
    /// The event is not known here.
    Unknown,
    /// The event is known and says the same.
    Authorised,
}

/// What a node knows and a record does not prove.
pub trait Knowledge {
    /// Whether the node belongs to the team now.
    fn is_member(&self, node: &NodeId) -> bool;
    /// What the index says of a pointer to this version.
    fn standing(&self, pointer: &Pointer, version: u64) -> Standing;
}

/// Reads a record and checks all that can be checked without others: its form, its place, its signature, its time.
///
/// # Errors
/// [`Refusal`] with the first that is wrong.
pub fn validate(
    signed: &[u8],
    key: &[u8],
    realm: &Realm,
    is_member: impl Fn(&NodeId) -> bool,
    now: UnixMillis,
) -> Result<Record, Refusal> {
    let unchecked = Unchecked::read(signed)?;
    let record = &unchecked.record;
    if record.team != realm.team {
        return Err(Refusal::OtherTeam);
    }
    if Key::parse(key, &realm.prefix) != Some(record.key()) {
        return Err(Refusal::WrongKey);
    }
    if !unchecked.is_signed() {
        return Err(Refusal::NotSigned);
    }
    if !is_member(&record.author) {
        return Err(Refusal::NotAMember(record.author));
    }
    if record.expires <= now {
        return Err(Refusal::Expired { ago_ms: now.since(record.expires) });
    }
    if record.expires.since(now) > LIFE_MAX_MS {
        return Err(Refusal::TooLong { in_ms: record.expires.since(now) });
    }
    Ok(unchecked.record)
}

/// A valid record and what the index says of it. A card needs no index: it is [`Standing::Authorised`].
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The record.
    pub record: &'a Record,
    /// What the index says.
    pub standing: Standing,
}

impl<'a> Claim<'a> {
    /// A record by what a node knows.
    pub fn new(record: &'a Record, knowledge: &dyn Knowledge) -> Self {
        let standing = match &record.body {
            Body::Pointer(pointer) => knowledge.standing(pointer, record.version),
            Body::Card(_) => Standing::Authorised,
        };
        Self { record, standing }
    }

    fn rank(&self) -> (Standing, u64) {
        (self.standing, self.record.version)
    }
}

/// What a record does to the one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It takes its place, or there was none.
    Replace,
    /// It says the same; whichever of the two ends later is kept.
    Refresh,
    /// What is held stays.
    Keep,
}

/// Which of two records under one key stands. Both are valid.
///
/// The one with more authority, then the one with the higher version. Of two that rank the same the one that was first
/// stays, so that nobody can put something else under a version that is out.
pub fn supersedes(new: Claim<'_>, held: Claim<'_>) -> Verdict {
    match new.rank().cmp(&held.rank()) {
        std::cmp::Ordering::Greater => Verdict::Replace,
        std::cmp::Ordering::Equal if new.record.body == held.record.body => Verdict::Refresh,
        std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Verdict::Keep,
    }
}

/// A record that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The record.
    pub record: Record,
    /// Whether its bytes are to be kept. Otherwise it repeats what is held, which ends no earlier.
    pub is_new: bool,
    /// When what is held from now on ends.
    pub expires: UnixMillis,
}

/// Weighs a record against what is held under its key and what the node knows.
///
/// What is held counts only if it would be taken today: a record that has ended, or whose author was put out, stands in
/// nobody's way.
///
/// # Errors
/// [`Refusal`] if it is not to be stored.
pub fn admit(
    signed: &[u8],
    key: &[u8],
    held: Option<&[u8]>,
    realm: &Realm,
    knowledge: &dyn Knowledge,
    now: UnixMillis,
) -> Result<Admitted, Refusal> {
    let record = validate(signed, key, realm, |node| knowledge.is_member(node), now)?;
    let claim = Claim::new(&record, knowledge);
    if claim.standing == Standing::Refuted {
        return Err(Refusal::NotAuthorised);
    }
    let held = held.and_then(|held| Record::read(held).ok());
    let held = held.filter(|held| held.expires > now && knowledge.is_member(&held.author));
    let held = held.as_ref().map(|held| Claim::new(held, knowledge)).filter(|held| held.standing != Standing::Refuted);
    let Some(held) = held else {
        return Ok(Admitted { expires: record.expires, is_new: true, record });
    };
    match supersedes(claim, held) {
        Verdict::Replace => Ok(Admitted { expires: record.expires, is_new: true, record }),
        Verdict::Refresh => {
            let is_new = record.expires > held.record.expires;
            Ok(Admitted { expires: record.expires.max(held.record.expires), is_new, record })
        }
        Verdict::Keep if claim.rank() == held.rank() => Err(Refusal::Contradicts { version: record.version }),
        Verdict::Keep => Err(Refusal::Older { got: record.version, held: held.record.version }),
    }
}
