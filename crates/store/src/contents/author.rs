//! Writing about documents: what stands decides the version number, and whether an event is needed.

use antiphon_core::content::{Entry, FIELDS_KNOWN, NewEntry, VERSION_MAX};
use antiphon_core::event::{Action, Header, Provenance, Subject};
use antiphon_core::frontier::Frontier;
use antiphon_core::ids::ContentId;
use antiphon_core::log::{LogId, Stream};
use antiphon_core::vclock::{self, VClock};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

use super::law::writes;
use super::{State, clocks, removals};
use crate::author::{Scene, Sketch, Stop, authored};
use crate::db::Db;
use crate::edits;
use crate::error::{AuthorError, Error};
use crate::view::{Authored, Outcome};

impl Db {
    /// Adds a version of a document to the index.
    pub(crate) fn put_content(
        &mut self,
        new: &NewEntry,
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        self.check_role(&new.creator_role)?;
        let id = new.address.id();
        let version = highest(&self.conn, &id)?.saturating_add(1).min(VERSION_MAX);
        let entry = new.clone().with_version(version);
        entry.validate().map_err(AuthorError::from)?;
        if let Some(held) = same(&self.conn, &id, &entry)? {
            return Ok(authored(&held, Outcome::Unchanged));
        }
        let sketch = Sketch {
            stream: Stream::Shared,
            action: Action::Set,
            subject: Subject::Content(id),
            version: self.put_version(&id)?,
            fields: FIELDS_KNOWN,
            values: entry.to_fields(),
            provenance: provenance.clone(),
        };
        Ok(self.write_projected(sketch, scene)?.authored())
    }

    /// Takes every version of a document away that is known here.
    pub(crate) fn remove_content(
        &mut self,
        id: ContentId,
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        let last = last_event(&self.conn, &id)?.ok_or(AuthorError::ContentNotFound(id))?;
        if !removable(&self.conn, &id)? {
            return Ok(authored(&last, Outcome::Unchanged));
        }
        let held = self.held_roles()?;
        if !held.iter().any(|role| writes(&self.cache.roles, role)) {
            return Err(AuthorError::MayNotRemove { held }.into());
        }
        let sketch = Sketch {
            stream: Stream::Shared,
            action: Action::Forget,
            subject: Subject::Content(id),
            version: self.removal_version(&id)?,
            fields: u64::MAX,
            values: BTreeMap::new(),
            provenance: provenance.clone(),
        };
        Ok(self.write_projected(sketch, scene)?.authored())
    }

    /// The roles that this node holds now.
    fn held_roles(&self) -> Result<Vec<String>, Stop> {
        let node = self.cache.own()?.node;
        let member = self.cache.membership.as_ref().and_then(|members| members.member(&node));
        Ok(member.map(|member| member.grant.roles.clone()).unwrap_or_default())
    }

    /// Whether this node may store in a role now.
    fn check_role(&self, role: &str) -> Result<(), Stop> {
        if self.cache.roles.get(role).is_none() {
            return Err(AuthorError::RoleUnknown(role.to_owned()).into());
        }
        if !writes(&self.cache.roles, role) {
            return Err(AuthorError::CreatorRoleReadOnly(role.to_owned()).into());
        }
        let held = self.held_roles()?;
        if held.iter().any(|held| held == role) {
            Ok(())
        } else {
            Err(AuthorError::CreatorRoleNotHeld { role: role.to_owned(), held }.into())
        }
    }

    /// A version that has seen all others. Where so many stores have written that none can be added, it has seen the own
    /// ones: nobody may close an address by writing to it. A removal can claim to have seen whatever is written here;
    /// then it is better to say so than to store what is removed already.
    fn put_version(&self, id: &ContentId) -> Result<VClock, Stop> {
        let full = match self.next_content_version(id)? {
            Ok(version) => return Ok(version),
            Err(full) => full,
        };
        let version = self.own_version(id, VClock::new())?;
        let removed = removals(&self.conn, id)?.iter().any(|removal| removal.covers(&version));
        if removed { Err(AuthorError::ContentVersion { content: *id, source: full }.into()) } else { Ok(version) }
    }

