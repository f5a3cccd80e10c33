//! Merkle trees as in Certificate Transparency (RFC 6962 §2.1): a root over a list, and proofs of inclusion.
//!
//! Leaves and inner nodes are hashed with different prefixes, so that an inner node can never pass for a leaf.

use sha2::{Digest, Sha256};

use crate::ids::Hash;

/// Longest inclusion path: a tree of 2^64 leaves has no longer one.
pub const PATH_HASHES_MAX: usize = 64;

/// Hash of a leaf: `SHA-256(0x00 ‖ leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// Where a list of `len` leaves is split: the largest power of two below `len`.
fn split(len: usize) -> usize {
    debug_assert!(len > 1, "a single leaf is not split");
    1 << (usize::BITS - 1 - (len - 1).leading_zeros())
}

/// Root over leaf hashes; of none it is the hash of nothing.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// Audit path of the leaf at `index`, from the leaf upwards; `None` when there is no such leaf.
pub fn prove(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (prove(left, index)?, root(right))
    } else {
        (prove(right, index - left.len())?, root(left))
    };
    path.push(sibling);
    Some(path)
}

/// Whether `path` proves that `leaf` stands at `index` of `size` leaves under `root` (RFC 9162 §2.1.3.2).
#[must_use]
pub fn check(leaf: &[u8], index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size || path.len() > PATH_HASHES_MAX {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf_hash(leaf));
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_roots_of_the_rfc_6962_reference_leaves() {
        // Leaves of the Certificate Transparency reference implementations' test tree.
        let leaves: Vec<Vec<u8>> = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
            .iter()
            .map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
            .collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let check_root = |len: usize, want: &str| assert_eq!(root(&hashes[..len]).to_string(), want);
        check_root(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check_root(1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        check_root(2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        check_root(3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
    }

    proptest! {
        #[test]
        fn every_leaf_is_proved_and_nothing_else(size in 1..40_usize, pick in any::<prop::sample::Index>(), flip in 0..256_usize) {
            let leaves: Vec<Vec<u8>> = (0..size).map(|n| n.to_be_bytes().to_vec()).collect();
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            let (index, top) = (pick.index(size), root(&hashes));
            let path = prove(&hashes, index).unwrap();
            prop_assert!(check(&leaves[index], index as u64, size as u64, &path, &top));
            prop_assert!(!check(b"other", index as u64, size as u64, &path, &top));
            prop_assert!(!check(&leaves[index], index as u64 + 1, size as u64, &path, &top) || size > index + 1);
            let mut wrong = top;
            wrong.0[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!check(&leaves[index], index as u64, size as u64, &path, &wrong));
            prop_assert_eq!(prove(&hashes, size), None);
        }
    }
}
