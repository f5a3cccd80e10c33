//! Writing charter records, as a steward.

use antiphon_core::charter::{CHARTER_EVENTS_MAX, CHARTER_EVENTS_RESERVED, Record};
use antiphon_core::event::{Event, Provenance};
use antiphon_core::genome;
use antiphon_core::log::{LogId, Stream};
use antiphon_core::vclock::VClock;

use crate::author::{Scene, Sketch, Stop};
use crate::charter;
use crate::db::Db;
use crate::error::{AuthorError, Error};
use crate::view::{Authored, Identity, Own};

impl Db {
    /// Writes a charter record. Whether others must agree to it is not asked here: it waits in the charter until they do.
    pub(crate) fn record(&mut self, record: &Record, scene: &mut Scene) -> Result<Authored, Stop> {
        let own = self.cache.own()?.clone();
        let steward = self.cache.membership.as_ref().is_some_and(|members| members.is_steward(&own.node));
        if !steward {
            return Err(AuthorError::NotASteward(own.node).into());
        }
        let Some(subject) = record.subject() else { return Err(AuthorError::Charter("not a record".into()).into()) };
        let reserve = if matches!(record, Record::Revoke(_)) { 0 } else { CHARTER_EVENTS_RESERVED };
        let held = self.cache.small.charter_events;
        if held >= (CHARTER_EVENTS_MAX - reserve) as u64 {
            return Err(AuthorError::CharterFull(held).into());
        }
        if let Record::GeneAdd(gene) = record {
            self.check_gene(&gene.id, &gene.text)?;
        }
        self.open_charter_log(&own, scene)?;
        let values = record.to_fields();
        let sketch = Sketch {
            stream: Stream::Charter,
            action: record.action(),
            subject,
            version: self.charter_version()?,
            fields: values.keys().fold(0, |bits, bit| bits | 1 << bit),
            values,
            provenance: Provenance::default(),
        };
        let written = self.write(sketch, scene)?;
        self.charter_changed()?;
        Ok(written.authored())
    }

    /// A gene that would change nothing is refused: nobody should believe that it did.
    fn check_gene(&self, id: &str, text: &str) -> Result<(), Stop> {
        genome::check_added(id, text).map_err(AuthorError::from)?;
        let genome = charter::current_genome(&self.conn)?;
        if genome.get(id).is_some() {
            return Err(AuthorError::from(genome::Error::Exists(id.to_owned())).into());
        }
        if genome.len() >= genome::GENES_MAX {
            return Err(AuthorError::from(genome::Error::TooMany).into());
        }
        Ok(())
    }

    /// Whoever became a steward after its store was opened has no charter log yet.
    fn open_charter_log(&mut self, own: &Own, scene: &mut Scene) -> Result<(), Stop> {
        if self.cache.logs.contains_key(&LogId::new(own.store, Stream::Charter)) {
            return Ok(());
        }
        let shared = LogId::new(own.store, Stream::Shared);
        let opened = crate::query::logs::event_at(&self.conn, shared, 1)?;
        let open = opened.as_ref().and_then(Event::opening);
        let open = open.ok_or_else(|| Error::damaged(format!("{shared} does not open")))?;
        let identity = Identity { node: own.node, name: own.name.clone(), nonce: open.nonce, previous: open.previous };
        Ok(self.open_log(&identity, Stream::Charter, scene)?)
    }

    /// Everything this node has seen of the charter, and the next own event of it.
    pub(crate) fn charter_version(&self) -> Result<VClock, Stop> {
        let own = self.cache.own()?.store;
        let mut version = VClock::new();
        let full = |error: antiphon_core::vclock::Error| AuthorError::Charter(error.to_string());
        let charter = self.cache.logs.iter().filter(|(log, _)| log.stream == Stream::Charter);
        for (log, entry) in charter {
            version.raise(log.store, entry.head.seq).map_err(full)?;
        }
        version.increment(own).map_err(full)?;
        Ok(version)
    }

    /// Makes the charter's view of things current after it changed.
    pub(crate) fn charter_changed(&mut self) -> Result<(), Error> {
        self.cache.flush(&self.conn)?;
        let membership = charter::membership(&self.conn)?;
        self.cache.roles = charter::roles(&self.conn, &membership)?;
        self.cache.membership = Some(membership);
        self.learn_keys();
        self.judge_revoked()?;
        self.judge_documents()?;
        self.hear_erasures()
    }
}
