//! The table's operations: what was asked, what has come so far, and when that is enough.

use std::collections::{BTreeSet, HashMap, VecDeque};

use antiphon_core::ids::NodeId;
use libp2p::PeerId;
use libp2p::kad::{
    AddProviderResult, BootstrapResult, Event, GetProvidersError, GetProvidersOk, GetProvidersResult, GetRecordError,
    GetRecordOk, GetRecordResult, PeerRecord, PutRecordError, PutRecordResult, QueryId, QueryResult, QueryStats,
    Quorum, Record, RecordKey,
};
use tokio::sync::oneshot;

use super::handle::{Answer, Command, Error, Query, Stored};
use super::store::node_of;
use super::{Found, Table};

/// Most operations that wait for their turn or are under way.
const OPERATIONS_MAX: usize = 256;
/// Most operations that are under way at the same time. Each may have a stream on every connection, and a connection
/// with too many streams ends.
const AT_ONCE_MAX: usize = 16;

/// An operation that is under way.
enum Running {
    Put { want: usize, reply: Answer<Stored> },
    Get { key: RecordKey, limit: usize, found: Vec<Found>, reply: Answer<Vec<Found>> },
    Provide { reply: Answer<()> },
    Providers { limit: usize, found: BTreeSet<NodeId>, reply: Answer<Vec<NodeId>> },
    Bootstrap { reply: Answer<usize> },
}

/// Everything that waits for the table.
#[derive(Default)]
pub(crate) struct Operations {
    running: HashMap<QueryId, Running>,
    /// Operations that wait for their turn.
    waiting: VecDeque<Query>,
    succeeded: u64,
    failed: u64,
    bootstrapped: bool,
    /// How many tables there were when the operations began.
    tables: u64,
}

impl Operations {
    /// How many operations wait for the network.
    pub(crate) fn len(&self) -> usize {
        self.running.len() + self.waiting.len()
    }

    /// Does what was asked, or begins it. There is no table if it is switched off.
    pub(crate) fn on_command(&mut self, command: Command, table: Option<&mut Table>) {
        let Some(table) = table else { return refuse(command, Error::Off) };
        self.follow(table);
        match command {
            Command::Keep { key, value, reply } => answer(reply, store(table, key, value)),
            Command::StopProviding { key, reply } => {
                table.kad().stop_providing(&key.into());
                answer(reply, Ok(()));
            }
            Command::Meet { peer, addresses, reply } => answer(reply, Ok(table.meet(peer, &addresses))),
            Command::Forget { peer, reply } => {
                table.forget(&peer);
                answer(reply, Ok(()));
            }
            Command::Peers { reply } => {
                let entries = table
                    .kad()
                    .kbuckets()
                    .flat_map(|bucket| bucket.iter().map(|entry| *entry.node.key.preimage()).collect::<Vec<_>>());
                answer(reply, Ok(entries.filter_map(|peer| node_of(&peer)).collect()));
            }
            Command::Stats { reply } => {
                let mut stats = table.stats();
                (stats.running, stats.bootstrapped) = (self.len(), self.bootstrapped);
                (stats.succeeded, stats.failed) = (self.succeeded, self.failed);
                answer(reply, Ok(stats));
            }
            Command::Rename { prefix, reply } => {
                table.rename(prefix);
                self.follow(table);
                answer(reply, Ok(()));
            }
            Command::SetMode { mode, reply } => {
                table.set_mode(mode);
                answer(reply, Ok(()));
            }
            Command::Query(query) if self.len() >= OPERATIONS_MAX => {
                refuse_query(query, Error::Busy { max: OPERATIONS_MAX });
            }
            Command::Query(query) => {
                self.waiting.push_back(query);
                self.take_turns(table);
            }
        }
    }

    /// Ends the operations of an earlier table.
    fn follow(&mut self, table: &Table) {
        if std::mem::replace(&mut self.tables, table.tables()) == table.tables() {
            return;
        }
        self.bootstrapped = false;
        for (_, running) in std::mem::take(&mut self.running) {
            match running {
                Running::Put { reply, .. } => self.end(reply, Err(Error::Timeout)),
                Running::Get { reply, .. } => self.end(reply, Err(Error::Timeout)),
                Running::Provide { reply } => self.end(reply, Err(Error::Timeout)),
                Running::Providers { reply, .. } => self.end(reply, Err(Error::Timeout)),
                Running::Bootstrap { reply } => self.end(reply, Err(Error::Timeout)),
            }
        }
    }

