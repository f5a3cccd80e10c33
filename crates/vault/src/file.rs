//! The key file `node.key`: a few lines of text that hold the root of a node's keys.
//!
//! ```text
//! antiphon node key 1
//! root <64 hex digits>
//! node <peer id>
//! check <16 hex digits>
//! ```
//!
//! The check line is the beginning of a SHA-256 over the lines before it, so that a damaged file is told from one
//! that holds another key. The node line says to people whose key it is, and shows at once if the same root ever
//! came to mean another node. The check gives nothing away: the root has 256 random bits.

use std::path::{Path, PathBuf};
use std::str;

use antiphon_core::ids::NodeId;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::key::{self, NodeKey};
use crate::phrase::ROOT_BYTES;
use crate::private_file::{self, PrivateFile};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "node.key";

const WHAT: &str = "key file";
const HEADER: &str = "antiphon node key 1";
/// What the header of every version begins with.
const HEADER_START: &str = "antiphon node key ";
const CHECK_DOMAIN: &[u8] = b"antiphon/node-key-file/1";
const CHECK_BYTES: usize = 8;
/// Enough for the whole text, so that building it leaves no unwiped copy behind.
const TEXT_BYTES: usize = 256;

/// Why a key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is missing, there already, readable by others, or cannot be used.
    #[error(transparent)]
    File(#[from] private_file::Error),
    /// It is some other file.
    #[error("{} is not an antiphon key file: its first line is not {HEADER:?}", .path.display())]
    Header {
        /// Where it is.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error("key file {} has a format that this version does not know, it knows {HEADER:?}", .path.display())]
    Version {
        /// Where it is.
        path: PathBuf,
    },
    /// It is a key file, but its content was changed.
    #[error("key file {} is damaged: {reason}", .path.display())]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// What is wrong in it.
        reason: &'static str,
    },
    /// It is whole, but its root does not belong to the node that it names.
    #[error("key file {} names node {stated}, its key is that of {derived}", .path.display())]
    Mismatch {
        /// Where it is.
        path: PathBuf,
        /// The node it names.
        stated: NodeId,
        /// The node its root belongs to.
        derived: NodeId,
    },
    /// The keys cannot be derived.
    #[error(transparent)]
    Key(#[from] key::Error),
}

impl Error {
    /// Whether there simply is no key file yet.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File(error) if error.is_not_found())
    }

    /// Whether there is a key file already, which is never overwritten.
    pub fn is_exists(&self) -> bool {
        matches!(self, Self::File(error) if error.is_exists())
    }

    /// The command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            _ => None,
        }
    }
}

/// Writes the key to a new file that only its owner can read; an existing file is never touched.
///
/// # Errors
/// When there is a file already ([`Error::is_exists`]) or it cannot be written.
pub fn create(path: &Path, key: &NodeKey) -> Result<(), Error> {
    Ok(PrivateFile { what: WHAT, path }.create(render(key).as_bytes())?)
}

/// Reads the key from a file.
///
/// # Errors
/// When there is none ([`Error::is_not_found`]), others may read it ([`Error::hint`] says how to mend that), or it
/// is not a whole key file.
pub fn load(path: &Path) -> Result<NodeKey, Error> {
    from_bytes(path, &PrivateFile { what: WHAT, path }.read()?)
}

/// Reads the key from what a key file at `path` holds; the path is for what errors say.
///
/// # Errors
/// As [`load`], of a file that could be read.
pub fn from_bytes(path: &Path, content: &[u8]) -> Result<NodeKey, Error> {
    let (root, stated) = parse(path, content)?;
    let key = NodeKey::from_root(&root)?;
    let derived = key.node_id();
    if derived != stated {
        return Err(Error::Mismatch { path: path.to_owned(), stated, derived });
    }
    Ok(key)
}

fn render(key: &NodeKey) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
    text.push_str(HEADER);
    text.push_str("\nroot ");
    HEXLOWER.encode_append(key.root(), &mut text);
    text.push_str("\nnode ");
    text.push_str(&key.node_id().to_string());
    let check = check_of(&text.lines().collect::<Vec<_>>());
    text.push_str("\ncheck ");
    text.push_str(&check);
    text.push('\n');
    text
}

/// The check over lines, so that an editor that changed the line ends did no damage.
fn check_of(lines: &[&str]) -> String {
    let mut digest = Sha256::new().chain_update(CHECK_DOMAIN);
    for line in lines {
        digest.update(line.as_bytes());
        digest.update(b"\n");
    }
    HEXLOWER.encode(&digest.finalize()[..CHECK_BYTES])
}

fn parse(path: &Path, content: &[u8]) -> Result<(Zeroizing<[u8; ROOT_BYTES]>, NodeId), Error> {
    let damaged = |reason| Error::Damaged { path: path.to_owned(), reason };
    check_header(path, content)?;
    let text = str::from_utf8(content).map_err(|_| damaged("it is not text"))?;
    let lines: Vec<&str> = text.lines().collect();
    let [header, root, node, check] = lines[..] else { return Err(damaged("it does not have 4 lines")) };
    if check.strip_prefix("check ") != Some(check_of(&[header, root, node]).as_str()) {
        return Err(damaged("its checksum fails"));
    }
    let root = root.strip_prefix("root ").and_then(decode_root).ok_or_else(|| damaged("its root line is wrong"))?;
    let node = node.strip_prefix("node ").and_then(|text| text.parse().ok());
    Ok((root, node.ok_or_else(|| damaged("its node line is wrong"))?))
}

/// Looks at bytes, not text: a file that is no text at all is still told by its first line.
fn check_header(path: &Path, content: &[u8]) -> Result<(), Error> {
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line == HEADER.as_bytes() {
        return Ok(());
    }
    let path = path.to_owned();
    if line.starts_with(HEADER_START.as_bytes()) { Err(Error::Version { path }) } else { Err(Error::Header { path }) }
}

fn decode_root(digits: &str) -> Option<Zeroizing<[u8; ROOT_BYTES]>> {
    let mut root = Zeroizing::new([0; ROOT_BYTES]);
    if digits.len() != 2 * ROOT_BYTES {
        return None;
    }
    HEXLOWER.decode_mut(digits.as_bytes(), root.as_mut_slice()).ok()?;
    Some(root)
}
