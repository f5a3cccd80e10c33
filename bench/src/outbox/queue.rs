//! A home with a queue that is filled behind its node's back.

use std::path::Path;
use std::sync::Arc;

use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{Bounds, Level, Outgoing, Protocol, Sealer, Subject};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_node::Home;
use antiphon_store::{Db, Options, Store, StoreOptions};
use antiphon_vault::{NodeKey, OutboxKey, file, random};

use crate::Outcome;

/// Bytes of the body of each item.
pub const BODY_BYTES: usize = 1_024;
/// No bound that matters.
pub const BOUNDS: Bounds = Bounds { items_per_peer: u64::MAX, bytes_per_peer: u64::MAX, bytes_in_all: u64::MAX };
/// Items of one call while a queue is filled.
const AT_ONCE: u64 = 1_000;

/// The key of a home, twice: as a signer and as what seals rows.
pub struct Keys {
    pub signer: Arc<dyn Signer>,
    pub sealer: Arc<dyn Sealer>,
}

impl Keys {
    pub fn of(home: &Path) -> Outcome<Self> {
        let key: NodeKey = file::load(&Home::new(home).key())?;
        let sealer = Arc::new(OutboxKey::derive(&key)?);
        Ok(Self { signer: Arc::new(key), sealer })
    }
}

/// Item number `n` for `peer`: a request for a receipt that is blown up to a body that nothing can compress. Each has a
/// subject of its own, so that none takes the place of another.
pub fn item(peer: NodeId, n: u64) -> Outcome<Outgoing> {
    let mut subject = [0; 16];
    subject[..8].copy_from_slice(&n.to_be_bytes());
    let body = random::bytes::<BODY_BYTES>()?.to_vec();
    Ok(Outgoing { peer, protocol: Protocol::CUSTODY_REQUEST, schema: 1, subject: Subject(subject), body })
}

/// Puts `count` items into the queue of a home whose node does not run.
pub fn fill(home: &Path, peer: NodeId, count: u64) -> Outcome<()> {
    let keys = Keys::of(home)?;
    let mut db = Db::open(home, Options { durable: false }, Some(keys.signer))?;
    db.begin_era(2, UnixMillis(1))?;
    for first in (0..count).step_by(AT_ONCE as usize) {
        let items: Outcome<Vec<_>> = (first..count.min(first + AT_ONCE)).map(|n| item(peer, n)).collect();
        let _pushed = db.enqueue(&items?, Level::Critical, keys.sealer.as_ref(), &BOUNDS, UnixMillis(2))?;
    }
    Ok(())
}

/// Opens the database of a home whose node does not run, as a node would.
pub fn open(home: &Path, signer: Arc<dyn Signer>) -> Outcome<Store> {
    let source = random::Source::new()?;
    Ok(Store::open(home, StoreOptions::new(move || source.draw()), Some(signer))?)
}
