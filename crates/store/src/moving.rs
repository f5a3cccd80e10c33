//! Moving to another team with all one has.
//!
//! A node that was used alone joins a team: what it remembered must come along, under its old ids and times and with
//! its provenance, and nothing may be lost that is not brought. Logs cannot move, they are bound to their team, so
//! the facts are written again by a new store. The old database is copied aside first, complete, for whoever wants to
//! look; nothing of it is served any more. What is sealed to a role stays in that copy: its keys are the old team's.

use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field, Sharing};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::Stream;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::author::{Random, Scene, Stop, Target};
use crate::cache::Cache;
use crate::db::Db;
use crate::error::{AuthorError, Error};
use crate::query::facts::{COLUMNS, TABLES, values, view};
use crate::query::incidents;
use crate::resources;
use crate::row;
use crate::view::{Bring, Identity, LogRun, Own};

/// A fact as it is carried over.
struct Carried {
    id: FactId,
    edit: Edit,
    provenance: Provenance,
    stream: Stream,
}

impl Db {
    /// Moves this home into another team as a new store. Facts are written again under their ids, with their times
    /// and provenance: those of shared levels into the shared stream if `bring` says so, all others into the local
    /// one. From a team that others belong to only what this node wrote comes along. Facts that were forgotten stay behind, in the copy of the old database that is kept next to it.
    ///
    /// # Errors
    /// As [`Db::adopt_team`]; then the home is as it was.
    pub fn move_to_team(
        &mut self,
        identity: &Identity,
        genome: &Genome,
        charter: Vec<LogRun>,
        bring: Bring,
        now: UnixMillis,
        random: [u8; 32],
    ) -> Result<Own, Error> {
        self.keep_copy()?;
        self.transaction(|db| {
            let leaves = db.cache.membership.as_ref().is_some_and(|members| members.members().count() > 1);
            let own = if leaves { Some(db.cache.own()?.node) } else { None };
            let carried = carried(&db.conn, bring, genome.constitution()?.sharing, own)?;
            // An incident is the team's or nobody's: without `Shared` they stay behind in the copy, and where others
            // stay, it stays with them.
            let bring_incidents = bring == Bring::Shared && !leaves;
            forget_keys_of_left(&db.conn, &carried)?;
            let incidents = if bring_incidents { incidents::every(&db.conn)? } else { Vec::new() };
            db.conn.execute_batch(
                "DELETE FROM edits; DELETE FROM facts; DELETE FROM contents; DELETE FROM erased; DELETE FROM erased_payloads; DELETE FROM quarantine; DELETE FROM closed; DELETE FROM touched; DELETE FROM forks;
                 DELETE FROM events; DELETE FROM logs; DELETE FROM genes; DELETE FROM gene_leaves;
                 DELETE FROM sealed_copies; DELETE FROM carried; DELETE FROM peers; DELETE FROM invites;
                 DELETE FROM backups; DELETE FROM receipts; DELETE FROM skewed; DELETE FROM set_aside; DELETE FROM written_again;
                 DELETE FROM own_branches; DELETE FROM own_sent;
                 DELETE FROM meta WHERE key IN ('own', 'own_adopting');",
            )?;
            let own_catalogue = if bring_incidents { Some(db.cache.own()?.node) } else { None };
            resources::leave_team(&db.conn, own_catalogue)?;
            crate::messages::forget_all(&db.conn)?;
            crate::dht::leave_team(&db.conn)?;
            crate::replication::leave_team(&db.conn)?;
            let hlc = db.cache.small.hlc;
            db.cache = Cache::load(&db.conn)?;
            db.cache.small.hlc = hlc;
            let random = &mut Random::new(random);
            let own = db.open_store(identity, genome, &charter, now, random)?;
            let mut scene = Scene { now, random: Random::new(random.draw()) };
            carried.iter().try_for_each(|fact| db.write_carried(fact, &mut scene))?;
            incidents.into_iter().try_for_each(|incident| db.carry_incident(incident, &mut scene))?;
            db.new_epoch()?;
            Ok(own)
        })
    }

