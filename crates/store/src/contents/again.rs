//! Writing events about documents again that were set aside.
//!
//! A version is a whole, so it is written again as a whole, under the number it had: what lay behind others lies behind
//! them again. Where a later version was stored meanwhile under the same number, it goes one below, so that what is
//! newer stays what is shown.

use antiphon_core::content::{Entry, FIELDS_KNOWN};
use antiphon_core::event::{Action, Header, Payload, Provenance};
use antiphon_core::ids::ContentId;
use antiphon_core::log::Stream;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;

use crate::author::Scene;
use crate::db::Db;
use crate::edits;
use crate::error::Error;
use crate::write_again::Said;

impl Db {
    pub(crate) fn put_again(
        &mut self,
        id: &ContentId,
        header: &Header,
        payload: Payload,
        scene: &mut Scene,
    ) -> Result<Said, Error> {
        let Ok(mut entry) = Entry::from_fields(id, &payload.fields) else { return Ok(Said::Nothing) };
        let node = self.cache.own()?.node;
        if self.is_known(id, &entry)? || !self.law()?.may_store(&node, &entry.creator_role) {
            return Ok(Said::Nothing);
        }
        let standing = edits::standing(&self.conn, &header.subject, Stream::Shared)?;
        let removals: Vec<_> =
            standing.iter().filter(|stored| stored.header.action == Action::Forget).cloned().collect();
        if self.is_overtaken(header, FIELDS_KNOWN, &removals)? {
            return Ok(Said::Nothing);
        }
        if self.is_overtaken(header, FIELDS_KNOWN, &standing)? {
            entry.version = entry.version.saturating_sub(1).max(1);
        }
        self.write_on_top(header, (Action::Set, FIELDS_KNOWN), entry.to_fields(), payload.provenance, &standing, scene)
    }

    pub(crate) fn remove_again(
        &mut self,
        header: &Header,
        provenance: Provenance,
        scene: &mut Scene,
    ) -> Result<Said, Error> {
        let standing = edits::standing(&self.conn, &header.subject, Stream::Shared)?;
        let gone = standing.iter().all(|stored| stored.header.action == Action::Forget);
        if gone || self.is_overtaken(header, FIELDS_KNOWN, &standing)? {
            return Ok(Said::Nothing);
        }
        self.write_on_top(header, (Action::Forget, u64::MAX), BTreeMap::new(), provenance, &standing, scene)
    }

    /// Whether a version with this ciphertext is known already.
    fn is_known(&self, id: &ContentId, entry: &Entry) -> Result<bool, Error> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM contents WHERE id = ?1 AND root = ?2 LIMIT 1")?;
        Ok(query.query_row(params![id.0, entry.root.0], |_| Ok(())).optional()?.is_some())
    }
}
