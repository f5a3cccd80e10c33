//! A new store for the same key, when the old one cannot be written any more.
//!
//! A home that was restored from an old copy and written before it heard from the others has signed two branches of
//! its log, and nothing after the fork counts. The way out is a new store under the same key that names the old one.
//! What was written beyond the fork is written again there ([`crate::write_again`]), so nothing is lost.

use antiphon_core::ids::StoreId;
use antiphon_core::log::{Head, LogId, Stream};

use crate::author::Scene;
use crate::cache::{LogEntry, set_own};
use crate::db::Db;
use crate::error::Error;
use crate::query::logs;
use crate::view::{Identity, Own};

impl Db {
    /// Opens the new store. `nonce` is a fresh ULID. The caller has a transaction open.
    pub(crate) fn renew(&mut self, nonce: [u8; 16], scene: &mut Scene) -> Result<Own, Error> {
        self.note_found(scene.now)?;
        let old = self.cache.own()?.clone();
        let previous = Some((old.store, self.counted_heads(old.store)?));
        let identity = Identity { node: old.node, name: old.name.clone(), nonce, previous };
        let own = Own { store: StoreId::derive(&old.team, &old.node, &nonce), ..old };
        set_own(&self.conn, &own)?;
        self.cache.own = Some(own.clone());
        self.open_logs(&identity, scene)?;
        Ok(own)
    }

    /// The heads of a store's logs that others hold, as far as they count.
    fn counted_heads(&self, store: StoreId) -> Result<Vec<(LogId, Head)>, Error> {
        let of_store = self.cache.logs.iter().filter(|(log, _)| log.store == store && log.stream != Stream::Local);
        let head = |(log, entry): (&LogId, &LogEntry)| {
            let seq = entry.counted();
            let hash = logs::header_hash_at(&self.conn, *log, seq)?;
            Ok((*log, hash.map_or(Head::EMPTY, |hash| Head { seq, hash })))
        };
        of_store.map(head).collect()
    }
}