    fn write_carried(&mut self, fact: &Carried, scene: &mut Scene) -> Result<(), Error> {
        let mut version = VClock::new();
        let unfit = |reason: String| Error::Damaged(format!("fact {} cannot be carried over: {reason}", fact.id));
        version.increment(self.cache.own()?.store).map_err(|error| unfit(error.to_string()))?;
        let target = Target { id: fact.id, stream: fact.stream, version, role: None };
        match self.write_edit(target, &fact.edit, &fact.provenance, scene) {
            Ok(_) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Refused(AuthorError::Payload(error))) => Err(error.into()),
            Err(Stop::Refused(error)) => Err(unfit(error.to_string())),
        }
    }

    /// Copies the database aside as `antiphon-STORE.db`; a copy left by an attempt that failed is replaced.
    fn keep_copy(&self) -> Result<PathBuf, Error> {
        let own = self.cache.own()?;
        let path = self.dir.join(format!("antiphon-{}.db", own.store));
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.map_err(|error| Error::io(&path, error))?;
        let name = path.to_str().ok_or_else(|| {
            Error::io(&path, std::io::Error::new(std::io::ErrorKind::InvalidFilename, "the path is not UTF-8"))
        })?;
        self.conn.execute("VACUUM INTO ?1", [name])?;
        // The old database is emptied next, so the copy and its name must both be on disk before that.
        for synced in [&path, &self.dir] {
            let done = std::fs::File::open(synced).and_then(|file| file.sync_all());
            done.map_err(|error| Error::io(synced, error))?;
        }
        Ok(path)
    }
}

/// The facts that come along; from a team that others belong to only those of `own`, since the others are not this
/// node's to show elsewhere.
fn carried(conn: &Connection, bring: Bring, sharing: Sharing, own: Option<NodeId>) -> Result<Vec<Carried>, Error> {
    let mut query = conn.prepare(&format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE f.content IS NOT NULL AND f.role IS NULL ORDER BY f.n"
    ))?;
    let mut rows = query.query([])?;
    let mut facts = Vec::new();
    while let Some(found) = rows.next()? {
        let (view, mut values) = (view(found)?, values(found)?);
        if own.is_some_and(|own| view.author.node != own) {
            continue;
        }
        values.insert(Field::CreatedAt, Value::Uint(view.fact.created_at.0));
        let shared = view.stream == Stream::Shared && bring == Bring::Shared;
        let stream = if shared { sharing.stream_of(view.fact.level, view.fact.private) } else { Stream::Local };
        let edit: Edit = values.into_iter().map(|(field, value)| (field, Some(value))).collect();
        facts.push(Carried { id: view.fact.id, edit, provenance: view.provenance, stream });
    }
    Ok(facts)
}

/// Forgets the keys of facts that stand and stay behind: whoever repeats one makes a fact of this team. Those of facts
/// that were forgotten stay, so that what they made does not come back.
fn forget_keys_of_left(conn: &Connection, carried: &[Carried]) -> Result<(), Error> {
    let carried: BTreeSet<FactId> = carried.iter().map(|fact| fact.id).collect();
    // Neither forgotten nor erased.
    let mut query =
        conn.prepare("SELECT i.key, i.fact FROM idempotency i JOIN facts f ON f.id = i.fact WHERE f.flags & 72 = 0")?;
    let mut rows = query.query([])?;
    let mut left: Vec<String> = Vec::new();
    while let Some(found) = rows.next()? {
        if !carried.contains(&row::fact(found, 1)?) {
            left.push(found.get(0)?);
        }
    }
    for key in left {
        conn.prepare_cached("DELETE FROM idempotency WHERE key = ?1")?.execute([key])?;
    }
    Ok(())
}
