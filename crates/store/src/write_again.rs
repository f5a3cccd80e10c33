//! Writing again what was set aside.
//!
//! An event that lost its place in an own log still says what somebody meant. So it is written again as a new event of
//! the same subject, with the same fields, values and provenance, on top of what stands now. Written twice it changes
//! nothing, so it does not matter how often that is begun.
//!
//! What it says may have been overtaken meanwhile. An edit that the event had not seen and that is later than it keeps
//! its field, as it would be shown if the two were compared as a divergence; "later" is when they were written first.
//! What is left of an event that says nothing new is nothing.
//!
//! Limits: an event whose text is not held waits for it; one that only a newer version can read waits for the upgrade.

use antiphon_core::event::{Action, Header, Payload, Provenance, Subject};
use antiphon_core::frontier::Frontier;
use antiphon_core::ids::{Hash, ulid_bytes};
use antiphon_core::log::{LogId, STORES_PER_KEY_MAX, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::value::Value;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

use crate::author::{Random, Scene, Sketch, Stop};
use crate::cache::set_meta_uint;
use crate::db::Db;
use crate::edits::{self, Fields, Stored};
use crate::error::Error;
use crate::row::{self, sql};
use crate::sealed::{self, Text};
use crate::set_aside::{self, ADOPTING};
use crate::view::Own;

/// What was done about events set aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Again {
    /// The new store, if one was opened.
    pub opened: Option<Own>,
    /// Facts and incidents of which something was written.
    pub written: u64,
    /// Events that said nothing new.
    pub dropped: u64,
    /// Events that still wait.
    pub waiting: u64,
}

/// Where an event stands that was set aside.
struct Place {
    hlc: Hlc,
    log: i64,
    seq: u64,
    hash: Hash,
}

/// What became of one event.
pub(crate) enum Said {
    /// It was written.
    Again,
    /// It says nothing new.
    Nothing,
    /// It cannot be written yet.
    Later,
}

impl Db {
    /// Opens a new store if the own log has two branches, and writes again what was set aside. `caught_up` says that
    /// what members hold of the own log has come: until then nothing may be written behind it.
    ///
    /// # Errors
    /// Failures of the database; then all is as it was.
    pub fn write_again(&mut self, caught_up: bool, now: UnixMillis, random: [u8; 32]) -> Result<Again, Error> {
        self.transaction(|db| {
            let mut scene = Scene { now, random: Random::new(random) };
            let mut again = Again::default();
            if db.may_write_again()? {
                if db.is_own_forked() && db.has_room_for_store() {
                    let nonce = ulid_bytes(now, scene.random.draw());
                    again.opened = Some(db.renew(nonce, &mut scene)?);
                }
                if !db.is_own_forked() && (caught_up || !db.cache.adopting) {
                    db.write_all_again(&mut scene, &mut again)?;
                }
            }
            again.waiting = set_aside::waiting(&db.conn)?;
            Ok(again)
        })
    }

    /// Whether what this home writes counts for the others at all.
    fn may_write_again(&self) -> Result<bool, Error> {
        let own = self.cache.own()?;
        let members = self.cache.membership.as_ref();
        Ok(self.signer.is_some()
            && members.is_some_and(|members| members.critical().is_none() && !members.is_revoked(&own.node)))
    }

    /// Whether a log of the own store has two branches.
    pub(crate) fn is_own_forked(&self) -> bool {
        let Some(own) = &self.cache.own else { return false };
        let logs = [Stream::Charter, Stream::Shared].map(|stream| LogId::new(own.store, stream));
        let forked = |log| self.cache.logs.get(log).is_some_and(|entry| matches!(entry.verdict, Verdict::Forked(_)));
        logs.iter().any(forked)
    }

    fn has_room_for_store(&self) -> bool {
        let Some(own) = &self.cache.own else { return false };
        let ours = self.cache.logs.iter().filter(|(_, entry)| entry.node == own.node);
        ours.map(|(log, _)| log.store).collect::<BTreeSet<_>>().len() < STORES_PER_KEY_MAX
    }