    /// A version that has seen all others; where that cannot be, all that there is to remove. Whoever stores what it is
    /// not entitled to must not keep others from taking a document away.
    fn removal_version(&self, id: &ContentId) -> Result<VClock, Stop> {
        if let Ok(version) = self.next_content_version(id)? {
            return Ok(version);
        }
        let mut version = VClock::new();
        for state in [State::Counts, State::Unknown] {
            for seen in clocks(&self.conn, id, state)? {
                version.merge(&seen).map_err(|source| AuthorError::ContentVersion { content: *id, source })?;
            }
        }
        self.own_version(id, version)
    }

    fn next_content_version(&self, id: &ContentId) -> Result<Result<VClock, vclock::Error>, Stop> {
        let standing = edits::standing(&self.conn, &Subject::Content(*id), Stream::Shared)?;
        let frontier = Frontier::from_edits(standing.into_iter().map(|stored| stored.edit).collect());
        let own = self.cache.own()?.store;
        let version = frontier.next_version(own);
        let most = self.own_count_max()?;
        let fits = |version: VClock| {
            if version.get(&own) > most { Err(vclock::Error::Overflow(own)) } else { Ok(version) }
        };
        Ok(version.and_then(fits))
    }

    /// The highest count of own edits that the next own event can bear. Others may claim to have seen more than this
    /// store has events; readers would refuse such a clock.
    fn own_count_max(&self) -> Result<u64, Stop> {
        let own = self.cache.own()?.store;
        Ok(self.entry(LogId::new(own, Stream::Shared))?.head.seq + 1)
    }

    /// The version after `seen` and all own ones.
    fn own_version(&self, id: &ContentId, mut seen: VClock) -> Result<VClock, Stop> {
        let own = self.cache.own()?.store;
        let all = edits::all(&self.conn, &Subject::Content(*id), Stream::Shared)?;
        let written = all.iter().filter(|stored| stored.edit.store == own).map(|stored| stored.edit.version.get(&own));
        let full = |source| AuthorError::ContentVersion { content: *id, source };
        seen.raise(own, written.max().unwrap_or(0)).map_err(full)?;
        seen.increment(own).map_err(full)?;
        if seen.get(&own) > self.own_count_max()? { Err(full(vclock::Error::Overflow(own)).into()) } else { Ok(seen) }
    }
}

/// The highest version number of a document that counts or was taken away; 0 when there is none.
fn highest(conn: &Connection, id: &ContentId) -> Result<u64, Error> {
    let mut highest = 0;
    for state in 0..2_i64 {
        let mut query =
            conn.prepare_cached("SELECT rank FROM contents WHERE id = ?1 AND state = ?2 ORDER BY rank DESC LIMIT 1")?;
        let rank: Option<Vec<u8>> = query.query_row(params![id.0, state], |row| row.get(0)).optional()?;
        let version = rank.as_deref().and_then(|rank| rank.first_chunk()).map(|bytes| u64::from_be_bytes(*bytes));
        highest = highest.max(version.unwrap_or(0));
    }
    Ok(highest)
}

/// The event of the version that stands, if it says the very same: somebody tries again who did not hear the answer.
fn same(conn: &Connection, id: &ContentId, entry: &Entry) -> Result<Option<Header>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header FROM contents c JOIN events v ON v.pos = c.pos
         WHERE c.id = ?1 AND c.latest = 1 AND c.root = ?2 AND c.creator_role = ?3 AND c.content_type = ?4",
    )?;
    let key = params![id.0, entry.root.0, entry.creator_role, entry.content_type];
    let header: Option<Vec<u8>> = query.query_row(key, |row| row.get(0)).optional()?;
    Ok(header.map(|header| Header::decode(&header)).transpose()?)
}

/// The last event about a document, if there is one.
fn last_event(conn: &Connection, id: &ContentId) -> Result<Option<Header>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT v.header FROM contents c JOIN events v ON v.pos = c.pos WHERE c.id = ?1 ORDER BY c.pos DESC LIMIT 1",
    )?;
    let header: Option<Vec<u8>> = query.query_row([id.0.as_slice()], |row| row.get(0)).optional()?;
    Ok(header.map(|header| Header::decode(&header)).transpose()?)
}

/// Whether there is a version that counts, or one of which that is not known.
fn removable(conn: &Connection, id: &ContentId) -> Result<bool, Error> {
    let mut query = conn.prepare_cached("SELECT 1 FROM contents WHERE id = ?1 AND state IN (0, 3) LIMIT 1")?;
    Ok(query.query_row([id.0.as_slice()], |_| Ok(())).optional()?.is_some())
}
