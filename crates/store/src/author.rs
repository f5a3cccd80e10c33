//! Writing events of our own.
//!
//! A draft says what should be so; whether that needs an event depends on what stands now, so it is decided here,
//! inside the transaction that writes it. Two callers that edit one fact at once get two edits, the second of which
//! has seen the first.
//!
//! The level of a fact decides its stream. An edit that raises a local fact to a shared level publishes the whole
//! fact in the shared stream, with a version of its own there, and forgets the local copy. Lowering a shared fact is
//! an edit in the shared stream: what others have seen cannot be unsaid, but its text is no longer handed out.

use std::collections::BTreeMap;

use antiphon_core::charter::{Entry, Record};
use antiphon_core::event::{Action, Event, Header, Payload, Provenance, SALT_BYTES, Subject, signed_message};
use antiphon_core::fact::{Edit, FIELDS_KNOWN, Fact, Field, Sharing};
use antiphon_core::frontier::Frontier;
use antiphon_core::ids::{EventId, FactId, Hash};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::state::Verdict;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::cache::Unsigned;
use crate::contents;
use crate::db::{Db, insert_event};
use crate::erase;
use crate::error::{AuthorError, Error};
use crate::project::{self, Merged, Stored};
use crate::sealed::{self, Text};
use crate::view::{Authored, Draft, Outcome, Own};
use crate::{BYTES_PER_SIGNATURE_MAX, EVENTS_PER_SIGNATURE_MAX, IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_LIFE_MS, row};

/// Idempotency keys that may be kept beyond their limit before that is noticed.
const KEYS_PER_CHECK: u64 = 256;

/// Why a draft stops: it is refused, or the database failed and the whole call with it.
pub(crate) enum Stop {
    /// This draft is refused.
    Refused(AuthorError),
    /// Everything fails.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<AuthorError> for Stop {
    fn from(error: AuthorError) -> Self {
        Self::Refused(error)
    }
}

/// Random bytes for one call, stretched from the 32 that were given.
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    /// Begins with bytes that nobody can guess.
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next bytes, as unguessable as the first.
    pub(crate) fn draw<const N: usize>(&mut self) -> [u8; N] {
        let digest = Sha256::new().chain_update(b"antiphon/random/1").chain_update(self.seed);
        let digest: [u8; 32] = digest.chain_update(self.drawn.to_be_bytes()).finalize().into();
        self.drawn += 1;
        let mut out = [0; N];
        out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        out
    }
}

/// What every event of one call shares.
pub(crate) struct Scene {
    /// The wall clock.
    pub(crate) now: UnixMillis,
    /// Random bytes.
    pub(crate) random: Random,
}

/// An event before it has its place in a log.
pub(crate) struct Sketch {
    /// Which log.
    pub(crate) stream: Stream,
    /// What it does.
    pub(crate) action: Action,
    /// To what.
    pub(crate) subject: Subject,
    /// What it has seen.
    pub(crate) version: VClock,
    /// Which fields it touches.
    pub(crate) fields: u64,
    /// The values it sets.
    pub(crate) values: BTreeMap<u8, Value>,
    /// How it came to be.
    pub(crate) provenance: Provenance,
}

/// What is written about a fact, and where.
pub(crate) struct Target<'a> {
    /// Which fact.
    pub(crate) id: FactId,
    /// Which log.
    pub(crate) stream: Stream,
    /// What it has seen.
    pub(crate) version: VClock,
    /// The role that alone may read it.
    pub(crate) role: Option<&'a str>,
}

/// An event that was written.
pub(crate) struct Written {
    /// Its position.
    pub(crate) pos: i64,
    /// `logs.id`.
    pub(crate) log: i64,
    /// The event.
    pub(crate) event: Event,
    /// Its payload.
    pub(crate) payload: Payload,
}

impl Written {
    pub(crate) fn authored(&self) -> Authored {
        authored(self.event.header(), Outcome::Written)
    }
}

/// What a draft led to, by the event that stands for it.
pub(crate) fn authored(header: &Header, outcome: Outcome) -> Authored {
    let (fact, incident) = (header.subject.fact(), header.subject.incident());
    let log = LogId::new(header.store, header.stream);
    let content = header.subject.content();
    Authored { fact, incident, content, event: header.id, log, seq: header.seq, outcome }
}