    /// Writes again whatever can be. The caller has a transaction open.
    fn write_all_again(&mut self, scene: &mut Scene, again: &mut Again) -> Result<(), Error> {
        if self.cache.adopting {
            self.cache.adopting = false;
            set_meta_uint(&self.conn, ADOPTING, 0)?;
        }
        let mut subjects: BTreeSet<(u64, Vec<u8>)> = BTreeSet::new();
        // In the order in which they were written first, whichever branch they are of.
        for place in places(&self.conn)? {
            let (header, payload) = self.set_aside(&place)?;
            match self.say_again(&header, payload, scene)? {
                Said::Again => {
                    let (kind, id) = header.subject.parts();
                    subjects.insert((kind, id.to_vec()));
                }
                Said::Nothing => again.dropped += 1,
                Said::Later => continue,
            }
            let mut done =
                self.conn.prepare_cached("DELETE FROM set_aside WHERE log = ?1 AND seq = ?2 AND hash = ?3")?;
            done.execute(params![place.log, sql(place.seq), place.hash.0])?;
        }
        again.written = subjects.len() as u64;
        if again.written > 0 || again.opened.is_some() {
            self.note_written(again.written, again.opened.is_some(), scene.now)?;
        }
        Ok(())
    }

    fn set_aside(&self, place: &Place) -> Result<(Header, Option<Payload>), Error> {
        let mut query = self
            .conn
            .prepare_cached("SELECT header, payload FROM set_aside WHERE log = ?1 AND seq = ?2 AND hash = ?3")?;
        let key = params![place.log, sql(place.seq), place.hash.0];
        let (header, payload): (Vec<u8>, Option<Vec<u8>>) =
            query.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let parsed = Header::decode(&header)?;
        // Its text may have come since, to where it is held as an event.
        let payload = match payload {
            Some(payload) => Some(payload),
            None => self.held_payload(place, &header)?,
        };
        let text = payload.map(|payload| sealed::read(&self.conn, &header, &parsed, &payload)).transpose()?;
        Ok((parsed, text.and_then(Text::read)))
    }

    fn held_payload(&self, place: &Place, header: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut query =
            self.conn.prepare_cached("SELECT payload FROM events WHERE log = ?1 AND seq = ?2 AND header = ?3")?;
        let found = query.query_row(params![place.log, sql(place.seq), header], |row| row.get(0)).optional()?;
        Ok(found.flatten())
    }

    fn say_again(&mut self, header: &Header, payload: Option<Payload>, scene: &mut Scene) -> Result<Said, Error> {
        if header.action == Action::Open {
            return Ok(Said::Nothing);
        }
        if header.flaw().is_some() || crate::erase::is_erased(&self.conn, &header.subject)? {
            return Ok(Said::Nothing);
        }
        match (&header.action, &header.subject) {
            (Action::Set, Subject::Fact(_) | Subject::Incident(_)) => match payload {
                Some(payload) => self.set_again(header, payload, scene),
                None => Ok(Said::Later),
            },
            (Action::Set, Subject::Content(id)) => match payload {
                Some(payload) => self.put_again(id, header, payload, scene),
                None => Ok(Said::Later),
            },
            (Action::Forget, Subject::Content(_)) => {
                let provenance = payload.map_or_else(Provenance::default, |payload| payload.provenance);
                self.remove_again(header, provenance, scene)
            }
            (Action::Forget, Subject::Fact(_)) => {
                let provenance = payload.map_or_else(Provenance::default, |payload| payload.provenance);
                self.forget_again(header, provenance, scene)
            }
            (Action::Erase, Subject::Fact(fact)) => {
                let provenance = payload.map_or_else(Provenance::default, |payload| payload.provenance);
                written(self.erase(*fact, &provenance, scene))
            }
            (Action::Unknown(_), _) | (_, Subject::Unknown { .. }) => Ok(Said::Later),
            _ => Ok(Said::Nothing),
        }
    }

    fn set_again(&mut self, header: &Header, payload: Payload, scene: &mut Scene) -> Result<Said, Error> {
        let standing = edits::standing(&self.conn, &header.subject, Stream::Shared)?;
        let mut fields = 0;
        for bit in 0..u64::BITS {
            let mask = 1_u64 << bit;
            if header.fields & mask == 0 || self.is_overtaken(header, mask, &standing)? {
                continue;
            }
            let value = u8::try_from(bit).ok().and_then(|bit| payload.fields.get(&bit));
            if !says_already(&standing, bit, value) {
                fields |= mask;
            }
        }
        if fields == 0 {
            return Ok(Said::Nothing);
        }
        let values: BTreeMap<u8, Value> = payload
            .fields
            .into_iter()
            .filter(|(bit, _)| fields & (1_u64.checked_shl((*bit).into()).unwrap_or(0)) != 0)
            .collect();
        self.write_on_top(header, (Action::Set, fields), values, payload.provenance, &standing, scene)
    }