    fn take_turns(&mut self, table: &mut Table) {
        while self.running.len() < AT_ONCE_MAX {
            let Some(query) = self.waiting.pop_front() else { return };
            self.begin(query, table);
        }
    }

    fn begin(&mut self, query: Query, table: &mut Table) {
        match query {
            Query::Put { key, value, copies, reply } => self.put(table, key, value, copies, reply),
            Query::Get { key, limit, reply } => self.get(table, key.into(), limit, reply),
            Query::Provide { key, reply } => self.provide(table, key.into(), reply),
            Query::Providers { key, limit, reply } => {
                let id = table.kad().get_providers(key.into());
                self.running.insert(id, Running::Providers { limit: limit.max(1), found: BTreeSet::new(), reply });
            }
            Query::Bootstrap { reply } => match table.kad().bootstrap() {
                Ok(id) => drop(self.running.insert(id, Running::Bootstrap { reply })),
                Err(_) => self.end(reply, Err(Error::NoMembers)),
            },
        }
    }

    fn put(&mut self, table: &mut Table, key: Vec<u8>, value: Vec<u8>, copies: usize, reply: Answer<Stored>) {
        let Some(want) = table.copies(copies) else {
            let result = store(table, key, value).and(Err(Error::NoMembers));
            return self.end(reply, result);
        };
        match table.kad().put_record(Record::new(key, value), Quorum::N(want)) {
            Ok(id) => drop(self.running.insert(id, Running::Put { want: want.get(), reply })),
            Err(_) => {
                let reason = table.store().last_refusal();
                self.end(reply, Err(Error::Refused { reason }));
            }
        }
    }

    fn get(&mut self, table: &mut Table, key: RecordKey, limit: usize, reply: Answer<Vec<Found>>) {
        let id = table.kad().get_record(key.clone());
        self.running.insert(id, Running::Get { key, limit: limit.max(1), found: Vec::new(), reply });
    }

    fn provide(&mut self, table: &mut Table, key: RecordKey, reply: Answer<()>) {
        let is_alone = table.peers() == 0;
        match table.kad().start_providing(key) {
            // The operation that was begun asks nobody and ends by itself.
            Ok(_) if is_alone => self.end(reply, Err(Error::NoMembers)),
            Ok(id) => drop(self.running.insert(id, Running::Provide { reply })),
            Err(_) => {
                let reason = table.store().last_refusal();
                self.end(reply, Err(Error::Refused { reason }));
            }
        }
    }

    /// An operation went on.
    pub(crate) fn on_event(&mut self, event: Event, table: Option<&mut Table>) {
        let (Event::OutboundQueryProgressed { id, result, stats, step }, Some(table)) = (event, table) else { return };
        self.follow(table);
        match result {
            QueryResult::GetRecord(result) => self.on_get(table, id, result, step.last),
            QueryResult::GetProviders(result) => self.on_providers(table, id, result, step.last),
            QueryResult::PutRecord(result) => self.on_put(id, result),
            QueryResult::StartProviding(result) => self.on_provide(id, &result, stats),
            QueryResult::Bootstrap(result) => self.on_bootstrap(table, id, &result, step.last),
            QueryResult::GetClosestPeers(_) | QueryResult::RepublishProvider(_) | QueryResult::RepublishRecord(_) => {}
        }
        self.take_turns(table);
    }

    fn on_get(&mut self, table: &mut Table, id: QueryId, result: GetRecordResult, last: bool) {
        let Some(Running::Get { key, limit, found, .. }) = self.running.get_mut(&id) else { return };
        let mut timed_out = false;
        match result {
            Ok(GetRecordOk::FoundRecord(PeerRecord { peer, record })) => take(table, key, found, peer, record),
            Ok(GetRecordOk::FinishedWithNoAdditionalRecord { .. }) | Err(GetRecordError::NotFound { .. }) => {}
            Err(GetRecordError::Timeout { .. }) => timed_out = true,
        }
        let enough = found.len() >= *limit;
        if !enough && !last {
            return;
        }
        if let Some(mut query) = table.kad().query_mut(&id) {
            query.finish();
        }
        if let Some(Running::Get { found, reply, .. }) = self.running.remove(&id) {
            self.end(reply, found_or(found, timed_out, table));
        }
    }

