//! What is being read, served or fetched, so that nothing is dropped under anybody's hands.
//!
//! Whoever works on a ciphertext says so for as long as it does. Whoever wants to drop one asks first: it is told no while
//! somebody works on it, and while it drops it, those who come wait the moment that takes and then find nothing there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::ids::Hash;
use tokio::sync::Notify;

/// Which ciphertexts are in use. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct InUse(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    roots: Mutex<BTreeMap<Hash, State>>,
    dropped: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many work on it.
    Used(usize),
    /// It is being dropped.
    Going,
}

/// Somebody works on a ciphertext for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Using {
    of: InUse,
    root: Hash,
}

/// Somebody drops a ciphertext for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Dropping {
    of: InUse,
    root: Hash,
}

impl InUse {
    /// Says that somebody works on a ciphertext; waits while it is being dropped.
    pub(crate) async fn using(&self, root: Hash) -> Using {
        loop {
            let dropped = self.0.dropped.notified();
            tokio::pin!(dropped);
            // Before it is looked, so that nothing is missed in between.
            dropped.as_mut().enable();
            if let Some(using) = self.try_using(root) {
                return using;
            }
            dropped.await;
        }
    }

    fn try_using(&self, root: Hash) -> Option<Using> {
        let mut roots = self.roots();
        match roots.entry(root).or_insert(State::Used(0)) {
            State::Used(count) => *count += 1,
            State::Going => return None,
        }
        drop(roots);
        Some(Using { of: self.clone(), root })
    }

    /// Says that a ciphertext is being dropped; `None` while somebody works on it.
    pub(crate) fn dropping(&self, root: Hash) -> Option<Dropping> {
        let mut roots = self.roots();
        if roots.contains_key(&root) {
            return None;
        }
        roots.insert(root, State::Going);
        drop(roots);
        Some(Dropping { of: self.clone(), root })
    }

    /// Whether somebody works on a ciphertext now.
    pub(crate) fn is_used(&self, root: &Hash) -> bool {
        self.roots().contains_key(root)
    }

    fn roots(&self) -> MutexGuard<'_, BTreeMap<Hash, State>> {
        // A lock that a panicking thread left is as good as before: what it guards is changed in single steps.
        self.0.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        let mut roots = self.of.roots();
        match roots.get_mut(&self.root) {
            Some(State::Used(count)) if *count > 1 => *count -= 1,
            _ => drop(roots.remove(&self.root)),
        }
    }
}

impl Drop for Dropping {
    fn drop(&mut self) {
        self.of.roots().remove(&self.root);
        self.of.0.dropped.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Hash = Hash([7; 32]);

    #[tokio::test]
    async fn nothing_is_dropped_under_anybodys_hands() {
        let in_use = InUse::default();
        let (alice, bob) = (in_use.using(ROOT).await, in_use.using(ROOT).await);
        assert!(in_use.dropping(ROOT).is_none() && in_use.is_used(&ROOT));
        drop(alice);
        assert!(in_use.dropping(ROOT).is_none());
        drop(bob);
        let dropping = in_use.dropping(ROOT).unwrap();
        assert!(in_use.dropping(ROOT).is_none() && in_use.dropping(Hash([8; 32])).is_some());
        let waits = {
            let in_use = in_use.clone();
            tokio::spawn(async move { drop(in_use.using(ROOT).await) })
        };
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(dropping);
        waits.await.unwrap();
        assert!(in_use.roots().is_empty());
    }
}
