//! Every question that can be asked, over whichever connection asks it.
//!
//! The writer, the pool of readers and the simulator ask the same questions, so they are functions over a connection,
//! and this is their list.

use antiphon_core::charter::{Charter, GrantPath, Membership};
use antiphon_core::event::Event;
use antiphon_core::genome::Genome;
use antiphon_core::ids::{FactId, Hash, IncidentId, NodeId, StoreId};
use antiphon_core::incident;
use antiphon_core::log::{Head, LogId, NodeClock};
use antiphon_core::time::UnixMillis;
use rusqlite::Connection;
use std::sync::Arc;

use crate::cause::Skewed;
use crate::error::Error;
use crate::invites::Invite;
use crate::peers::PeerRow;
use crate::search::{self, Frequencies, Recall, RecallQuery, Weighed};
use crate::view::{
    Counts, EditView, FactFilter, FactView, ForkView, IncidentFilter, IncidentView, LogView, MissingPayload, Own,
    Quarantined, Report, Resolved, Side,
};
use crate::{branch, cache, cause, charter, invites, page, payloads, peers, query, removed, verify};

/// See the module.
#[derive(Debug)]
pub struct Reader<'a> {
    main: &'a Connection,
    search: &'a Connection,
    frequencies: &'a Frequencies,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(main: &'a Connection, search: &'a Connection, frequencies: &'a Frequencies) -> Self {
        Self { main, search, frequencies }
    }

    pub(crate) const fn connection(&self) -> &Connection {
        self.main
    }

    pub(crate) const fn search(&self) -> &Connection {
        self.search
    }

    /// Whose database this is, if it has a team.
    ///
    /// # Errors
    /// When the database fails; so for all that follow.
    pub fn own(&self) -> Result<Option<Own>, Error> {
        cache::own(self.main)
    }

    /// The founding genes of the team.
    ///
    /// # Errors
    /// [`Error::NoTeam`] when there is none.
    pub fn founding_genome(&self) -> Result<Genome, Error> {
        charter::team_genome(self.main)
    }

    /// The founding genes and those that the charter added.
    ///
    /// # Errors
    /// [`Error::NoTeam`] when there is none.
    pub fn genome(&self) -> Result<Genome, Error> {
        charter::current_genome(self.main)
    }

    /// Ids of founding genes that are not what they were when they were written.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tampered_genes(&self) -> Result<Vec<String>, Error> {
        charter::tampered(self.main)
    }

    /// Every charter record that is held, and the membership they make.
    ///
    /// # Errors
    /// [`Error::NoTeam`] when there is no team.
    pub fn charter(&self) -> Result<Charter, Error> {
        charter::charter(self.main)
    }

    /// Who is a member.
    ///
    /// # Errors
    /// [`Error::NoTeam`] when there is no team.
    pub fn membership(&self) -> Result<Arc<Membership>, Error> {
        charter::membership(self.main)
    }

    /// The charter event with this hash, after the opening event of its log.
    ///
    /// # Errors
    /// When the database fails.
    pub fn charter_record(&self, hash: &Hash) -> Result<Option<(Event, Event)>, Error> {
        charter::record(self.main, hash)
    }

    /// How this node was removed from its team, if it was told.
    ///
    /// # Errors
    /// When the database fails.
    pub fn removed(&self) -> Result<Option<removed::Removed>, Error> {
        removed::removed(self.main)
    }

    /// The events that prove the membership of `node`, if it has one.
    ///
    /// # Errors
    /// [`Error::NoTeam`] when there is no team.
    pub fn grant_path(&self, node: &NodeId) -> Result<Option<GrantPath>, Error> {
        charter::grant_path(self.main, node)
    }

    /// How much of each charter and shared log is held.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clock(&self) -> Result<NodeClock, Error> {
        query::logs::clock(self.main)
    }

    /// Every log that is held, local ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub fn logs(&self) -> Result<Vec<LogView>, Error> {
        query::logs::list(self.main)
    }

    /// The key that signs the logs of `store`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn log_key(&self, store: &StoreId) -> Result<Option<NodeId>, Error> {
        query::logs::key(self.main, store)
    }

    /// Hash of the header at `seq` of `log`, if it is held.
    ///
    /// # Errors
    /// When the database fails.
    pub fn header_hash_at(&self, log: LogId, seq: u64) -> Result<Option<Hash>, Error> {
        query::logs::header_hash_at(self.main, log, seq)
    }

    /// Consecutive events of `log` after sequence number `after`, the last of them signed: at most `max_events` and
    /// `max_bytes`, unless the first signature comes later. Payloads that `for_peer` may not read are left out. Empty
    /// for a local log and when there is nothing to send.
    ///
    /// # Errors
    /// When the database fails.
    pub fn page(
        &self,
        log: LogId,
        after: u64,
        max_events: usize,
        max_bytes: usize,
        for_peer: Option<&NodeId>,
    ) -> Result<Vec<Event>, Error> {
        page::page(self.main, log, after, max_events, max_bytes, for_peer)
    }

    /// One event, if it is held.
    ///
    /// # Errors
    /// When the database fails.
    pub fn event_at(&self, log: LogId, seq: u64) -> Result<Option<Event>, Error> {
        query::logs::event_at(self.main, log, seq)
    }

    /// Events that this node holds and a node with `clock` lacks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lag(&self, clock: &NodeClock) -> Result<u64, Error> {
        query::logs::lag(self.main, clock)
    }

    /// Both branches of every forked log.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forks(&self) -> Result<Vec<ForkView>, Error> {
        query::logs::forks(self.main)
    }

    /// The last event that all known branches of each forked log share; [`Head::EMPTY`] where they share none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn partings(&self) -> Result<NodeClock, Error> {
        branch::partings(self.main)
    }

    /// The events at these places of a log, as far as they are held.
    ///
    /// # Errors
    /// When the database fails.
    pub fn heads_at(&self, log: LogId, seqs: &[u64]) -> Result<Vec<Head>, Error> {
        branch::heads_at(self.main, log, seqs)
    }

    /// Two branches of a forked log from where they part, each as far as one page goes, with a signature in the end.
    /// Texts that `peer` may not read are left out. Empty when the log has one branch.
    ///
    /// # Errors
    /// When the database fails.
    pub fn proof(&self, log: LogId, peer: &NodeId) -> Result<Vec<Vec<Event>>, Error> {
        branch::proof(self.main, log, peer)
    }

    /// One fact, forgotten ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fact(&self, id: FactId) -> Result<Option<FactView>, Error> {
        query::facts::get(self.main, id)
    }

    /// The fact whose id `text` is, or is the only beginning of.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resolve_fact(&self, text: &str) -> Result<Resolved, Error> {
        query::facts::resolve(self.main, text)
    }

    /// Facts, the newest id first, at most `limit`, those before the id `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn facts(&self, filter: &FactFilter, limit: usize, after: Option<FactId>) -> Result<Vec<FactView>, Error> {
        query::listing::list(self.main, filter, limit, after)
    }

    /// Every edit of a fact, in the order of their clocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn history(&self, id: FactId) -> Result<Vec<EditView>, Error> {
        query::history::history(self.main, id)
    }

    /// The values that stand for the diverged fields of a fact, the shown one of each field first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sides(&self, id: FactId) -> Result<Vec<Side>, Error> {
        query::history::sides(self.main, id)
    }

    /// One incident.
    ///
    /// # Errors
    /// When the database fails.
    pub fn incident(&self, id: IncidentId) -> Result<Option<IncidentView>, Error> {
        query::incidents::get(self.main, id)
    }

    /// The incident whose id `text` is, or is the only beginning of.
    ///
    /// # Errors
    /// When the database fails.
    pub fn resolve_incident(&self, text: &str) -> Result<Resolved<IncidentId>, Error> {
        query::incidents::resolve(self.main, text)
    }

    /// Incidents, the newest id first, at most `limit`, those before the id `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn incidents(
        &self,
        filter: &IncidentFilter,
        limit: usize,
        after: Option<IncidentId>,
    ) -> Result<Vec<IncidentView>, Error> {
        query::incidents::list(self.main, filter, limit, after)
    }

    /// Every edit of an incident, in the order of their clocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn incident_history(&self, id: IncidentId) -> Result<Vec<EditView<incident::Field>>, Error> {
        query::history::of_incident(self.main, id)
    }

    /// The facts that fit a question best.
    ///
    /// # Errors
    /// When a database fails; never because of the text.
    pub fn recall(&self, query: &RecallQuery) -> Result<Recall, Error> {
        search::recall(self.main, self.search, self.frequencies, query)
    }

    /// What a fact said at a time: the edits that their authors dated at or before it, merged as if there were no others.
    /// `None` when there were none, and for what was forgotten for good.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fact_at(&self, id: FactId, at: UnixMillis) -> Result<Option<FactView>, Error> {
        Ok(query::as_of::fact_at(self.main, id, at)?.map(|then| then.view))
    }

    /// How well texts of another node fit a question, each given as its parts, the text that is shown first; `None` where
    /// no word fits. The words are worth what they are worth here, so that the scores stand beside those of own hits.
    ///
    /// # Errors
    /// When a database fails.
    pub fn weigh(&self, question: &str, texts: &[Vec<String>]) -> Result<Vec<Option<Weighed>>, Error> {
        search::weigh(self.search, self.frequencies, question, texts)
    }

    /// How much there is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counts(&self) -> Result<Counts, Error> {
        query::counts::counts(self.main)
    }

    /// Events that are kept and not, or not fully, applied; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>, Error> {
        query::logs::quarantined(self.main, limit)
    }

    /// Events that came from the future, applied and marked; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn skewed(&self, limit: usize) -> Result<Vec<Skewed>, Error> {
        cause::skewed(self.main, limit)
    }

    /// Events whose payload is not held, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn missing_payloads(&self, limit: usize) -> Result<Vec<MissingPayload>, Error> {
        payloads::missing(self.main, limit)
    }

    /// One number that is equal on all nodes that hold the same charter and shared logs.
    ///
    /// # Errors
    /// [`Error::NoTeam`] when there is no team.
    pub fn state_hash(&self) -> Result<Hash, Error> {
        query::state::state_hash(self.main)
    }

    /// Checks everything that can be checked.
    ///
    /// # Errors
    /// When the database cannot even be read; what is wrong with its content is in the report.
    pub fn verify(&self) -> Result<Report, Error> {
        verify::verify(self.main)
    }

    /// A peer.
    ///
    /// # Errors
    /// When the database fails.
    pub fn peer(&self, node: &NodeId) -> Result<Option<PeerRow>, Error> {
        peers::get(self.main, node)
    }

    /// Every peer, in the order of the keys.
    ///
    /// # Errors
    /// When the database fails.
    pub fn peers(&self) -> Result<Vec<PeerRow>, Error> {
        peers::list(self.main)
    }

    /// Every invite that is kept, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn invites(&self) -> Result<Vec<Invite>, Error> {
        invites::list(self.main)
    }
}
