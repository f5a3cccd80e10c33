//! Taking along what this node holds.

use std::collections::BTreeSet;

use antiphon_core::event::Subject;
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, NodeClock, Stream};
use antiphon_store::{LogRun, LogView, Reader};

use super::{CarryError, Export, Take};
use crate::handle::Handle;
use crate::own_log;
use crate::team::TeamState;

/// Events after which nothing more goes into one document, in bytes of headers and payloads. In base64, and with the
/// facts once more in plain, it becomes four times as much.
const EVENT_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Events of one page.
const PAGE_EVENTS_MAX: usize = 512;
/// Bytes of one page.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

impl Handle {
    /// What this node holds beyond `since`. What `peer` may not read goes without its text.
    ///
    /// # Errors
    /// [`CarryError::Node`] when the database fails.
    pub async fn export_carried(
        &self,
        what: Take,
        since: NodeClock,
        peer: Option<NodeId>,
    ) -> Result<Export, CarryError> {
        // Before anything of them is read, so that nothing leaves that is not noted.
        own_log::note_all_sent(&self.shared.store, self.shared.key.node_id()).await?;
        let version = self.shared.agent_version.clone();
        Ok(self.shared.store.read(move |reader| export(reader, &version, what, &since, peer)).await?)
    }

    /// What a peer is known to hold, as it said online or by hand.
    ///
    /// # Errors
    /// [`CarryError::Node`].
    pub async fn carried_clock(&self, peer: NodeId) -> Result<NodeClock, CarryError> {
        Ok(self.known_peer(peer).await?.holds.unwrap_or_default())
    }

    /// What this node holds.
    ///
    /// # Errors
    /// [`CarryError::Node`].
    pub async fn own_clock(&self) -> Result<NodeClock, CarryError> {
        Ok(self.shared.store.read(|reader| reader.clock()).await?)
    }
}

fn export(
    reader: &Reader<'_>,
    version: &str,
    what: Take,
    since: &NodeClock,
    peer: Option<NodeId>,
) -> Result<Export, antiphon_store::Error> {
    let team = TeamState::read(reader, version)?;
    let all = what == Take::Everything;
    let genes: Vec<(String, String)> = if all && since.is_empty() {
        team.genome.genes().map(|(id, text)| (id.to_owned(), text.to_owned())).collect()
    } else {
        Vec::new()
    };
    let mut budget = EVENT_BYTES_MAX.saturating_sub(genes.iter().map(|(id, text)| id.len() + text.len()).sum());
    let (mut logs, mut reaches, mut more) = (Vec::new(), since.clone(), false);
    let wanted = |view: &LogView| match view.log.stream {
        Stream::Charter => true,
        Stream::Shared => all,
        Stream::Local => false,
    };
    for view in reader.logs()?.into_iter().filter(|view| wanted(view) && view.head.seq > 0) {
        let (run, whole) = range(reader, &view, since, peer.as_ref(), &mut budget)?;
        more |= !whole;
        if let Some(last) = run.events.last() {
            reaches.insert(run.log, last.head());
            logs.push(run);
        }
    }
    // A text that is withheld from the peer is missing from the events; it must not stand beside them either.
    let events = logs.iter().flat_map(|run: &LogRun| &run.events).filter(|event| event.payload().is_some());
    let subjects: BTreeSet<Subject> = events.map(|event| event.header().subject.clone()).collect();
    let (mut facts, mut incidents) = (Vec::new(), Vec::new());
    for subject in subjects {
        match subject {
            Subject::Fact(id) => facts.extend(reader.fact(id)?.filter(is_plain)),
            Subject::Incident(id) => incidents.extend(reader.incident(id)?),
            _ => {}
        }
    }
    let own = &team.own;
    Ok(Export {
        team: own.team,
        node: own.node,
        name: own.name.clone(),
        store: own.store,
        genome: team.genome.hash(),
        genes,
        logs,
        facts,
        incidents,
        clock: if all { reader.clock()? } else { NodeClock::new() },
        reaches,
        more,
    })
}

/// Whether a fact may stand in plain beside its events.
fn is_plain(view: &antiphon_store::FactView) -> bool {
    view.stream == Stream::Shared && !view.forgotten && !view.fact.private && view.fact.role.is_none()
}

/// The events of a log beyond `since`, as far as the budget goes; whether these are all.
fn range(
    reader: &Reader<'_>,
    view: &LogView,
    since: &NodeClock,
    peer: Option<&NodeId>,
    budget: &mut usize,
) -> Result<(LogRun, bool), antiphon_store::Error> {
    let mut after = first_after(reader, view.log, since)?;
    let mut run = LogRun { log: view.log, node: view.node, events: Vec::new() };
    while after < view.head.seq {
        if *budget == 0 {
            return Ok((run, false));
        }
        let page = reader.page(view.log, after, PAGE_EVENTS_MAX, PAGE_BYTES_MAX, peer)?;
        // What is not covered by a signature yet cannot be handed on.
        let Some(last) = page.last() else { break };
        after = last.header().seq;
        let size =
            |event: &antiphon_core::event::Event| event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len);
        *budget = budget.saturating_sub(page.iter().map(size).sum());
        run.events.extend(page);
    }
    Ok((run, true))
}

/// After which event of a log to begin. Who holds another branch of it gets it from the start, and sees both.
fn first_after(reader: &Reader<'_>, log: LogId, since: &NodeClock) -> Result<u64, antiphon_store::Error> {
    let Some(head) = since.get(&log).filter(|head| head.seq > 0) else { return Ok(0) };
    Ok(match reader.header_hash_at(log, head.seq)? {
        Some(hash) if hash != head.hash => 0,
        _ => head.seq,
    })
}
