//! Documents: what is too long for a fact, encrypted for roles, and held by some machines rather than all.
//!
//! A document is one [age](https://age-encryption.org/v1) file, sealed to the roles that may read it. Any machine may
//! hold it, since it cannot read it, and a machine that fetches it must notice at once when it is given something else.
//! The hash of the whole file tells that only at the end, after a gigabyte. So the file is cut into blocks, each named
//! by its own hash, and the hashes are listed in manifests, which are named by their hash in turn: from one name, the
//! root, every byte can be checked as it comes, from whomever it comes, and a transfer that broke goes on where it was.

mod manifest;

pub use manifest::{BLOCK_BYTES, Error as ManifestError, MANIFEST_BYTES_MAX, MANIFEST_CHILDREN_MAX, Manifest, Shape};
