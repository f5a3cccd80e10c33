//! Plaintexts of documents that were read lately, in memory alone.
//!
//! A document is asked for again soon or not at all, so an entry lives ten minutes. What was used least lately makes
//! room. Whoever loses the right to read loses the entry too: the policy is asked before the cache, and what it refuses
//! is dropped. Entries are wiped when the last reader is done with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::ids::{ContentId, Hash};
use antiphon_core::time::UnixMillis;
use zeroize::Zeroizing;

/// How long an entry lives, in milliseconds: ten minutes.
pub(crate) const CACHE_TTL_MS: u64 = 10 * 60 * 1_000;
/// How often entries that are over are looked for, in milliseconds: five minutes.
pub(crate) const CACHE_CLEANUP_MS: u64 = 5 * 60 * 1_000;
/// Most bytes of plaintext when nobody says otherwise.
pub(crate) const CACHE_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// The largest document that is kept, as a part of the bound.
const ENTRY_PARTS: usize = 4;

/// A plaintext that several may read at once.
pub(crate) type Plain = Arc<Zeroizing<Vec<u8>>>;

/// What became of a plaintext that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Kept {
    /// It is in the cache.
    Yes,
    /// It is too large for it.
    TooLarge,
}

#[derive(Debug)]
struct Held {
    plain: Plain,
    content: ContentId,
    role: String,
    at: UnixMillis,
    /// Place in the order of use.
    used: u64,
}

/// See the module. Keys are roots of ciphertexts, so an entry is one version of a document.
pub(crate) struct Cache {
    bytes_max: usize,
    bytes: usize,
    entries: BTreeMap<Hash, Held>,
    /// Roots by their last use, the longest ago first.
    order: BTreeMap<u64, Hash>,
    uses: u64,
}

/// Without the plaintexts.
impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("entries", &self.entries.len()).field("bytes", &self.bytes).finish()
    }
}

impl Cache {
    /// An empty one that holds at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, entries: BTreeMap::new(), order: BTreeMap::new(), uses: 0 }
    }

    /// Holds at most `bytes_max` bytes from now on; what was used longest ago makes room.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.order.first_key_value().map(|(_, root)| *root)
        {
            self.forget(&oldest);
        }
    }

    /// Most bytes of a document that is kept.
    pub(crate) const fn entry_bytes_max(&self) -> usize {
        self.bytes_max / ENTRY_PARTS
    }

    /// Bytes it holds.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Documents it holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The plaintext of a ciphertext, if it is here and not too old.
    pub(crate) fn get(&mut self, root: &Hash, now: UnixMillis) -> Option<Plain> {
        if self.entries.get(root).is_some_and(|held| is_over(held, now)) {
            self.forget(root);
        }
        let held = self.entries.get_mut(root)?;
        self.order.remove(&held.used);
        self.uses += 1;
        held.used = self.uses;
        self.order.insert(self.uses, *root);
        Some(held.plain.clone())
    }

    /// Keeps a plaintext, in the place of those that were used longest ago.
    pub(crate) fn put(&mut self, root: Hash, content: ContentId, role: &str, plain: Plain, now: UnixMillis) -> Kept {
        if plain.len() > self.entry_bytes_max() {
            return Kept::TooLarge;
        }
        self.forget(&root);
        while self.bytes + plain.len() > self.bytes_max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.forget(&oldest);
        }
        self.uses += 1;
        self.bytes += plain.len();
        self.order.insert(self.uses, root);
        let held = Held { plain, content, role: role.to_owned(), at: now, used: self.uses };
        self.entries.insert(root, held);
        Kept::Yes
    }

    /// Drops one version.
    pub(crate) fn forget(&mut self, root: &Hash) {
        if let Some(held) = self.entries.remove(root) {
            self.order.remove(&held.used);
            self.bytes -= held.plain.len();
        }
    }

    /// Drops every version of a document.
    pub(crate) fn forget_content(&mut self, content: &ContentId) {
        self.forget_where(|held| held.content == *content);
    }

    /// Drops what may not be read any more, and says how many.
    pub(crate) fn retain_roles(&mut self, may_read: impl Fn(&str) -> bool) -> usize {
        self.forget_where(|held| !may_read(&held.role))
    }

    /// Drops what is too old, and says how many.
    pub(crate) fn clean_up(&mut self, now: UnixMillis) -> usize {
        self.forget_where(|held| is_over(held, now))
    }

    fn forget_where(&mut self, gone: impl Fn(&Held) -> bool) -> usize {
        let roots: Vec<Hash> = self.entries.iter().filter(|(_, held)| gone(held)).map(|(root, _)| *root).collect();
        roots.iter().for_each(|root| self.forget(root));
        roots.len()
    }
}

