//! The beginning of a store: founding a team, or joining one that exists.

use antiphon_core::event::{Action, Open, Provenance, Subject};
use antiphon_core::genome::Genome;
use antiphon_core::ids::StoreId;
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::UnixMillis;
use antiphon_core::vclock::VClock;
use rusqlite::params;

use crate::author::{Random, Scene, Sketch, Stop};
use crate::cache::{LogEntry, set_own};
use crate::charter;
use crate::db::{Db, check_key};
use crate::error::{AuthorError, Error};
use crate::view::{Applied, Identity, LogRun, Own};

impl Db {
    /// Makes this home the first store of a new team. The charter log is opened too if the key is the first steward's,
    /// which grants itself its membership with the first draft it authors.
    ///
    /// # Errors
    /// [`Error::HasTeam`] when the home has one, [`Error::NoSigner`], [`Error::OtherKey`], [`Error::Genome`].
    pub fn found(
        &mut self,
        identity: &Identity,
        genome: &Genome,
        now: UnixMillis,
        random: [u8; 32],
    ) -> Result<Own, Error> {
        self.transaction(|db| db.open_store(identity, genome, &[], now, &mut Random::new(random)))
    }

    /// Makes this home a new store of a team that exists: `charter` is what the steward handed over, verified.
    ///
    /// # Errors
    /// As [`Db::found`], and what [`Db::apply_run`] says about the charter.
    pub fn adopt_team(
        &mut self,
        identity: &Identity,
        genome: &Genome,
        charter: Vec<LogRun>,
        now: UnixMillis,
        random: [u8; 32],
    ) -> Result<Own, Error> {
        self.transaction(|db| db.open_store(identity, genome, &charter, now, &mut Random::new(random)))
    }

    /// Writes the genome and opens the logs of a fresh store. The caller has a transaction open.
    pub(crate) fn open_store(
        &mut self,
        identity: &Identity,
        genome: &Genome,
        charter: &[LogRun],
        now: UnixMillis,
        random: &mut Random,
    ) -> Result<Own, Error> {
        if let Some(own) = &self.cache.own {
            return Err(Error::HasTeam(own.team));
        }
        // A genome that names no steward is refused before anything is written.
        let constitution = genome.constitution()?;
        let team = genome.team();
        let store = StoreId::derive(&team, &identity.node, &identity.nonce);
        let own = Own { team, node: identity.node, name: identity.name.clone(), store };
        check_key(&own, self.signer.as_deref().ok_or(Error::NoSigner)?)?;
        set_own(&self.conn, &own)?;
        charter::write_genome(&self.conn, genome)?;
        self.cache.own = Some(own.clone());
        self.cache.membership = Some(charter::membership(&self.conn)?);
        self.cache.sharing = constitution.sharing;
        self.apply_charter(charter.to_vec(), now)?;
        let mut scene = Scene { now, random: Random::new(random.draw()) };
        self.open_logs(identity, &mut scene)?;
        Ok(own)
    }

    /// Takes in charter logs. One log may make the author of another a steward, so they are tried again as long as
    /// that helps; what is left over is of nobody who ever was one.
    fn apply_charter(&mut self, mut runs: Vec<LogRun>, now: UnixMillis) -> Result<(), Error> {
        loop {
            let stewards = self.cache.membership.as_ref().map(|members| members.ever_stewards().clone());
            let stewards = stewards.unwrap_or_default();
            let (due, rest): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| stewards.contains(&run.node));
            if due.is_empty() {
                return Ok(());
            }
            for run in due {
                let _applied: Applied = self.apply_run(run.log, run.node, run.events, None, now)?;
            }
            runs = rest;
        }
    }

    /// Opens the logs of the own store; a charter log only for a founding steward. Who becomes one later opens it with
    /// its first record.
    pub(crate) fn open_logs(&mut self, identity: &Identity, scene: &mut Scene) -> Result<(), Error> {
        let founders = self.cache.membership.as_ref().map(|members| members.founders().stewards.clone());
        if founders.unwrap_or_default().contains(&identity.node) {
            self.open_log(identity, Stream::Charter, scene)?;
        }
        self.open_log(identity, Stream::Shared, scene)?;
        self.open_log(identity, Stream::Local, scene)?;
        self.charter_changed()
    }

    pub(crate) fn open_log(&mut self, identity: &Identity, stream: Stream, scene: &mut Scene) -> Result<(), Error> {
        let own = self.cache.own()?.clone();
        let open = Open {
            node: identity.node,
            nonce: identity.nonce,
            name: identity.name.clone(),
            previous: identity.previous.clone(),
        };
        let log = LogId::new(own.store, stream);
        self.add_log(log, identity.node, &identity.name)?;
        self.nothing_sent(log)?;
        let version = match stream {
            Stream::Charter => self.charter_version().map_err(opening_failed)?,
            Stream::Shared | Stream::Local => VClock::new(),
        };
        let values = open.to_fields();
        let sketch = Sketch {
            stream,
            action: Action::Open,
            subject: Subject::Store(own.store),
            version,
            fields: values.keys().fold(0, |bits, bit| bits | 1 << bit),
            values,
            provenance: Provenance::default(),
        };
        self.write(sketch, scene).map(drop).map_err(opening_failed)
    }

    /// Adds a log without events.
    pub(crate) fn add_log(&mut self, log: LogId, node: antiphon_core::ids::NodeId, name: &str) -> Result<(), Error> {
        self.conn
            .prepare_cached(
                "INSERT INTO logs (stream, store, node, name, head_seq, head_hash, verdict, verdict_seq)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, 0)",
            )?
            .execute(params![log.stream.number(), log.store.0, node.0, name, Head::EMPTY.hash.0])?;
        let id = self.conn.last_insert_rowid();
        self.cache.logs.insert(log, LogEntry { id, node, head: Head::EMPTY, verdict: Verdict::Good });
        self.cache.dirty.insert(log);
        Ok(())
    }
}

/// A store that cannot be opened is no store at all, whatever the reason.
fn opening_failed(stop: Stop) -> Error {
    match stop {
        Stop::Failed(error) => error,
        Stop::Refused(AuthorError::Header(error)) => error.into(),
        Stop::Refused(AuthorError::Payload(error)) => error.into(),
        Stop::Refused(error) => Error::Damaged(error.to_string()),
    }
}