impl Db {
    /// Writes events for `drafts`, each by itself: one that is refused harms no other. `random` must be 32 fresh
    /// random bytes.
    ///
    /// # Errors
    /// When there is no team, no key, or the database fails; then nothing was written.
    pub fn author(
        &mut self,
        drafts: &[Draft],
        now: UnixMillis,
        random: [u8; 32],
    ) -> Result<Vec<Result<Authored, AuthorError>>, Error> {
        self.transaction(|db| {
            db.cache.own()?;
            if db.signer.is_none() {
                return Err(Error::NoSigner);
            }
            let mut scene = Scene { now, random: Random::new(random) };
            drafts.iter().map(|draft| db.author_one(draft, &mut scene)).collect()
        })
    }

    /// The same, and whatever `with` writes stands or falls with it. `with` learns what became of the drafts, and must
    /// touch no log.
    ///
    /// # Errors
    /// As [`Self::author`], and what `with` returns.
    pub fn author_with(
        &mut self,
        drafts: &[Draft],
        now: UnixMillis,
        random: [u8; 32],
        with: impl FnOnce(&mut Self, &[Result<Authored, AuthorError>]) -> Result<(), Error>,
    ) -> Result<Vec<Result<Authored, AuthorError>>, Error> {
        self.transaction(|db| {
            let written = db.author(drafts, now, random)?;
            with(db, &written)?;
            Ok(written)
        })
    }

