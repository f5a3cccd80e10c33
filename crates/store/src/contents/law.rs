//! Who may store documents and take them away.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::event::{Header, Payload, Subject};
use antiphon_core::ids::{ContentId, NodeId};
use antiphon_core::log::Stream;
use antiphon_core::roles::{Authority, Roles};
use rusqlite::params;

use super::{State, note, settle};
use crate::cause::Cause;
use crate::db::Db;
use crate::edits;
use crate::erase::Law;
use crate::error::Error;
use crate::{project, row};

/// Whether documents may be stored in a role.
pub(super) fn writes(roles: &Roles, role: &str) -> bool {
    roles.get(role).is_some_and(|rule| rule.authority != Authority::ReadOnly)
}

impl Law {
    /// Whether `author` was ever entitled to store documents as `role`. Like an erasure's, this hardly ever turns from
    /// yes to no: what somebody stored while holding a role stays when the role is taken away.
    pub(crate) fn may_store(&self, author: &NodeId, role: &str) -> bool {
        let Some(members) = &self.members else { return false };
        members.ever_held(author).any(|held| held == role) && writes(&self.roles, role)
    }

    /// Whether `author` was ever entitled to take documents away: as whoever may store any, or as a steward.
    pub(crate) fn may_remove(&self, author: &NodeId) -> bool {
        let Some(members) = &self.members else { return false };
        members.ever_held(author).any(|role| writes(&self.roles, role)) || members.ever_stewards().contains(author)
    }
}

/// Events of one log that were stored in one role and stand alike.
struct Group {
    log: i64,
    state: i64,
    role: Option<String>,
}

impl Db {
    /// Judges again who was entitled to what, after the charter changed.
    pub(crate) fn judge_documents(&mut self) -> Result<(), Error> {
        let law = self.law()?;
        let authors: BTreeMap<i64, NodeId> = self.cache.logs.values().map(|entry| (entry.id, entry.node)).collect();
        for group in self.groups()? {
            let Some(author) = authors.get(&group.log) else { continue };
            let role = group.role.as_deref().unwrap_or_default();
            let entitled = match group.state {
                state if state == State::Removal as i64 => law.may_remove(author),
                _ => law.may_store(author, role),
            };
            let counts = group.state != State::Unauthorised as i64;
            if entitled != counts {
                self.judge_group(&group)?;
            }
        }
        Ok(())
    }

    fn groups(&self) -> Result<Vec<Group>, Error> {
        let mut query = self
            .conn
            .prepare_cached("SELECT DISTINCT log, state, creator_role FROM contents WHERE state IN (0, 1, 2, 4)")?;
        let groups =
            query.query_map([], |found| Ok(Group { log: found.get(0)?, state: found.get(1)?, role: found.get(2)? }))?;
        Ok(groups.collect::<Result<_, _>>()?)
    }

    /// Turns around what was said of these events.
    fn judge_group(&self, group: &Group) -> Result<(), Error> {
        let mut query = self
            .conn
            .prepare_cached("SELECT pos, id FROM contents WHERE log = ?1 AND state = ?2 AND creator_role IS ?3")?;
        let mut rows = query.query(params![group.log, group.state, group.role])?;
        let mut due: Vec<(i64, ContentId)> = Vec::new();
        while let Some(found) = rows.next()? {
            due.push((found.get(0)?, row::content(found, 1)?));
        }
        drop(rows);
        for (pos, id) in &due {
            if group.state == State::Removal as i64 {
                project::withdraw(&self.conn, &Subject::Content(*id), Stream::Shared, &[*pos])?;
                project::quarantine(&self.conn, *pos, Cause::NotAllowed)?;
                continue;
            }
            let entitled = group.state == State::Unauthorised as i64;
            super::set_state(&self.conn, *pos, if entitled { State::Counts } else { State::Unauthorised })?;
            if entitled {
                self.conn.prepare_cached("DELETE FROM quarantine WHERE pos = ?1")?.execute([pos])?;
            } else {
                project::quarantine(&self.conn, *pos, Cause::Unauthorised)?;
            }
        }
        let documents: BTreeSet<ContentId> = due.into_iter().map(|(_, id)| id).collect();
        documents.iter().try_for_each(|id| settle(&self.conn, id))
    }

    /// Reads an event about a document again whose header counts already: its payload came, or can be read by now.
    pub(crate) fn note_again(&self, pos: i64, header: &Header) -> Result<(), Error> {
        if header.subject.content().is_none() || !edits::counts(&self.conn, header, pos)? {
            return Ok(());
        }
        let mut query = self.conn.prepare_cached(
            "SELECT v.log, l.node, v.header, v.payload, v.signature FROM events v JOIN logs l ON l.id = v.log
             WHERE v.pos = ?1",
        )?;
        let mut rows = query.query([pos])?;
        let Some(found) = rows.next()? else { return Ok(()) };
        let (log, author, event) = (found.get(0)?, row::node(found, 1)?, row::event(found, 2)?);
        let payload = event.payload().and_then(|payload| Payload::decode(payload, header.fields).ok());
        note(&self.conn, &self.law()?, &author, (pos, log), &event, payload.as_ref()).map(drop)
    }
}
