//! Documents that are put into homes behind their nodes' backs, since a hundred thousand one by one would take long.
//!
//! Their bytes are random and no age files: nobody reads them here, and copies are made and proved of ciphertexts. What
//! each node knows of the others' copies is put in too, as if they had proved them just now: a member answers for 64
//! blocks in a second, so proving them all takes half an hour.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use antiphon_core::address::Address;
use antiphon_core::content::NewEntry;
use antiphon_core::event::Provenance;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::History;
use antiphon_core::time::UnixMillis;
use antiphon_node::Home;
use antiphon_store::{Db, Draft, Finished, Options, ReplicaEvidence, ReplicaNote};
use antiphon_vault::{NodeKey, file, random};

use crate::Outcome;
use crate::corpus::Random;

/// Bytes of each ciphertext.
pub const BYTES: usize = 1_024;
/// Bytes that the document itself would have.
const PLAIN_BYTES: u64 = 512;
/// Documents of one transaction.
const AT_ONCE: u64 = 256;

/// Whose home it is.
pub fn node(home: &Path) -> Outcome<NodeId> {
    let key: NodeKey = file::load(&Home::new(home).key())?;
    Ok(key.node_id())
}

/// Puts `count` ciphertexts into a home, of which `others` have copies, and into its index if `role` says in which role
/// they are stored.
pub fn fill(home: &Path, count: u64, role: Option<&str>, others: &[NodeId]) -> Outcome<()> {
    let key: NodeKey = file::load(&Home::new(home).key())?;
    let mut db = Db::open(home, Options { durable: false }, Some(Arc::new(key)))?;
    let blobs = db.blobs();
    for first in (0..count).step_by(AT_ONCE as usize) {
        let numbers = first..count.min(first + AT_ONCE);
        let (mut drafts, mut notes) = (Vec::new(), Vec::new());
        for number in numbers {
            let mut writing = blobs.begin()?;
            writing.write_all(&bytes(number))?;
            let finished = writing.finish()?;
            db.keep_blob(&finished)?;
            for node in others {
                notes.push(proved(finished.name(), *node)?);
            }
            if let Some(role) = role {
                drafts.push(draft(number, role, &finished)?);
            }
        }
        for authored in db.author(&drafts, now()?, random::bytes()?)? {
            authored?;
        }
        db.note_replicas(&notes)?;
    }
    Ok(())
}

fn proved(root: Hash, node: NodeId) -> Outcome<ReplicaNote> {
    let history = History::default().with(true);
    Ok(ReplicaNote { root, node, evidence: ReplicaEvidence::Proved, at: now()?, history })
}

fn draft(number: u64, role: &str, finished: &Finished) -> Outcome<Draft> {
    let address = Address::new("bench", role, "replication", "keys", &format!("document-{number}"))?;
    let entry = NewEntry {
        address,
        creator_role: role.to_owned(),
        encrypted_for: vec![(role.to_owned(), Hash::of(role.as_bytes()))],
        content_type: "application/octet-stream".to_owned(),
        created_at: now()?,
        size: PLAIN_BYTES,
        stored_size: finished.length(),
        hash: finished.hash,
        root: finished.name(),
    };
    Ok(Draft::PutContent { entry, provenance: Provenance::default() })
}

fn bytes(number: u64) -> Vec<u8> {
    let mut random = Random(number);
    (0..BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect()
}

fn now() -> Outcome<UnixMillis> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(UnixMillis(u64::try_from(since.as_millis())?))
}
