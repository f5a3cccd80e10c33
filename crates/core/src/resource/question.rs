//! A search in another member's catalogue, asked of it directly, and its answer.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::Decoder;

use super::wire::{fit, key, read_fields, read_kind, read_labels, write_labels, write_text};
use super::{Error, Kind, LABEL_BYTES_MAX, PER_OWNER_MAX, Resource};
use crate::cbor;
use crate::fact::{TextError, check_label};

/// Longest text that is searched for, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;
/// Most entries of one answer.
pub const FOUND_MAX: usize = 100;
/// Most bytes of entries in one answer, counted before the entry that passes it.
pub const ANSWER_BYTES_MAX: usize = 192 * 1024;
/// Most capabilities that a summary names, the first in their order.
pub const CAPABILITIES_MAX: usize = 256;

/// What is looked for: everything that fits all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// Words of the name, the description, the capabilities or the tags; empty for all.
    pub text: String,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only with this capability.
    pub capability: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What a node offers, at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many resources of each kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// What they can do, at most [`CAPABILITIES_MAX`] of it.
    pub capabilities: BTreeSet<String>,
}

/// What was found in the catalogue of whoever was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The entries, best first.
    pub found: Vec<Resource>,
    /// What that node offers in all.
    pub summary: Summary,
}

impl Question {
    /// Checks every value, and that the limit is from 1 to [`FOUND_MAX`].
    ///
    /// # Errors
    /// [`Error`] with what is unfit.
    pub fn check(&self) -> Result<(), Error> {
        if self.text.len() > TEXT_BYTES_MAX {
            let (what, got) = ("the text searched for", self.text.len());
            return Err(TextError::TooLong { what, got, limit: TEXT_BYTES_MAX }.into());
        }
        for (what, label) in [("the capability", &self.capability), ("the tag", &self.tag)] {
            label.as_deref().map_or(Ok(()), |label| check_label(what, label, LABEL_BYTES_MAX))?;
        }
        if (1..=FOUND_MAX).contains(&self.limit) {
            Ok(())
        } else {
            Err(Error::TooMany { what: "entries in an answer", got: self.limit })
        }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 5);
            cbor::uint(out, 0);
            cbor::text(out, &self.text);
            cbor::uint(out, 1);
            match self.kind {
                Some(kind) => cbor::uint(out, kind.number().into()),
                None => cbor::null(out),
            }
            cbor::uint(out, 2);
            write_text(out, self.capability.as_deref());
            cbor::uint(out, 3);
            write_text(out, self.tag.as_deref());
            cbor::uint(out, 4);
            cbor::uint(out, self.limit as u64);
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        let label = |input: &mut Decoder<'_>| cbor::read_option(input, |input| cbor::read_text(input, LABEL_BYTES_MAX));
        cbor::decode(bytes, |input| {
            read_fields(input, 5)?;
            let question = Self {
                text: cbor::read_text(key(input, 0)?, TEXT_BYTES_MAX)?,
                kind: cbor::read_option(key(input, 1)?, read_kind)?,
                capability: label(key(input, 2)?)?,
                tag: label(key(input, 3)?)?,
                limit: usize::try_from(key(input, 4)?.u64()?).unwrap_or(usize::MAX),
            };
            let checked = question.check();
            fit(question, checked)
        })
    }
}

impl Summary {
    /// What these entries come to.
    pub fn of<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Self {
        let mut summary = Self::default();
        resources.into_iter().for_each(|resource| summary.add(resource));
        summary
    }

    /// Adds one entry.
    pub fn add(&mut self, resource: &Resource) {
        *self.kinds.entry(resource.kind).or_default() += 1;
        self.capabilities.extend(resource.capabilities.iter().cloned());
        while self.capabilities.len() > CAPABILITIES_MAX {
            self.capabilities.pop_last();
        }
    }

    /// How many resources in all.
    pub fn total(&self) -> u64 {
        self.kinds.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn read(input: &mut Decoder<'_>) -> Result<Self, cbor::Error> {
        read_fields(input, 2)?;
        let mut kinds = BTreeMap::new();
        for _ in 0..cbor::read_map(key(input, 0)?, Kind::ALL.len())? {
            let (kind, count) = (read_kind(input)?, input.u64()?);
            if count == 0 || count > PER_OWNER_MAX as u64 {
                return Err(cbor::Error::Value("a number of resources that nobody has"));
            }
            kinds.insert(kind, count);
        }
        let capabilities = read_labels(key(input, 1)?, CAPABILITIES_MAX)?;
        let fits = |label: &String| check_label("the capability", label, LABEL_BYTES_MAX).map_err(Error::from);
        let checked = capabilities.iter().try_for_each(fits);
        fit(Self { kinds, capabilities }, checked)
    }
}

impl Answer {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 2);
            cbor::uint(out, 0);
            cbor::array(out, self.found.len());
            self.found.iter().for_each(|resource| resource.write(out));
            cbor::uint(out, 1);
            cbor::map(out, 2);
            cbor::uint(out, 0);
            cbor::map(out, self.summary.kinds.len());
            for (kind, count) in &self.summary.kinds {
                cbor::uint(out, kind.number().into());
                cbor::uint(out, *count);
            }
            cbor::uint(out, 1);
            write_labels(out, &self.summary.capabilities);
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            read_fields(input, 2)?;
            let count = cbor::read_list(key(input, 0)?, FOUND_MAX)?;
            let found = (0..count).map(|_| Resource::read(input)).collect::<Result<Vec<_>, _>>()?;
            Ok(Self { found, summary: Summary::read(key(input, 1)?)? })
        })
    }
}