    fn on_providers(&mut self, table: &mut Table, id: QueryId, result: GetProvidersResult, last: bool) {
        let Some(Running::Providers { limit, found, .. }) = self.running.get_mut(&id) else { return };
        let mut timed_out = false;
        match result {
            Ok(GetProvidersOk::FoundProviders { providers, .. }) => {
                let judge = table.store();
                let nodes = providers.iter().filter_map(node_of);
                found.extend(nodes.filter(|node| judge.judge().is_member(node)));
            }
            Ok(GetProvidersOk::FinishedWithNoAdditionalRecord { .. }) => {}
            Err(GetProvidersError::Timeout { .. }) => timed_out = true,
        }
        let enough = found.len() >= *limit;
        if !enough && !last {
            return;
        }
        if let Some(mut query) = table.kad().query_mut(&id) {
            query.finish();
        }
        if let Some(Running::Providers { limit, found, reply }) = self.running.remove(&id) {
            self.end(reply, found_or(found.into_iter().take(limit).collect(), timed_out, table));
        }
    }

    fn on_put(&mut self, id: QueryId, result: PutRecordResult) {
        let Some(Running::Put { want, reply }) = self.running.remove(&id) else { return };
        let result = match result {
            Ok(_) => Ok(Stored { copies: want }),
            Err(PutRecordError::QuorumFailed { success, .. } | PutRecordError::Timeout { success, .. }) => {
                Err(Error::TooFew { got: success.len(), want })
            }
        };
        self.end(reply, result);
    }

    /// Who is told that a key is provided does not answer that, but only whoever answered before is told: where nobody
    /// did, nobody was told, which the library does not count as a failure.
    fn on_provide(&mut self, id: QueryId, result: &AddProviderResult, stats: QueryStats) {
        if let Some(Running::Provide { reply }) = self.running.remove(&id) {
            let told = result.is_ok() && stats.num_successes() > 0;
            self.end(reply, told.then_some(()).ok_or(Error::Timeout));
        }
    }

    fn on_bootstrap(&mut self, table: &mut Table, id: QueryId, result: &BootstrapResult, last: bool) {
        // The table begins one by itself whenever it knows few members; that counts as well.
        self.bootstrapped |= last && result.is_ok() && table.peers() > 0;
        let ended = last || result.is_err();
        if let Some(Running::Bootstrap { reply }) = ended.then(|| self.running.remove(&id)).flatten() {
            let peers = table.peers();
            let result = match result {
                Ok(_) if peers == 0 => Err(Error::NoMembers),
                Ok(_) => Ok(peers),
                Err(_) => Err(Error::Timeout),
            };
            self.end(reply, result);
        }
    }

    /// An operation ended.
    fn end<T>(&mut self, reply: Answer<T>, result: Result<T, Error>) {
        *(if result.is_ok() { &mut self.succeeded } else { &mut self.failed }) += 1;
        answer(reply, result);
    }
}

/// Notes a record that somebody has, if it is one.
fn take(table: &mut Table, key: &RecordKey, found: &mut Vec<Found>, peer: Option<PeerId>, record: Record) {
    // What others repeat was judged before, and what is held here when it was stored.
    let is_known = peer.is_none() || found.iter().any(|known| known.value == record.value);
    if record.key == *key && (is_known || table.store().believes(key, &record.value)) {
        found.push(Found { value: record.value, from: peer.as_ref().and_then(node_of) });
    }
}

fn found_or<T>(found: Vec<T>, timed_out: bool, table: &mut Table) -> Result<Vec<T>, Error> {
    match found.is_empty() {
        false => Ok(found),
        true if timed_out => Err(Error::Timeout),
        true if table.peers() == 0 => Err(Error::NoMembers),
        true => Ok(found),
    }
}

/// Stores a record of this node here.
fn store(table: &mut Table, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
    let reason = table.keep(key.into(), value);
    reason.map_err(|reason| Error::Refused { reason })
}

fn refuse(command: Command, error: Error) {
    match command {
        Command::Query(query) => refuse_query(query, error),
        Command::Meet { reply, .. } => answer(reply, Err(error)),
        Command::Peers { reply } => answer(reply, Err(error)),
        Command::Stats { reply } => answer(reply, Err(error)),
        Command::Keep { reply, .. }
        | Command::StopProviding { reply, .. }
        | Command::Forget { reply, .. }
        | Command::Rename { reply, .. }
        | Command::SetMode { reply, .. } => answer(reply, Err(error)),
    }
}

fn refuse_query(query: Query, error: Error) {
    match query {
        Query::Put { reply, .. } => answer(reply, Err(error)),
        Query::Get { reply, .. } => answer(reply, Err(error)),
        Query::Provide { reply, .. } => answer(reply, Err(error)),
        Query::Providers { reply, .. } => answer(reply, Err(error)),
        Query::Bootstrap { reply } => answer(reply, Err(error)),
    }
}

/// Who asked may have gone away, which is its right.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for this answer any more");
    }
}
