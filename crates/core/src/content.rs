//! Documents: what is too long for a fact, encrypted for roles, and held by some machines rather than all.
//!
//! A document is one [age](https://age-encryption.org/v1) file, sealed to the roles that may read it. Any machine may
//! hold it, since it cannot read it, and a machine that fetches it must notice at once when it is given something else.
//! The hash of the whole file tells that only at the end, after a gigabyte. So the file is cut into blocks, each named
//! by its own hash, and the hashes are listed in manifests, which are named by their hash in turn: from one name, the
//! root, every byte can be checked as it comes, from whomever it comes, and a transfer that broke goes on where it was.

mod entry;
mod field;
mod manifest;
mod recipients;

pub use entry::{
    CONTENT_TYPE_BYTES_MAX, ENCRYPTED_FOR_MAX, Entry, Error as EntryError, NewEntry, STORED_BYTES_MAX, VERSION_MAX,
};
pub use field::{FIELDS_KNOWN, Field};
pub use manifest::{BLOCK_BYTES, Error as ManifestError, MANIFEST_BYTES_MAX, MANIFEST_CHILDREN_MAX, Manifest, Shape};
pub use recipients::{LeftOut, LeftOutWhy, Recipient, Recipients, recipients};