    pub(crate) fn author_one(
        &mut self,
        draft: &Draft,
        scene: &mut Scene,
    ) -> Result<Result<Authored, AuthorError>, Error> {
        if let Some(number) = self.cache.membership.as_ref().and_then(|members| members.critical()) {
            return Ok(Err(AuthorError::UpgradeNeeded(number)));
        }
        let done = match draft {
            Draft::Remember { id, edit, provenance, idempotency_key } => {
                self.remember(*id, None, edit, provenance, idempotency_key.as_deref(), scene)
            }
            Draft::RememberSealed { role, id, edit, provenance, idempotency_key } => {
                self.remember(*id, Some(role), edit, provenance, idempotency_key.as_deref(), scene)
            }
            Draft::Edit { fact, edit, provenance } => self.edit(*fact, edit, provenance, scene),
            Draft::Forget { fact, provenance } => self.forget(*fact, provenance, scene),
            Draft::Erase { fact, provenance } => self.erase(*fact, provenance, scene),
            Draft::Restore { fact, provenance } => self.restore(*fact, provenance, scene),
            Draft::ReportIncident { id, edit, provenance } => self.report_incident(*id, edit, provenance, scene),
            Draft::UpdateIncident { incident, edit, provenance } => {
                self.update_incident(*incident, edit, provenance, scene)
            }
            Draft::PutContent { entry, provenance } => self.put_content(entry, provenance, scene),
            Draft::RemoveContent { id, provenance } => self.remove_content(*id, provenance, scene),
            Draft::Settle { settlement, seen, provenance } => self.settle(settlement, seen, provenance, scene),
            Draft::Named { key, draft } => self.author_named(key, draft, scene),
            Draft::Grant(grant) => self.record(&Record::Grant(grant.clone()), scene),
            Draft::Revoke(revoke) => self.record(&Record::Revoke(self.with_cuts(revoke)), scene),
            Draft::Record(record) => self.record(record, scene),
        };
        match done {
            Ok(authored) => Ok(Ok(authored)),
            Err(Stop::Refused(error)) => Ok(Err(error)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn remember(
        &mut self,
        id: Option<FactId>,
        role: Option<&str>,
        edit: &Edit,
        provenance: &Provenance,
        key: Option<&str>,
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        edit.validate().map_err(AuthorError::from)?;
        if !matches!(edit.0.get(&Field::Content), Some(Some(_))) {
            return Err(AuthorError::NoContent.into());
        }
        let made = match key {
            Some(key) => idempotent(&self.conn, key, scene.now)?,
            None => None,
        };
        if let Some(known) = made.or(id)
            && let Some(authored) = last_event(&self.conn, known, Outcome::Existed)?
        {
            return Ok(authored);
        }
        if let Some(gone) = made {
            return Err(self.why_gone(gone)?.into());
        }
        let id = match id {
            Some(id) => id,
            None => self.fresh_id(scene)?,
        };
        let stream = stream_after(id, &BTreeMap::new(), edit, self.cache.sharing);
        let mut version = VClock::new();
        version.increment(self.cache.own()?.store).map_err(|source| AuthorError::Version { fact: id, source })?;
        let written = self.write_edit(Target { id, stream, version, role }, edit, provenance, scene)?;
        if let Some(key) = key {
            keep_key(&self.conn, key, id, scene.now)?;
            self.cache.small.keys += 1;
            // Counting keys reads them all, so the bound is checked now and then.
            if self.cache.small.keys.is_multiple_of(KEYS_PER_CHECK) {
                drop_keys(&self.conn, scene.now)?;
            }
        }
        Ok(written.authored())
    }

    /// Why there is nothing of a fact that a key made: it waits to be written again, or it was forgotten and stayed behind
    /// when this home moved to another team. A text that somebody had forgotten must not come back, and now be shown to
    /// others, because a client repeats what it said before.
    fn why_gone(&self, id: FactId) -> Result<AuthorError, Error> {
        let waits = crate::set_aside::waiting(&self.conn)? > 0;
        Ok(if waits { AuthorError::Rejoining(self.cache.own()?.store) } else { AuthorError::Erased(id) })
    }

    fn edit(&mut self, id: FactId, edit: &Edit, provenance: &Provenance, scene: &mut Scene) -> Result<Authored, Stop> {
        edit.validate().map_err(AuthorError::from)?;
        let (stream, standing, merged) = self.standing_open(id)?;
        self.refuse_erased(&Subject::Fact(id))?;
        if merged.forgotten {
            return Err(AuthorError::Forgotten(id).into());
        }
        let target = stream_after(id, &merged.values, edit, self.cache.sharing);
        // A fact of a shared level may be kept local on purpose; only an edit that speaks of its reach publishes it.
        let reach = edit.0.contains_key(&Field::Level) || edit.0.contains_key(&Field::Private);
        if reach && stream == Stream::Local && target == Stream::Shared {
            return self.publish(id, &merged, edit, provenance, &standing, scene);
        }
        let same = edit.0.iter().all(|(field, value)| merged.values.get(field) == value.as_ref());
        if same && merged.contested & edit.bits() == 0 && !merged.incomplete {
            return unchanged(&self.conn, id);
        }
        let version = self.next_version(id, &standing)?;
        let role = sealed::role_of(&standing, merged.shown);
        Ok(self.write_edit(Target { id, stream, version, role }, edit, provenance, scene)?.authored())
    }

    /// Publishes a local fact as a whole in the shared stream, then forgets the local copy.
    fn publish(
        &mut self,
        id: FactId,
        merged: &Merged,
        edit: &Edit,
        provenance: &Provenance,
        local: &[Stored],
        scene: &mut Scene,
    ) -> Result<Authored, Stop> {
        let mut whole: Edit = merged.values.iter().map(|(field, value)| (*field, Some(value.clone()))).collect();
        let created_at = Fact::from_values(id, &merged.values).created_at;
        whole = whole.set(Field::CreatedAt, Value::Uint(created_at.0));
        whole.0.extend(edit.0.iter().map(|(field, value)| (*field, value.clone())));
        whole.0.retain(|_, value| value.is_some());
        if !whole.0.contains_key(&Field::Content) {
            return Err(AuthorError::NoText(id).into());
        }
        // Both versions are computed before anything is written, so that a refusal leaves nothing behind.
        let version = self.next_version(id, &[])?;
        let forgotten = self.next_version(id, local)?;
        let role = sealed::role_of(local, merged.shown);
        let target = Target { id, stream: Stream::Shared, version, role };
        let written = self.write_edit(target, &whole, provenance, scene)?;
        let target = Target { id, stream: Stream::Local, version: forgotten, role };
        self.write_forget(target, &Provenance::default(), scene)?;
        Ok(written.authored())
    }

    fn forget(&mut self, id: FactId, provenance: &Provenance, scene: &mut Scene) -> Result<Authored, Stop> {
        let (stream, standing, merged) = self.standing_open(id)?;
        let erased = erase::is_erased(&self.conn, &Subject::Fact(id))?;
        if erased || (merged.forgotten && merged.contested == 0) {
            return unchanged(&self.conn, id);
        }
        let version = self.next_version(id, &standing)?;
        let role = sealed::role_of(&standing, merged.shown);
        Ok(self.write_forget(Target { id, stream, version, role }, provenance, scene)?.authored())
    }

    fn restore(&mut self, id: FactId, provenance: &Provenance, scene: &mut Scene) -> Result<Authored, Stop> {
        let (stream, standing, merged) = self.standing_open(id)?;
        self.refuse_erased(&Subject::Fact(id))?;
        if !merged.forgotten {
            return unchanged(&self.conn, id);
        }
        let values = project::before_forgotten(&self.conn, id, stream)?.values;
        // Who forgot it may have been an older version, which sealed nothing: the edits before it decide.
        let all = project::all(&self.conn, id, stream)?;
        let role = sealed::role_of(&all, merged.shown);
        if !values.contains_key(&Field::Content) {
            return Err(self.no_text(id, role).into());
        }
        let version = self.next_version(id, &standing)?;
        let sketch = Sketch {
            stream,
            action: Action::Set,
            subject: Subject::Fact(id),
            version,
            fields: FIELDS_KNOWN,
            values: values.into_iter().map(|(field, value)| (field.bit(), value)).collect(),
            provenance: provenance.clone(),
        };
        Ok(self.write_projected_for(sketch, role, scene)?.authored())
    }

    /// The deciding stream of a fact, its standing edits there, and what they amount to.
    pub(crate) fn standing(&self, id: FactId) -> Result<(Stream, Vec<Stored>, Merged), Stop> {
        let mut query = self.conn.prepare_cached("SELECT stream FROM facts WHERE id = ?1")?;
        let stream: Option<i64> = query.query_row([id.0.as_slice()], |row| row.get(0)).optional()?;
        let stream = stream.ok_or(AuthorError::NotFound(id))?;
        let stream = if stream == i64::from(Stream::Shared.number()) { Stream::Shared } else { Stream::Local };
        let standing = project::standing(&self.conn, id, stream)?;
        let merged = project::merge_kept(&self.conn, id, stream, &standing)?;
        Ok((stream, standing, merged))
    }

    pub(crate) fn next_version(&self, fact: FactId, standing: &[Stored]) -> Result<VClock, Stop> {
        let frontier = Frontier::from_edits(standing.iter().map(|stored| stored.edit.clone()).collect());
        let version = frontier.next_version(self.cache.own()?.store);
        Ok(version.map_err(|source| AuthorError::Version { fact, source })?)
    }

    pub(crate) fn write_edit(
        &mut self,
        target: Target<'_>,
        edit: &Edit,
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Written, Stop> {
        let sketch = Sketch {
            stream: target.stream,
            action: Action::Set,
            subject: Subject::Fact(target.id),
            version: target.version,
            fields: edit.bits(),
            values: edit.values(),
            provenance: provenance.clone(),
        };
        self.write_projected_for(sketch, target.role, scene)
    }

    pub(crate) fn write_forget(
        &mut self,
        target: Target<'_>,
        provenance: &Provenance,
        scene: &mut Scene,
    ) -> Result<Written, Stop> {
        let sketch = Sketch {
            stream: target.stream,
            action: Action::Forget,
            subject: Subject::Fact(target.id),
            version: target.version,
            fields: u64::MAX,
            values: BTreeMap::new(),
            provenance: provenance.clone(),
        };
        self.write_projected_for(sketch, target.role, scene)
    }

    pub(crate) fn write_projected(&mut self, sketch: Sketch, scene: &mut Scene) -> Result<Written, Stop> {
        self.write_projected_for(sketch, None, scene)
    }

    /// The same, sealed to a role.
    pub(crate) fn write_projected_for(
        &mut self,
        sketch: Sketch,
        role: Option<&str>,
        scene: &mut Scene,
    ) -> Result<Written, Stop> {
        self.refuse_erased(&sketch.subject)?;
        let written = self.write_for(sketch, role, scene)?;
        let text = Text::Read(written.payload.clone());
        let entry = contents::entry_of(written.event.header(), Some(&text));
        project::edit(&self.conn, written.pos, written.log, &written.event, Some(text))?;
        if entry.is_some() || written.event.header().subject.content().is_some() {
            let (node, place) = (self.cache.own()?.node, (written.pos, written.log));
            let _authorised = contents::note(&self.conn, &self.law()?, &node, place, &written.event, entry.as_ref())?;
        }
        Ok(written)
    }

    /// Writes one event at the end of an own log.
    pub(crate) fn write(&mut self, sketch: Sketch, scene: &mut Scene) -> Result<Written, Stop> {
        self.write_for(sketch, None, scene)
    }

    /// The same, sealed to a role.
    fn write_for(&mut self, sketch: Sketch, role: Option<&str>, scene: &mut Scene) -> Result<Written, Stop> {
        let seal = role.map(|role| self.seal_for(role)).transpose()?;
        let own = self.cache.own()?;
        let (team, store, node) = (own.team, own.store, own.node);
        let log = LogId::new(store, sketch.stream);
        let removed = self.cache.membership.as_ref().is_some_and(|members| members.is_revoked(&node));
        let entry = self.cache.logs.get_mut(&log).ok_or_else(|| Error::damaged(format!("own log {log} is missing")))?;
        match entry.verdict {
            Verdict::Good if !(self.cache.adopting && sketch.stream == Stream::Shared) => {}
            Verdict::Good | Verdict::Forked(_) if !removed => return Err(AuthorError::Rejoining(store).into()),
            _ => return Err(AuthorError::LogClosed(store).into()),
        }
        let salt: [u8; SALT_BYTES] = scene.random.draw();
        let payload = Payload { salt, provenance: sketch.provenance, fields: sketch.values };
        let bytes = payload.encode(sketch.stream).map_err(AuthorError::from)?;
        let small = &mut self.cache.small;
        small.hlc = small.hlc.tick(scene.now);
        let id = EventId::next(small.last_event, scene.now, scene.random.draw());
        let header = Header {
            team,
            id,
            store,
            stream: sketch.stream,
            seq: entry.head.seq + 1,
            prev: entry.head.hash,
            hlc: small.hlc,
            action: sketch.action,
            subject: sketch.subject,
            version: sketch.version,
            fields: sketch.fields,
            payload_hash: Hash::of(&bytes),
            payload_len: bytes.len() as u64,
            seal,
        };
        let (header, bytes) = sealed::seal(&self.seals, header, bytes)?;
        let mut event = Event::author(header, bytes).map_err(AuthorError::from)?;
        if sketch.stream == Stream::Charter {
            Entry::read(&event, node).map_err(|error| AuthorError::Charter(error.to_string()))?;
            small.charter_events += 1;
        }
        let pos = small.next_pos;
        if must_sign(small.unsigned.get(&log), &event) {
            event.sign(self.signer.as_deref().ok_or(Error::NoSigner)?);
            small.unsigned.remove(&log);
        } else {
            count_unsigned(&mut small.unsigned, log, pos, &event);
        }
        insert_event(&self.conn, pos, entry.id, &event)?;
        small.next_pos += 1;
        small.last_event = Some(id);
        entry.head = event.head();
        let log_id = entry.id;
        self.cache.dirty.insert(log);
        Ok(Written { pos, log: log_id, event, payload })
    }
}

/// Charter events and openings are signed one by one; of the others the one that would make a run too long.
fn must_sign(unsigned: Option<&Unsigned>, event: &Event) -> bool {
    let header = event.header();
    let (events, bytes) = unsigned.map_or((0, 0), |unsigned| (unsigned.events, unsigned.bytes));
    header.stream == Stream::Charter
        || header.action == Action::Open
        || events + 1 >= EVENTS_PER_SIGNATURE_MAX
        || bytes + size(event) >= BYTES_PER_SIGNATURE_MAX
}

fn count_unsigned(unsigned: &mut BTreeMap<LogId, Unsigned>, log: LogId, pos: i64, event: &Event) {
    let counted = unsigned.entry(log).or_insert(Unsigned { pos, events: 0, bytes: 0 });
    *counted = Unsigned { pos, events: counted.events + 1, bytes: counted.bytes + size(event) };
}

fn size(event: &Event) -> usize {
    event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len)
}

/// Signs an event that is stored.
pub(crate) fn sign_stored(conn: &Connection, own: &Own, pos: i64, signer: &dyn Signer) -> Result<(), Error> {
    let mut query = conn.prepare_cached("SELECT header FROM events WHERE pos = ?1")?;
    let header: Vec<u8> = query.query_row([pos], |row| row.get(0))?;
    let signature = signer.sign(&signed_message(&own.team, &header));
    let mut update = conn.prepare_cached("UPDATE events SET signature = ?2 WHERE pos = ?1")?;
    update.execute(params![pos, signature.0])?;
    Ok(())
}

/// The stream of a fact once `edit` is made.
fn stream_after(id: FactId, values: &BTreeMap<Field, Value>, edit: &Edit, sharing: Sharing) -> Stream {
    let mut after: BTreeMap<Field, Value> = [Field::Level, Field::Private]
        .into_iter()
        .filter_map(|field| Some((field, values.get(&field)?.clone())))
        .collect();
    for field in [Field::Level, Field::Private] {
        match edit.0.get(&field) {
            Some(Some(value)) => drop(after.insert(field, value.clone())),
            Some(None) => drop(after.remove(&field)),
            None => {}
        }
    }
    let fact = Fact::from_values(id, &after);
    sharing.stream_of(fact.level, fact.private)
}

/// The answer where nothing had to be written.
pub(crate) fn unchanged(conn: &Connection, id: FactId) -> Result<Authored, Stop> {
    Ok(last_event(conn, id, Outcome::Unchanged)?.ok_or(AuthorError::NotFound(id))?)
}

/// The last event of a fact, if there is such a fact.
pub(crate) fn last_event(conn: &Connection, id: FactId, outcome: Outcome) -> Result<Option<Authored>, Error> {
    let mut query =
        conn.prepare_cached("SELECT v.header FROM facts f JOIN events v ON v.pos = f.pos WHERE f.id = ?1")?;
    let header: Option<Vec<u8>> = query.query_row([id.0.as_slice()], |row| row.get(0)).optional()?;
    let header = header.map(|header| Header::decode(&header)).transpose()?;
    Ok(header.map(|header| authored(&header, outcome)))
}

/// The fact that an idempotency key already made.
fn idempotent(conn: &Connection, key: &str, now: UnixMillis) -> Result<Option<FactId>, Error> {
    let mut query = conn.prepare_cached("SELECT fact FROM idempotency WHERE key = ?1 AND created_at > ?2")?;
    let oldest = row::sql(now.0.saturating_sub(IDEMPOTENCY_LIFE_MS));
    let mut rows = query.query(params![key, oldest])?;
    rows.next()?.map(|found| row::fact(found, 0)).transpose()
}

/// Remembers an idempotency key.
fn keep_key(conn: &Connection, key: &str, fact: FactId, now: UnixMillis) -> Result<(), Error> {
    conn.prepare_cached("INSERT OR REPLACE INTO idempotency (key, fact, created_at) VALUES (?1, ?2, ?3)")?
        .execute(params![key, fact.0, row::sql(now.0)])?;
    Ok(())
}

/// Forgets idempotency keys that are too old or too many.
fn drop_keys(conn: &Connection, now: UnixMillis) -> Result<(), Error> {
    let oldest = row::sql(now.0.saturating_sub(IDEMPOTENCY_LIFE_MS));
    conn.prepare_cached("DELETE FROM idempotency WHERE created_at <= ?1")?.execute([oldest])?;
    conn.prepare_cached(
        "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency ORDER BY created_at DESC LIMIT -1 OFFSET ?1)",
    )?
    .execute([row::sql(IDEMPOTENCY_KEYS_MAX)])?;
    Ok(())
}