/// What was kept in the future was kept before somebody set the clock back.
fn is_over(held: &Held, now: UnixMillis) -> bool {
    held.at > now || now.since(held.at) >= CACHE_TTL_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: UnixMillis = UnixMillis(1_000_000);

    fn root(n: u8) -> Hash {
        Hash([n; 32])
    }

    fn put(cache: &mut Cache, n: u8, bytes: usize, now: UnixMillis) -> Kept {
        let plain = Arc::new(Zeroizing::new(vec![n; bytes]));
        cache.put(root(n), ContentId([n % 2; 32]), if n.is_multiple_of(2) { "even" } else { "odd" }, plain, now)
    }

    fn check(cache: &Cache) {
        assert_eq!(cache.order.len(), cache.entries.len());
        assert_eq!(cache.bytes, cache.entries.values().map(|held| held.plain.len()).sum::<usize>());
        assert!(cache.bytes <= cache.bytes_max);
        assert!(cache.order.iter().all(|(used, root)| cache.entries[root].used == *used));
    }

    #[test]
    fn what_was_read_lately_stays_and_the_rest_makes_room() {
        let mut cache = Cache::new(100);
        for n in 1..=4 {
            assert_eq!(put(&mut cache, n, 25, T0), Kept::Yes);
        }
        assert!(cache.get(&root(1), T0).is_some());
        assert_eq!(put(&mut cache, 5, 20, T0), Kept::Yes);
        check(&cache);
        assert!(cache.get(&root(1), T0).is_some() && cache.get(&root(2), T0).is_none());
        assert_eq!((cache.len(), cache.bytes()), (4, 95));
    }

    #[test]
    fn a_document_beyond_a_quarter_of_the_bound_is_not_kept() {
        let mut cache = Cache::new(100);
        assert_eq!(put(&mut cache, 1, 26, T0), Kept::TooLarge);
        assert_eq!((cache.len(), cache.entry_bytes_max()), (0, 25));
    }

    #[test]
    fn a_smaller_cache_drops_what_was_used_longest_ago() {
        let mut cache = Cache::new(100);
        for n in 1..=4 {
            assert_eq!(put(&mut cache, n, 25, T0), Kept::Yes);
        }
        cache.set_bytes_max(60);
        check(&cache);
        assert_eq!((cache.len(), cache.bytes()), (2, 50));
        assert!(cache.get(&root(4), T0).is_some() && cache.get(&root(1), T0).is_none());
    }

    #[test]
    fn an_entry_lives_ten_minutes_whatever_the_clock_does() {
        let mut cache = Cache::new(100);
        assert_eq!(put(&mut cache, 1, 10, T0), Kept::Yes);
        assert!(cache.get(&root(1), T0.after(CACHE_TTL_MS - 1)).is_some());
        assert!(cache.get(&root(1), T0.after(CACHE_TTL_MS)).is_none());
        assert_eq!(put(&mut cache, 1, 10, T0.after(5)), Kept::Yes);
        assert_eq!((cache.clean_up(T0.after(6)), cache.clean_up(T0), cache.bytes()), (0, 1, 0));
    }

    #[test]
    fn deletion_and_a_lost_right_empty_it() {
        let mut cache = Cache::new(100);
        for n in 1..=4 {
            assert_eq!(put(&mut cache, n, 5, T0), Kept::Yes);
        }
        assert_eq!(cache.retain_roles(|role| role == "odd"), 2);
        check(&cache);
        cache.forget_content(&ContentId([1; 32]));
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
    }

    #[test]
    fn any_order_of_use_keeps_the_books() {
        let mut cache = Cache::new(64);
        let mut seed = 7_u64;
        for step in 0..2_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let n = seed.to_be_bytes()[0] % 16;
            match seed % 5 {
                0 => cache.forget(&root(n)),
                1 | 2 => drop(cache.get(&root(n), T0.after(step * 1_000))),
                _ => assert_ne!(put(&mut cache, n, usize::from(n), T0.after(step * 1_000)), Kept::TooLarge),
            }
            check(&cache);
        }
    }
}