    fn forget_again(&mut self, header: &Header, provenance: Provenance, scene: &mut Scene) -> Result<Said, Error> {
        let standing = edits::standing(&self.conn, &header.subject, Stream::Shared)?;
        let text = <antiphon_core::fact::Field as Fields>::TEXT;
        let mask = antiphon_core::edit::Fields::mask(text);
        let of_text = |stored: &&Stored| stored.edit.standing & mask != 0;
        let gone = |stored: &Stored| matches!(stored.header.action, Action::Forget | Action::Erase);
        let forgotten = standing.iter().filter(of_text).all(gone);
        if forgotten || self.is_overtaken(header, mask, &standing)? {
            return Ok(Said::Nothing);
        }
        self.write_on_top(header, (Action::Forget, u64::MAX), BTreeMap::new(), provenance, &standing, scene)
    }

    /// Writes an event that has seen what stands, and notes when it was written first.
    pub(crate) fn write_on_top(
        &mut self,
        header: &Header,
        (action, fields): (Action, u64),
        values: BTreeMap<u8, Value>,
        provenance: Provenance,
        standing: &[Stored],
        scene: &mut Scene,
    ) -> Result<Said, Error> {
        let frontier = Frontier::from_edits(standing.iter().map(|stored| stored.edit.clone()).collect());
        let Ok(version) = frontier.next_version(self.cache.own()?.store) else { return Ok(Said::Later) };
        let subject = header.subject.clone();
        let sketch = Sketch { stream: Stream::Shared, action, subject, version, fields, values, provenance };
        let role = header.seal.as_ref().map(|seal| seal.role.as_str());
        match self.write_projected_for(sketch, role, scene) {
            Ok(written) => {
                let mut insert =
                    self.conn.prepare_cached("INSERT OR REPLACE INTO written_again (pos, hlc) VALUES (?1, ?2)")?;
                insert.execute(params![written.pos, sql(header.hlc.0)])?;
                Ok(Said::Again)
            }
            Err(stop) => written::<()>(Err(stop)),
        }
    }

    /// Whether an edit stands for the field that is later than this one and that this one had not seen.
    pub(crate) fn is_overtaken(&self, header: &Header, mask: u64, standing: &[Stored]) -> Result<bool, Error> {
        for stored in standing.iter().filter(|stored| stored.edit.standing & mask != 0) {
            if !header.version.covers(&stored.header.version) && self.first_written(stored)? > header.hlc {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When an edit was written first.
    fn first_written(&self, stored: &Stored) -> Result<Hlc, Error> {
        let mut query = self.conn.prepare_cached("SELECT hlc FROM written_again WHERE pos = ?1")?;
        let first: Option<i64> = query.query_row([stored.pos], |row| row.get(0)).optional()?;
        Ok(first.map_or(stored.header.hlc, |hlc| Hlc(hlc.cast_unsigned())))
    }
}

/// An event that is refused now waits: what refuses it may change.
fn written<T>(done: Result<T, Stop>) -> Result<Said, Error> {
    match done {
        Ok(_) => Ok(Said::Again),
        Err(Stop::Refused(error)) => {
            tracing::warn!(%error, "an event that was set aside cannot be written again yet");
            Ok(Said::Later)
        }
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Whether exactly one edit stands for a field, and says this.
fn says_already(standing: &[Stored], bit: u32, value: Option<&Value>) -> bool {
    let of_field = standing.iter().filter(|stored| stored.edit.standing & (1_u64 << bit) != 0);
    match of_field.collect::<Vec<_>>().as_slice() {
        [one] if one.header.action != Action::Set => value.is_none(),
        [one] => {
            let said =
                one.payload.as_ref().map(|payload| u8::try_from(bit).ok().and_then(|bit| payload.fields.get(&bit)));
            said == Some(value)
        }
        _ => false,
    }
}

/// Everything that was set aside, the oldest first.
fn places(conn: &Connection) -> Result<Vec<Place>, Error> {
    let mut query = conn.prepare_cached("SELECT log, seq, hash, header FROM set_aside")?;
    let mut rows = query.query([])?;
    let mut places = Vec::new();
    while let Some(found) = rows.next()? {
        let bytes = found.get_ref(3)?.as_blob().map_err(|error| Error::damaged(error.to_string()))?;
        let hlc = Header::decode(bytes)?.hlc;
        places.push(Place { hlc, log: found.get(0)?, seq: row::uint(found, 1)?, hash: row::hash(found, 2)? });
    }
    places.sort_by_key(|place| (place.hlc, place.log, place.seq, place.hash));
    Ok(places)
}
