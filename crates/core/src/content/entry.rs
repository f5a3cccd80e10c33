//! Entries of the index: what the team knows of one version of a document.
//!
//! The document itself lies with some machines, encrypted. That it is there, where it belongs, who stored it and for
//! whom travels to everybody as an event of the shared stream, so that searching asks nobody. One event sets all fields:
//! a version is stored as a whole, and two that are stored at once are two versions, not a mixture of both.
//!
//! The version number is what its author says: one more than the highest it knew. Two authors who do not see each other
//! say the same number, so the order of versions is that of (version, clock, store), which all members compute alike.
//!
//! Limits: an author may say any number up to [`VERSION_MAX`]. Then those who follow say the same one, and the clock
//! decides.

use std::collections::BTreeMap;

use super::{BLOCK_BYTES, Field, MANIFEST_CHILDREN_MAX};
use crate::address::{self, Address};
use crate::fact::{TextError, check_label};
use crate::ids::{ContentId, Hash};
use crate::roles::{ROLES_MAX, is_role_name};
use crate::time::UnixMillis;
use crate::value::Value;

/// Highest version, size and time: what a database's integers hold.
pub const VERSION_MAX: u64 = i64::MAX.unsigned_abs();
/// Longest content type, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 128;
/// Most roles that one document is encrypted for.
pub const ENCRYPTED_FOR_MAX: usize = ROLES_MAX;
/// Longest ciphertext, in bytes: what two levels of manifests can list.
pub const STORED_BYTES_MAX: u64 = BLOCK_BYTES * (MANIFEST_CHILDREN_MAX * MANIFEST_CHILDREN_MAX) as u64;

/// Why an entry cannot be written, or what was read is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is missing or of the wrong kind.
    #[error("the {0} of a document is missing or malformed")]
    Field(&'static str),
    /// The address is none, or not in its canonical form.
    #[error(transparent)]
    Address(#[from] address::Error),
    /// The address belongs to another document than the one that the event is about.
    #[error("{address} is not the address of document {id}")]
    OtherDocument {
        /// The address.
        address: String,
        /// The document.
        id: ContentId,
    },
    /// Versions count from 1.
    #[error("version {0} of a document, versions count from 1 to {VERSION_MAX}")]
    Version(u64),
    /// A name that cannot name a role.
    #[error("{0:?} cannot name a role")]
    Role(String),
    /// Nobody can read it, or more roles than there can be, or the same one twice.
    #[error("a document for {0} roles, it may be for 1 to {ENCRYPTED_FOR_MAX} different ones, in order")]
    Roles(usize),
    /// The role that stored it could not read it.
    #[error("a document of role {0} that is not encrypted for it")]
    CreatorCannotRead(String),
    /// The content type is unfit.
    #[error(transparent)]
    ContentType(#[from] TextError),
    /// Sizes that cannot be those of a document and its ciphertext.
    #[error(
        "a document of {size} bytes in {stored} bytes of ciphertext, which is longer and has at most {STORED_BYTES_MAX}"
    )]
    Size {
        /// Bytes of the document.
        size: u64,
        /// Bytes of the ciphertext.
        stored: u64,
    },
    /// A time that no clock shows.
    #[error("a document stored at {0} milliseconds, the limit is {VERSION_MAX}")]
    Time(u64),
}

/// One version of a document before it is written: its number is found when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Where it belongs.
    pub address: Address,
    /// The role in which it is stored.
    pub creator_role: String,
    /// Which roles can read it, in order, and by which of their keys; the creator role is one of them.
    pub encrypted_for: Vec<(String, Hash)>,
    /// What kind of document it is, such as `text/markdown`.
    pub content_type: String,
    /// When it was stored.
    pub created_at: UnixMillis,
    /// Bytes of the document.
    pub size: u64,
    /// Bytes of the ciphertext.
    pub stored_size: u64,
    /// SHA-256 of the whole ciphertext.
    pub hash: Hash,
    /// The root manifest of the ciphertext.
    pub root: Hash,
}

impl NewEntry {
    /// The entry with its version number.
    pub fn with_version(self, version: u64) -> Entry {
        let Self { address, creator_role, encrypted_for, content_type, created_at, size, stored_size, hash, root } =
            self;
        Entry { address, version, creator_role, encrypted_for, content_type, created_at, size, stored_size, hash, root }
    }
}

