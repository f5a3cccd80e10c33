//! The key that seals what waits, watched: no key of a row may ever meet a nonce twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_core::outbox::{Binding, NoRandomness, Sealed, Sealer};
use antiphon_vault::{NodeKey, OutboxKey};

use crate::failure::{Broken, Law, Step};
use crate::options::Sabotage;

/// Bytes of a nonce, which stands first in what is sealed.
const NONCE_BYTES: usize = 12;

/// Row and era, from which a row's key is derived.
type Row = (u64, u64);

/// The key of a node's outbox, in all of its lives.
#[derive(Debug)]
pub(crate) struct Watched {
    key: OutboxKey,
    sabotage: Option<Sabotage>,
    seen: Mutex<Seen>,
}

/// What was sealed so far.
#[derive(Debug, Default)]
struct Seen {
    nonces: BTreeMap<Row, BTreeSet<Vec<u8>>>,
    /// A row whose key met a nonce again.
    again: Option<Row>,
    /// Real nonces, where they are replaced on purpose.
    real: BTreeMap<Row, Vec<u8>>,
    sealed: u64,
}

impl Watched {
    pub(crate) fn new(key: &NodeKey, sabotage: Option<Sabotage>) -> Step<Self> {
        let key = OutboxKey::derive(key).map_err(|error| Broken(Law::StoreWorks, error.to_string()))?;
        Ok(Self { key, sabotage, seen: Mutex::default() })
    }

    /// A row whose key met a nonce twice, if there is one.
    pub(crate) fn again(&self) -> Option<Row> {
        self.seen().again
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sealer for Watched {
    fn seal(&self, binding: &Binding, body: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let row = (binding.row, binding.place.era);
        let mut sealed = self.key.seal(binding, body)?;
        let mut seen = self.seen();
        seen.sealed += 1;
        match self.sabotage {
            Some(Sabotage::LeaveInClear) => {
                sealed.truncate(NONCE_BYTES);
                sealed.extend_from_slice(body);
            }
            Some(Sabotage::RepeatNonce) => {
                let nonce = sealed.splice(..NONCE_BYTES, [7; NONCE_BYTES]).collect();
                seen.real.insert(row, nonce);
            }
            _ => {}
        }
        let nonce = sealed.get(..NONCE_BYTES).unwrap_or_default().to_vec();
        if !seen.nonces.entry(row).or_default().insert(nonce) {
            seen.again = Some(row);
        }
        Ok(sealed)
    }

    fn open(&self, binding: &Binding, sealed: &[u8]) -> Result<Vec<u8>, Sealed> {
        match self.sabotage {
            Some(Sabotage::LeaveInClear) => Ok(sealed.get(NONCE_BYTES..).unwrap_or_default().to_vec()),
            Some(Sabotage::RepeatNonce) => {
                let real = self.seen().real.get(&(binding.row, binding.place.era)).cloned().unwrap_or_default();
                self.key.open(binding, &[real.as_slice(), sealed.get(NONCE_BYTES..).unwrap_or_default()].concat())
            }
            _ => self.key.open(binding, sealed),
        }
    }
}
