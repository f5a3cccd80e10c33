//! How many connections a door has.
//!
//! Each costs memory before it has said who it is. One machine of the network could take every place and keep it by
//! saying nothing, so it gets a share; this machine is not counted, because whoever is on it is many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Most connections of one door at the same time; the next one waits until one of them ends.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// Most connections of one address of another machine at the same time; the next one is closed.
pub(super) const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;

/// Who has how many. There are never more entries than connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Shares {
    /// One more connection of this address, if it may have one.
    pub(super) fn take(&self, peer: IpAddr) -> Option<Share> {
        if peer.is_loopback() {
            return Some(Share(None));
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_insert(0);
        if *count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Share(Some((self.clone(), peer))))
    }
}

/// Counts as long as it lives.
#[derive(Debug)]
pub(super) struct Share(Option<(Shares, IpAddr)>);

impl Drop for Share {
    fn drop(&mut self) {
        let Some((shares, peer)) = &self.0 else { return };
        let mut counts = shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_the_network_gets_a_share_and_gives_it_back() {
        let shares = Shares::default();
        let eve: IpAddr = "203.0.113.9".parse().unwrap();
        let taken: Vec<Share> = (0..CONNECTIONS_PER_ADDRESS_MAX).map(|_| shares.take(eve).unwrap()).collect();
        assert!(shares.take(eve).is_none());
        assert!(shares.take("203.0.113.8".parse().unwrap()).is_some());
        let here: Vec<Share> =
            (0..CONNECTIONS_MAX).map(|_| shares.take("127.0.0.1".parse().unwrap()).unwrap()).collect();
        assert_eq!(here.len(), CONNECTIONS_MAX);
        drop(taken);
        assert!(shares.take(eve).is_some());
        assert!(shares.0.lock().unwrap().is_empty());
    }
}
