//! Modes, what is shared with whom, and why something is not there.

use std::ops::Range;

use antiphon_core::address::{Address, Selector};
use antiphon_core::charter::Refusal;
use antiphon_core::custody::Custody;
use antiphon_core::fact::Level;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::Stream;
use antiphon_core::state::Verdict;
use antiphon_store::{Domains, FactEntry, NodeMode, PeerMode, Reader, Resolved, TAIL_EVENTS_MAX};

use super::Handle;
use crate::announce;
use crate::api::{Cursors, Error, FederationView, ForkedLog, PeerStanding, PeerView, WhyView};
use crate::clock::now;
use crate::inputs::Command;
use crate::modes::Ask;
use crate::team::TeamState;
use crate::why::{self, Asked, Known, KnownDocument, KnownFact, KnownVersion, SealedFor};

/// What is asked about a peer.
enum Question {
    Everything,
    Fact(FactId),
    Document(Address, Selector),
}

impl Handle {
    /// Whether this node sends and takes.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn node_mode(&self) -> Result<NodeMode, Error> {
        self.ask(|reply| Command::Modes(Ask::Mode(reply))).await
    }

    /// Sets whether this node sends and takes; it holds at once and after a restart.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn set_node_mode(&self, mode: NodeMode) -> Result<(), Error> {
        let _one_at_a_time = self.shared.settings.lock().await;
        self.store().write(move |db| db.set_node_mode(mode)).await?;
        self.ask(|reply| Command::Modes(Ask::SetNode { mode, reply })).await
    }

    /// Sets whether events are exchanged with a peer; it holds at once and after a restart. A paused peer keeps its
    /// place, and the charter goes on to flow, so that nobody misses a removal.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`], [`Error::Store`].
    pub async fn set_peer_mode(&self, text: &str, mode: PeerMode) -> Result<PeerView, Error> {
        let peer = self.resolve_peer(text).await?;
        let _one_at_a_time = self.shared.settings.lock().await;
        self.store().write(move |db| db.set_peer_mode(&peer, mode)).await?;
        self.ask(|reply| Command::Modes(Ask::SetPeer { peer, mode, reply })).await?;
        self.peer(&peer.to_string()).await
    }

    /// Sets which domains a peer gets the texts of; the next page to it follows.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`], [`Error::Store`].
    pub async fn share_with(&self, text: &str, domains: Domains) -> Result<PeerView, Error> {
        let peer = self.resolve_peer(text).await?;
        let _one_at_a_time = self.shared.settings.lock().await;
        let filtered = !domains.is_all();
        self.store().write(move |db| db.set_peer_domains(&peer, domains)).await?;
        self.tell(Command::Announce(announce::Ask::Filtered { peer, filtered })).await?;
        self.peer(&peer.to_string()).await
    }

    /// How this node shares with its team, and how far that has come.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn federation(&self) -> Result<FederationView, Error> {
        let (peers, mode, team) = (self.peers().await?, self.node_mode().await?, self.team().await?);
        let deepest = team.constitution.sharing.up_to;
        let (queued, storage) = (self.outbox_summary().await?.peers, self.storage_offer().await?);
        let read = move |reader: &Reader<'_>| {
            let (standings, rows) = (reader.standings()?, reader.peers()?);
            let of = |peer: PeerView| {
                let row = rows.iter().find(|row| row.node == peer.peer_id);
                let mut cursors = Cursors::default();
                standings.iter().filter(|log| log.node == peer.peer_id).for_each(|log| cursors.add(log));
                let queued = queued.iter().find(|queued| queued.peer == peer.peer_id).cloned();
                PeerStanding { domains: row.map(Domains::of).unwrap_or_default(), cursors, queued, peer }
            };
            let peers = peers.into_iter().map(of).collect();
            let mut cursors = Cursors::default();
            standings.iter().for_each(|log| cursors.add(log));
            let fork = |log: &antiphon_store::LogStanding| match log.verdict {
                Verdict::Forked(seq) => Some(ForkedLog { log: log.log, node: log.node, name: log.name.clone(), seq }),
                _ => None,
            };
            let forks = standings.iter().filter_map(fork).collect();
            let levels = Level::ALL.into_iter().filter(|level| *level <= deepest).collect();
            Ok(FederationView { mode, levels, storage, peers, cursors, forks })
        };
        Ok(self.store().read(read).await?)
    }

    /// What stands between a fact and a peer, or, without a fact, between this node and a peer.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`], [`Error::FactAmbiguous`], and [`Error::FactNotFound`] for
    /// the beginning of an id that no fact here has; a whole id of a fact that is not here is a question like any other.
    pub async fn why(&self, fact: Option<&str>, peer: &str) -> Result<WhyView, Error> {
        let peer = self.peer(peer).await?;
        let fact = match fact {
            Some(text) => Some(self.fact_here_or_not(text).await?),
            None => None,
        };
        let known = self.known(fact.map_or(Question::Everything, Question::Fact), peer).await?;
        let (findings, held) = why::findings(&known);
        Ok(WhyView { peer: known.peer.peer_id, name: known.peer.name, fact, document: None, held, findings })
    }

    /// What stands between a document and a peer that wants to read it.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`]. A document that is not in the index is a question like any
    /// other.
    pub async fn why_document(&self, address: &Address, selector: Selector, peer: &str) -> Result<WhyView, Error> {
        let peer = self.peer(peer).await?;
        let known = self.known(Question::Document(address.clone(), selector), peer).await?;
        let (findings, held) = why::findings(&known);
        let (peer, name) = (known.peer.peer_id, known.peer.name);
        Ok(WhyView { peer, name, fact: None, document: Some(address.clone()), held, findings })
    }

    /// Whether a fact was shared and is not any more, so that members which got it before keep what they got.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn is_left_with_others(&self, id: FactId) -> Result<bool, Error> {
        let team = self.team().await?;
        let Some(view) = self.store().read(move |reader| reader.fact(id)).await? else { return Ok(false) };
        let now = team.constitution.sharing.stream_of(view.fact.level, view.fact.private);
        Ok(team.others() > 0 && view.stream == Stream::Shared && now == Stream::Local)
    }

    async fn fact_here_or_not(&self, text: &str) -> Result<FactId, Error> {
        let prefix = text.to_owned();
        match (self.store().read(move |reader| reader.resolve_fact(&prefix)).await?, text.trim().parse()) {
            (Resolved::None, Ok(id)) => Ok(id),
            _ => self.resolve_fact(text).await,
        }
    }

    async fn known(&self, question: Question, peer: PeerView) -> Result<Known, Error> {
        let node = peer.peer_id;
        let theirs = self.ask(|reply| Command::Modes(Ask::Holds { peer: node, reply })).await?;
        let (mode, team, at) = (self.node_mode().await?, self.team().await?, now());
        let queued = self.outbox_of(node).await?;
        let member: Result<(), Refusal> = team.check(&node, at);
        // Recall looks through the newest events as well; what it misses lies between those and the index.
        let (indexed, committed) = (*self.store().indexed().borrow(), self.store().committed().borrow().pos);
        let missed = indexed.saturating_add(1)..committed.saturating_sub(TAIL_EVENTS_MAX as u64);
        let own = team.own.clone();
        let read = move |reader: &Reader<'_>| {
            let receipt = receipt_of(reader, &node, &own.team, peer.store_id)?;
            let row = reader.peer(&node)?;
            let asked = match question {
                Question::Everything => Asked::Everything,
                Question::Fact(id) => Asked::Fact(Box::new(known_fact(reader, &team, &node, id, &missed)?)),
                Question::Document(address, selector) => {
                    Asked::Document(Box::new(known_document(reader, &team, &node, address, selector)?))
                }
            };
            let domains = row.as_ref().map(Domains::of).unwrap_or_default();
            let (ours, standings) = (reader.clock()?, reader.standings()?);
            let name = own.name;
            Ok(Known {
                now: at,
                own: name,
                node: own.node,
                mode,
                peer,
                member,
                domains,
                theirs,
                ours,
                standings,
                receipt,
                queued,
                asked,
            })
        };
        Ok(self.store().read(read).await?)
    }
}

