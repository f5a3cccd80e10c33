//! The audit trail: who stored and read which document, in lines that cannot be changed unnoticed.
//!
//! After something leaked, the question is who opened it and when, and an answer is worth what it takes to falsify it. A
//! table that a program appends to can be edited by whoever can open the file. So every line is hashed together with
//! the hash of the line before it: changing, leaving out or inserting one changes every hash after it, and somebody who
//! has noted a single hash at some time can tell.
//!
//! Limits: whoever owns the file can rewrite the whole chain, or cut off its end. Only a hash that was noted elsewhere
//! shows that.

use std::fmt;

use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::cbor::{self, Error};
use crate::ids::{Hash, NodeId};
use crate::time::UnixMillis;

/// What separates the hashes of a trail from all others.
const DOMAIN: &[u8] = b"antiphon/trail/1";
/// Longest address in a line, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 512;
/// Longest other text in a line, in bytes. What is longer is cut.
pub const TEXT_BYTES_MAX: usize = 256;
/// Most bytes of a line.
pub const LINE_BYTES_MAX: usize = 2_048;
/// What the first line names as the hash before it.
pub const BEGINNING: Hash = Hash([0; 32]);

/// What was done, or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A document was stored.
    Store,
    /// A document was read.
    Retrieve,
    /// The key of a role was used, or given out.
    KeyAccess,
    /// A document was removed.
    Remove,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Store, Self::Retrieve, Self::KeyAccess, Self::Remove];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Retrieve => "retrieve",
            Self::KeyAccess => "key_access",
            Self::Remove => "remove",
        }
    }

    /// The operation of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    const fn number(self) -> u64 {
        match self {
            Self::Store => 0,
            Self::Retrieve => 1,
            Self::KeyAccess => 2,
            Self::Remove => 3,
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.number() == number)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What holds the lines of one operation together: 16 random bytes, written as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrailId(pub [u8; 16]);

impl fmt::Display for TrailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TrailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One line: something that was done, or tried and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When, by the clock of the node.
    pub at: UnixMillis,
    /// What.
    pub operation: Operation,
    /// On which node.
    pub node: NodeId,
    /// The document; empty where the act is not about one.
    pub address: String,
    /// In which role, or with the key of which.
    pub role: Option<String>,
    /// Of which type the document is.
    pub content_type: Option<String>,
    /// Its bytes.
    pub size: Option<u64>,
    /// Why it did not succeed; `None` when it did.
    pub error: Option<String>,
    /// Which operation it belongs to.
    pub trail: TrailId,
}

impl Act {
    /// The canonical bytes of the line. Texts that are too long are cut.
    pub fn encode(&self) -> Vec<u8> {
        let texts = [(4, &self.role), (5, &self.content_type)];
        let given = texts.iter().filter(|(_, text)| text.is_some()).count();
        let len = 5 + given + usize::from(self.size.is_some()) + usize::from(self.error.is_some());
        cbor::encode(|out| {
            cbor::map(out, len);
            cbor::uint(out, 0);
            cbor::uint(out, self.at.0);
            cbor::uint(out, 1);
            cbor::uint(out, self.operation.number());
            cbor::uint(out, 2);
            cbor::bytes(out, &self.node.0);
            cbor::uint(out, 3);
            cbor::text(out, cut(&self.address, ADDRESS_BYTES_MAX));
            for (key, text) in texts {
                if let Some(text) = text {
                    cbor::uint(out, key);
                    cbor::text(out, cut(text, TEXT_BYTES_MAX));
                }
            }
            if let Some(size) = self.size {
                cbor::uint(out, 6);
                cbor::uint(out, size);
            }
            if let Some(error) = &self.error {
                cbor::uint(out, 7);
                cbor::text(out, cut(error, TEXT_BYTES_MAX));
            }
            cbor::uint(out, 8);
            cbor::bytes(out, &self.trail.0);
        })
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, read)
    }
}

/// The hash of a line that follows the one with the hash `before`.
pub fn link(before: &Hash, line: &[u8]) -> Hash {
    let digest = Sha256::new().chain_update(DOMAIN).chain_update(before.0).chain_update(line);
    Hash(digest.finalize().into())
}

fn read(input: &mut Decoder<'_>) -> Result<Act, Error> {
    let (mut at, mut operation, mut node, mut address, mut trail) = (None, None, None, None, None);
    let (mut role, mut content_type, mut size, mut error) = (None, None, None, None);
    for _ in 0..cbor::read_map(input, 16)? {
        match input.u64()? {
            0 => at = Some(UnixMillis(input.u64()?)),
            1 => operation = Operation::from_number(input.u64()?),
            2 => node = Some(NodeId(cbor::read_array(input)?)),
            3 => address = Some(cbor::read_text(input, ADDRESS_BYTES_MAX)?),
            4 => role = Some(cbor::read_text(input, TEXT_BYTES_MAX)?),
            5 => content_type = Some(cbor::read_text(input, TEXT_BYTES_MAX)?),
            6 => size = Some(input.u64()?),
            7 => error = Some(cbor::read_text(input, TEXT_BYTES_MAX)?),
            8 => trail = Some(TrailId(cbor::read_array(input)?)),
            _ => input.skip()?,
        }
    }
    Ok(Act {
        at: at.ok_or(Error::Missing(0))?,
        operation: operation.ok_or(Error::Missing(1))?,
        node: node.ok_or(Error::Missing(2))?,
        address: address.ok_or(Error::Missing(3))?,
        role,
        content_type,
        size,
        error,
        trail: trail.ok_or(Error::Missing(8))?,
    })
}

fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=text.len().min(limit)).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act() -> Act {
        Act {
            at: UnixMillis(1_700_000_000_000),
            operation: Operation::Retrieve,
            node: NodeId([3; 32]),
            address: "ucxl://alice/backend_developer/acme/login/decision".into(),
            role: Some("senior_architect".into()),
            content_type: Some("text/markdown".into()),
            size: Some(4_096),
            error: None,
            trail: TrailId([7; 16]),
        }
    }

    #[test]
    fn a_line_reads_back() {
        let bare = Act { role: None, content_type: None, size: None, error: Some("no key".into()), ..act() };
        for act in [act(), bare] {
            assert_eq!(Act::decode(&act.encode()), Ok(act));
        }
    }

    #[test]
    fn whatever_somebody_names_a_document_the_line_stays_short() {
        let long = "ä".repeat(5_000);
        let act = Act {
            address: long.clone(),
            role: Some(long.clone()),
            content_type: Some(long.clone()),
            error: Some(long),
            ..act()
        };
        let line = act.encode();
        assert!(line.len() <= LINE_BYTES_MAX, "{}", line.len());
        assert_eq!(Act::decode(&line).unwrap().address.len(), ADDRESS_BYTES_MAX);
    }

    #[test]
    fn the_same_line_at_another_place_has_another_hash() {
        let first = link(&BEGINNING, &act().encode());
        assert_ne!(first, link(&first, &act().encode()));
        assert_ne!(first, Hash::of(&act().encode()));
    }
}