/// What the index says of one version of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it belongs.
    pub address: Address,
    /// Which version it is, as its author counts: one more than the highest it knew.
    pub version: u64,
    /// The role in which it was stored.
    pub creator_role: String,
    /// Which roles can read it, in order, and by which of their keys; the creator role is one of them.
    pub encrypted_for: Vec<(String, Hash)>,
    /// What kind of document it is, such as `text/markdown`.
    pub content_type: String,
    /// When it was stored, by its author's clock.
    pub created_at: UnixMillis,
    /// Bytes of the document.
    pub size: u64,
    /// Bytes of the ciphertext.
    pub stored_size: u64,
    /// SHA-256 of the whole ciphertext.
    pub hash: Hash,
    /// The root manifest of the ciphertext.
    pub root: Hash,
}

impl Entry {
    /// Which key of the creator role can read it.
    pub fn key_epoch(&self) -> Option<Hash> {
        self.epoch_of(&self.creator_role)
    }

    /// Which key of `role` can read it; `None` if it is not for that role.
    pub fn epoch_of(&self, role: &str) -> Option<Hash> {
        self.encrypted_for.iter().find(|(name, _)| name == role).map(|(_, epoch)| *epoch)
    }

    /// Checks what an author must keep; readers check the same.
    ///
    /// # Errors
    /// [`Error`] with the first rule that is broken.
    pub fn validate(&self) -> Result<(), Error> {
        if self.version == 0 || self.version > VERSION_MAX {
            return Err(Error::Version(self.version));
        }
        let roles = self.encrypted_for.iter().map(|(role, _)| role);
        if let Some(role) = roles.chain([&self.creator_role]).find(|role| !is_role_name(role)) {
            return Err(Error::Role(role.chars().take(80).collect()));
        }
        let in_order = self.encrypted_for.is_sorted_by(|(one, _), (next, _)| one < next);
        if self.encrypted_for.is_empty() || self.encrypted_for.len() > ENCRYPTED_FOR_MAX || !in_order {
            return Err(Error::Roles(self.encrypted_for.len()));
        }
        if self.key_epoch().is_none() {
            return Err(Error::CreatorCannotRead(self.creator_role.clone()));
        }
        check_label("content_type", &self.content_type, CONTENT_TYPE_BYTES_MAX)?;
        if self.size >= self.stored_size || self.stored_size > STORED_BYTES_MAX {
            return Err(Error::Size { size: self.size, stored: self.stored_size });
        }
        if self.created_at.0 > VERSION_MAX { Err(Error::Time(self.created_at.0)) } else { Ok(()) }
    }