/// The receipt of a peer. What it signed with a database that it has no more says nothing about the present one.
fn receipt_of(
    reader: &Reader<'_>,
    node: &NodeId,
    team: &antiphon_core::ids::TeamId,
    store: Option<antiphon_core::ids::StoreId>,
) -> Result<Option<Custody>, antiphon_store::Error> {
    let kept = reader.receipts()?.into_iter().find(|kept| kept.node == *node);
    let custody = kept.and_then(|kept| kept.receipt.verify(team).ok());
    Ok(custody.filter(|custody| custody.node == *node && store.is_none_or(|store| store == custody.store)))
}

fn known_document(
    reader: &Reader<'_>,
    team: &TeamState,
    peer: &NodeId,
    address: Address,
    selector: Selector,
) -> Result<KnownDocument, antiphon_store::Error> {
    let Some(view) = reader.content_version(&address.id(), selector)? else {
        return Ok(KnownDocument { address, version: None });
    };
    let role = view.entry.creator_role.clone();
    let sealed = SealedFor::of(team, peer, role, |opens| {
        view.entry.encrypted_for.iter().any(|(role, epoch)| opens(role, epoch))
    });
    let version = KnownVersion {
        number: view.entry.version,
        removed: view.removed,
        unauthorised: view.unauthorised,
        entry: reader.content_entry(&view)?,
        here: reader.blob(&view.entry.root)?.is_some_and(|blob| blob.is_complete()),
        sealed,
    };
    Ok(KnownDocument { address, version: Some(version) })
}

fn known_fact(
    reader: &Reader<'_>,
    team: &TeamState,
    peer: &NodeId,
    id: FactId,
    missed: &Range<u64>,
) -> Result<KnownFact, antiphon_store::Error> {
    let (view, entries) = (reader.fact(id)?, reader.fact_entries(id)?);
    let maker = reader.logs()?.into_iter().find(|log| id.is_by(&log.node));
    let level = view.as_ref().map_or(Level::default(), |view| view.fact.level);
    Ok(KnownFact {
        id,
        maker: maker.map(|log| (log.node, log.name)),
        erased: reader.is_erased(id)?,
        held: view.is_some(),
        forgotten: view.as_ref().is_some_and(|view| view.forgotten),
        private: view.as_ref().is_some_and(|view| view.fact.private),
        level,
        shared_up_to: team.constitution.sharing.up_to,
        published: entries.iter().any(|entry| entry.log.stream == Stream::Shared),
        sealed: sealed_for(team, peer, &entries),
        domain: view.and_then(|view| view.fact.domain),
        indexed: !entries.iter().any(|entry| missed.contains(&entry.pos)),
        entries,
    })
}

/// What the peer can open of what a fact says now: all of it, or it cannot read the fact.
fn sealed_for(team: &TeamState, peer: &NodeId, entries: &[FactEntry]) -> Option<SealedFor> {
    let seals = || entries.iter().filter(|entry| entry.stands).filter_map(|entry| entry.seal.as_ref());
    let role = seals().next()?.role.clone();
    Some(SealedFor::of(team, peer, role, |opens| seals().all(|seal| opens(&seal.role, &seal.epoch))))
}
