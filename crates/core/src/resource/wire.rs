//! How an entry, and all that is said about one, is written: canonical CBOR, maps with the keys 0, 1, 2… of which none
//! may be missing and none may be added. What grows gets a new schema.

use std::collections::BTreeSet;

use minicbor::{Decoder, Encoder};

use super::{
    ADDRESS_BYTES_MAX, DESCRIPTION_BYTES_MAX, Kind, LABEL_BYTES_MAX, LABELS_MAX, NAME_BYTES_MAX, Resource, Stamp,
};
use crate::cbor::{self, Error};
use crate::ids::ResourceId;
use crate::time::UnixMillis;

/// Reads the head of a map with exactly the keys below `len`.
pub(super) fn read_fields(input: &mut Decoder<'_>, len: usize) -> Result<(), Error> {
    if cbor::read_map(input, len)? == len as u64 { Ok(()) } else { Err(Error::Value("a map with too few keys")) }
}

/// Reads the key that must come next.
pub(super) fn key<'a, 'b>(input: &'a mut Decoder<'b>, want: u64) -> Result<&'a mut Decoder<'b>, Error> {
    if input.u64()? == want { Ok(input) } else { Err(Error::Missing(want)) }
}

/// What is read must also be fit.
pub(super) fn fit<T>(value: T, checked: Result<(), super::Error>) -> Result<T, Error> {
    checked.map(|()| value).map_err(|error| Error::Malformed(error.to_string()))
}

/// Writes a text or null.
pub(super) fn write_text(out: &mut Encoder<&mut Vec<u8>>, text: Option<&str>) {
    match text {
        Some(text) => cbor::text(out, text),
        None => cbor::null(out),
    }
}

pub(super) fn read_kind(input: &mut Decoder<'_>) -> Result<Kind, Error> {
    Kind::from_number(input.u64()?).ok_or(Error::Value("a kind of resource that this version does not know"))
}

pub(super) fn read_id(input: &mut Decoder<'_>) -> Result<ResourceId, Error> {
    cbor::read_array(input).map(ResourceId)
}

pub(super) fn write_stamp(out: &mut Encoder<&mut Vec<u8>>, stamp: Stamp) {
    cbor::array(out, 2);
    cbor::uint(out, stamp.at.0);
    cbor::uint(out, stamp.version);
}

pub(super) fn read_stamp(input: &mut Decoder<'_>) -> Result<Stamp, Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(Error::Value("a stamp has two parts"));
    }
    let stamp = Stamp { at: UnixMillis(input.u64()?), version: input.u64()? };
    fit(stamp, stamp.check())
}

pub(super) fn write_labels(out: &mut Encoder<&mut Vec<u8>>, labels: &BTreeSet<String>) {
    cbor::array(out, labels.len());
    labels.iter().for_each(|label| cbor::text(out, label));
}

/// Labels stand in ascending order, each once.
pub(super) fn read_labels(input: &mut Decoder<'_>, limit: usize) -> Result<BTreeSet<String>, Error> {
    let mut labels = BTreeSet::new();
    for _ in 0..cbor::read_list(input, limit)? {
        let label = cbor::read_text(input, LABEL_BYTES_MAX)?;
        if labels.last().is_some_and(|last| *last >= label) {
            return Err(Error::Value("labels ascend"));
        }
        labels.insert(label);
    }
    Ok(labels)
}

impl Resource {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| self.write(out))
    }

    /// Reads an entry and checks it.
    ///
    /// # Errors
    /// Whatever is not canonical, too long, or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, Self::read)
    }

    pub(super) fn write(&self, out: &mut Encoder<&mut Vec<u8>>) {
        cbor::map(out, 8);
        cbor::uint(out, 0);
        cbor::bytes(out, &self.id.0);
        cbor::uint(out, 1);
        cbor::uint(out, self.kind.number().into());
        cbor::uint(out, 2);
        cbor::text(out, &self.name);
        cbor::uint(out, 3);
        cbor::text(out, &self.description);
        cbor::uint(out, 4);
        write_text(out, self.address.as_deref());
        cbor::uint(out, 5);
        write_labels(out, &self.capabilities);
        cbor::uint(out, 6);
        write_labels(out, &self.tags);
        cbor::uint(out, 7);
        write_stamp(out, self.stamp);
    }

    pub(super) fn read(input: &mut Decoder<'_>) -> Result<Self, Error> {
        read_fields(input, 8)?;
        let resource = Self {
            id: read_id(key(input, 0)?)?,
            kind: read_kind(key(input, 1)?)?,
            name: cbor::read_text(key(input, 2)?, NAME_BYTES_MAX)?,
            description: cbor::read_text(key(input, 3)?, DESCRIPTION_BYTES_MAX)?,
            address: cbor::read_option(key(input, 4)?, |input| cbor::read_text(input, ADDRESS_BYTES_MAX))?,
            capabilities: read_labels(key(input, 5)?, LABELS_MAX)?,
            tags: read_labels(key(input, 6)?, LABELS_MAX)?,
            stamp: read_stamp(key(input, 7)?)?,
        };
        let checked = resource.check();
        fit(resource, checked)
    }
}