    /// The fields of the payload.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        let hash = |hash: &Hash| Value::Bytes(hash.0.to_vec());
        let epoch = |(role, epoch): &(String, Hash)| Value::List(vec![Value::Text(role.clone()), hash(epoch)]);
        BTreeMap::from([
            (Field::Address.bit(), Value::Text(self.address.to_string())),
            (Field::Version.bit(), Value::Uint(self.version)),
            (Field::CreatorRole.bit(), Value::Text(self.creator_role.clone())),
            (Field::EncryptedFor.bit(), Value::List(self.encrypted_for.iter().map(epoch).collect())),
            (Field::ContentType.bit(), Value::Text(self.content_type.clone())),
            (Field::CreatedAt.bit(), Value::Uint(self.created_at.0)),
            (Field::Size.bit(), Value::Uint(self.size)),
            (Field::StoredSize.bit(), Value::Uint(self.stored_size)),
            (Field::Hash.bit(), hash(&self.hash)),
            (Field::Root.bit(), hash(&self.root)),
        ])
    }

    /// Reads the fields of a payload of an event about document `id`.
    ///
    /// # Errors
    /// [`Error`] with the first thing that is wrong.
    pub fn from_fields(id: &ContentId, fields: &BTreeMap<u8, Value>) -> Result<Self, Error> {
        let get = |field: Field| {
            let value = fields.get(&field.bit()).filter(|value| field.kind().fits(value));
            value.ok_or(Error::Field(field.name()))
        };
        let text = |field: Field| get(field)?.as_text().ok_or(Error::Field(field.name()));
        let uint = |field: Field| get(field)?.as_uint().ok_or(Error::Field(field.name()));
        let hash = |field: Field| get(field)?.as_array().map(Hash).ok_or(Error::Field(field.name()));
        let epoch = |value: &Value| {
            let [role, epoch] = value.as_list()? else { return None };
            Some((role.as_text()?.to_owned(), Hash(epoch.as_array()?)))
        };
        let encrypted_for = get(Field::EncryptedFor)?.as_list().unwrap_or_default().iter().map(epoch);
        let entry = Self {
            address: Address::read(text(Field::Address)?)?,
            version: uint(Field::Version)?,
            creator_role: text(Field::CreatorRole)?.to_owned(),
            encrypted_for: encrypted_for.collect::<Option<_>>().ok_or(Error::Field(Field::EncryptedFor.name()))?,
            content_type: text(Field::ContentType)?.to_owned(),
            created_at: UnixMillis(uint(Field::CreatedAt)?),
            size: uint(Field::Size)?,
            stored_size: uint(Field::StoredSize)?,
            hash: hash(Field::Hash)?,
            root: hash(Field::Root)?,
        };
        if entry.address.id() != *id {
            return Err(Error::OtherDocument { address: entry.address.to_string(), id: *id });
        }
        entry.validate()?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let roles = [("backend_developer", 1), ("senior_architect", 2)];
        Entry {
            address: Address::read("ucxl://alice/backend_developer/shop/task-7/decision").unwrap(),
            version: 3,
            creator_role: "backend_developer".into(),
            encrypted_for: roles.into_iter().map(|(role, n): (&str, u8)| (role.into(), Hash::of(&[n]))).collect(),
            content_type: "text/markdown".into(),
            created_at: UnixMillis(1_700_000_000_000),
            size: 12,
            stored_size: 400,
            hash: Hash::of(b"ciphertext"),
            root: Hash::of(b"root"),
        }
    }

    #[test]
    fn an_entry_reads_back_and_every_field_is_needed() {
        let (entry, id) = (entry(), entry().address.id());
        let fields = entry.to_fields();
        assert_eq!(Entry::from_fields(&id, &fields), Ok(entry.clone()));
        assert_eq!(fields.len(), Field::ALL.len());
        for field in Field::ALL {
            let mut without = fields.clone();
            without.remove(&field.bit());
            assert_eq!(Entry::from_fields(&id, &without), Err(Error::Field(field.name())));
            let wrong = BTreeMap::from_iter(fields.clone().into_iter().chain([(field.bit(), Value::Bool(true))]));
            assert_eq!(Entry::from_fields(&id, &wrong), Err(Error::Field(field.name())));
        }
        assert_eq!(entry.key_epoch(), Some(Hash::of(&[1])));
        assert_eq!((entry.epoch_of("senior_architect"), entry.epoch_of("admin")), (Some(Hash::of(&[2])), None));
    }

    #[test]
    fn eve_cannot_file_a_document_under_another_address() {
        let other = Address::read("ucxl://bob/backend_developer/shop/task-7").unwrap().id();
        assert!(matches!(Entry::from_fields(&other, &entry().to_fields()), Err(Error::OtherDocument { .. })));
        let mut fields = entry().to_fields();
        fields.insert(0, Value::Text(format!("{}/", entry().address)));
        assert!(matches!(Entry::from_fields(&entry().address.id(), &fields), Err(Error::Address(_))));
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_author_and_its_readers() {
        let refused = |change: &dyn Fn(&mut Entry)| {
            let mut other = entry();
            change(&mut other);
            let refused = other.validate().unwrap_err();
            assert_eq!(Entry::from_fields(&other.address.id(), &other.to_fields()), Err(refused.clone()));
            refused
        };
        assert_eq!(refused(&|entry| entry.version = 0), Error::Version(0));
        assert_eq!(refused(&|entry| entry.version = u64::MAX), Error::Version(u64::MAX));
        assert_eq!(refused(&|entry| entry.creator_role = "Not A Role".into()), Error::Role("Not A Role".into()));
        assert_eq!(refused(&|entry| entry.creator_role = "admin".into()), Error::CreatorCannotRead("admin".into()));
        assert_eq!(refused(&|entry| entry.encrypted_for.clear()), Error::Roles(0));
        assert_eq!(refused(&|entry| entry.encrypted_for.reverse()), Error::Roles(2));
        assert_eq!(refused(&|entry| entry.encrypted_for[1].0 = "backend_developer".into()), Error::Roles(2));
        assert!(matches!(refused(&|entry| entry.content_type = "text\nplain".into()), Error::ContentType(_)));
        assert!(matches!(refused(&|entry| entry.size = 400), Error::Size { .. }));
        assert!(matches!(refused(&|entry| entry.stored_size = STORED_BYTES_MAX + 1), Error::Size { .. }));
        assert_eq!(refused(&|entry| entry.created_at.0 = u64::MAX), Error::Time(u64::MAX));
    }

    #[test]
    fn the_longest_entry_fits_into_a_payload() {
        let mut entry = entry();
        let role = |n: usize| (format!("{n:0>48}"), Hash([0xff; 32]));
        entry.encrypted_for = (0..ENCRYPTED_FOR_MAX).map(role).collect();
        entry.creator_role = entry.encrypted_for[0].0.clone();
        entry.content_type = "x".repeat(CONTENT_TYPE_BYTES_MAX);
        entry.validate().unwrap();
        let payload =
            crate::event::Payload { salt: [1; 16], provenance: Default::default(), fields: entry.to_fields() };
        assert!(payload.encode(crate::log::Stream::Shared).unwrap().len() < 16 * 1024);
    }
}
