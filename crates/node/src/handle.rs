//! The public door of a node: everything a program may ask of it.

mod announce;
mod blobs;
mod copies;
mod custody;
mod dht;
mod domain_names;
mod domains;
mod erasure;
mod figures;
mod messages;
mod modes;
mod outbox;
mod possession;
mod recall;
mod reconfigure;
mod registry;
mod replication;
mod resource_search;
mod resources;
mod sending;
mod sync_now;
mod tally;
mod trail;

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::genome::Genome;
use antiphon_core::ids::{FactId, Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_net::{Multiaddr, NetHandle, StreamKind};
use antiphon_protocol::ticket::Ticket;
use antiphon_store::{AuthorError, Authored, Bring, Draft, EditView, FactFilter, FactView, Report, Resolved, Store};
use antiphon_vault::{LiveKeyring, NodeKey};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use crate::api::{Error, HandshakeView, Invitation, Joined, PeerView, Reason, Status};
use crate::clock::now;
use crate::content::Contents;
use crate::content::Transfers;
use crate::inputs::Command;
use crate::outbox::pen::Pen;
use crate::sealed::Sealing;
use crate::team::TeamState;
use crate::{joins, moving, own_log, problems};

pub use dht::dht_topic;
pub use reconfigure::LiveSettings;
pub(crate) use resource_search::filter_of;
pub use resources::PlannedUse;
pub(crate) use resources::outgoing;
pub use tally::Tally;

/// How long an invitation waits for the node to know where it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether it does.
const LISTENS_STEP: Duration = Duration::from_millis(10);

/// Tells of every commit. What has changed when it has seen nothing new is what a clock changes alone.
pub type Commits = tokio::sync::watch::Receiver<antiphon_store::Committed>;

/// A running node, for programs. Cheap to clone; every method may be called from any task.
///
/// Writes return when they are durable. Reads see every write that was acknowledged before them.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) net: NetHandle,
    pub(crate) key: Arc<NodeKey>,
    /// The role keys that it opens.
    pub(crate) keys: Arc<LiveKeyring>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) agent_version: String,
    pub(crate) started: UnixMillis,
    /// See [`crate::sealed`].
    pub(crate) sealing: Sealing,
    pub(crate) quota_bytes: u64,
    /// With what items are put into the outbox.
    pub(crate) pen: Pen,
    /// How many messages came since the node started.
    pub(crate) letters: watch::Receiver<u64>,
    /// Where it is told what has changed.
    pub(crate) board: crate::changes::Board,
    /// The hash table.
    pub(crate) dht: crate::dht::Dht,
    /// What is remembered of documents.
    pub(crate) contents: Contents,
    pub(crate) transfers: Transfers,
    /// The keeper of copies.
    pub(crate) care: crate::replication::Care,
    /// Asks members what they hold.
    pub(crate) asker: crate::replication::Asker,
    /// Free space on the disk below which the node is not ready, in bytes.
    pub(crate) reserve_bytes: std::sync::atomic::AtomicU64,
    /// Where everything is kept.
    pub(crate) home: crate::home::Home,
    /// What was recalled and is not counted yet.
    pub(crate) hits: crate::hits::Hits,
    /// One at a time changes a setting: what is kept and what is done must not come to differ.
    pub(crate) settings: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("node", &self.shared.key.node_id()).finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.shared.commands.send(command(reply)).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }

    pub(crate) async fn team(&self) -> Result<TeamState, Error> {
        self.ask(Command::Team).await
    }

    /// The state of the node: who it is, what it holds, whom it knows, what needs a person.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn status(&self) -> Result<Status, Error> {
        let (peers, listen) = self.ask(Command::Peers).await?;
        let team = self.team().await?;
        let own = team.own.node;
        let read = self
            .store()
            .read(move |reader| Ok((reader.counts()?, reader.rejoined()?, crate::forks::problems(reader, &own)?)));
        let (counts, rejoined, forks) = read.await?;
        let member = team.membership.members().find(|(node, _)| **node == team.own.node).map(|(_, member)| member);
        let removal = self.removal().await?;
        let mut problems = problems::of_team(&self.members().await?, removal.as_ref(), now());
        // That the node was removed says why everybody refuses it.
        let told = |peer: &&PeerView| removal.is_some() && peer.reason == Some(Reason::Revoked);
        let peers_to_name = peers.iter().filter(|peer| !told(peer));
        problems.extend(peers_to_name.filter_map(|peer| problems::of_peer(peer, &team.own.name)));
        problems.extend(forks);
        problems.extend(crate::divergences::problem(&counts));
        let outbox = self.outbox_summary().await?;
        problems.extend(outbox::problems(&outbox));
        let unread = self.store().read(|reader| reader.message_counts()).await?.unread;
        Ok(Status {
            node_id: team.own.node,
            store_id: team.own.store,
            name: team.own.name.clone(),
            steward: team.membership.is_steward(&team.own.node),
            roles: member.map(|member| member.grant.roles.clone()).unwrap_or_default(),
            team: team.shown(),
            listen,
            mode: self.node_mode().await?,
            facts: counts.facts,
            closed: counts.closed,
            events: counts.events,
            started: self.shared.started,
            peers,
            outbox,
            unread,
            problems,
            rejoined,
        })
    }

    /// How this node was removed from its team, if it was told.
    pub(crate) async fn removal(&self) -> Result<Option<problems::Removal>, Error> {
        let removal = self.store().read(|reader| {
            let Some(removed) = reader.removed()? else { return Ok(None) };
            let by = reader.logs()?.into_iter().find(|log| log.log.store == removed.by).map(|log| log.name);
            Ok(Some(problems::Removal { by: by.filter(|name| !name.is_empty()), at: removed.at }))
        });
        Ok(removal.await?)
    }

    /// Writes events for `drafts`, in one commit with whatever else is waiting. Each draft succeeds or fails by itself.
    ///
    /// # Errors
    /// [`Error::Store`] when nothing was written.
    pub async fn author(&self, drafts: Vec<Draft>) -> Result<Vec<Result<Authored, Error>>, Error> {
        let written = own_log::author(self.store(), drafts).await?;
        Ok(written.into_iter().map(|one| one.map_err(Error::from)).collect())
    }

    /// The fact that `text` names: a whole id, or the beginning of exactly one.
    ///
    /// # Errors
    /// [`Error::FactNotFound`], [`Error::FactAmbiguous`].
    pub async fn resolve_fact(&self, text: &str) -> Result<FactId, Error> {
        let prefix = text.to_owned();
        match self.store().read(move |reader| reader.resolve_fact(&prefix)).await? {
            Resolved::One(fact) => Ok(fact),
            Resolved::Ambiguous(facts) => Err(Error::FactAmbiguous { prefix: text.to_owned(), count: facts.len() }),
            Resolved::None => Err(Error::FactNotFound(text.chars().take(64).collect())),
        }
    }

    /// One fact, also a forgotten one.
    ///
    /// # Errors
    /// [`Error::FactNotFound`], and [`AuthorError::Closed`] for one that is sealed to a role whose key is not here.
    pub async fn fact(&self, id: FactId) -> Result<FactView, Error> {
        let found = self.store().read(move |reader| reader.fact(id)).await?;
        opened(found.ok_or_else(|| Error::FactNotFound(id.to_string()))?)
    }

    /// Facts in the order of their ids: at most `limit` of those after `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn facts(&self, filter: FactFilter, limit: usize, after: Option<FactId>) -> Result<Vec<FactView>, Error> {
        Ok(self.store().read(move |reader| reader.facts(&filter, limit, after)).await?)
    }

    /// Every edit of a fact, the oldest first.
    ///
    /// # Errors
    /// [`Error::FactNotFound`].
    pub async fn history(&self, id: FactId) -> Result<Vec<EditView>, Error> {
        let (view, edits) = self.store().read(move |reader| Ok((reader.fact(id)?, reader.history(id)?))).await?;
        // Who read it before he lost the role can still look at what he read.
        let unread = edits.iter().all(|edit| edit.provenance.is_none());
        if let Some(role) = view.filter(|view| view.closed && unread).and_then(|view| view.fact.role) {
            return Err(AuthorError::Closed { fact: id, role }.into());
        }
        if edits.is_empty() { Err(Error::FactNotFound(id.to_string())) } else { Ok(edits) }
    }

    /// Every known peer, in the order of the ids.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn peers(&self) -> Result<Vec<PeerView>, Error> {
        Ok(self.ask(Command::Peers).await?.0)
    }

    /// Does a handshake with the node at `address`, a multiaddress that ends in `/p2p/PEER`, and says how it ended.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::OwnAddress`]; a refusal is no error but an outcome.
    pub async fn handshake(&self, address: &str) -> Result<HandshakeView, Error> {
        let wrong = || Error::Address(address.chars().take(200).collect());
        let peer = address.rsplit_once("/p2p/").and_then(|(_, peer)| peer.parse().ok()).ok_or_else(wrong)?;
        let address: Multiaddr = address.parse().map_err(|_| wrong())?;
        if peer == self.shared.key.node_id() {
            return Err(Error::OwnAddress);
        }
        self.ask(|reply| Command::Handshake { peer, address, reply }).await
    }

    pub(crate) async fn resolve_peer(&self, text: &str) -> Result<NodeId, Error> {
        let peers = self.peers().await?;
        // Every id begins with nothing, but nobody who says nothing means somebody.
        let begins = |id: String| !text.is_empty() && id.starts_with(text);
        let named = |peer: &&PeerView| (!text.is_empty() && peer.name == text) || begins(peer.peer_id.to_string());
        let found: Vec<NodeId> = peers.iter().filter(named).map(|peer| peer.peer_id).collect();
        let text = text.chars().take(64).collect::<String>();
        match found.as_slice() {
            [node] => Ok(*node),
            [] => Err(Error::PeerNotFound(text)),
            several => Err(Error::PeerAmbiguous { text, count: several.len() }),
        }
    }

    /// Makes a ticket for one machine, good for `ttl_ms` milliseconds. Whoever has it can join once.
    ///
    /// # Errors
    /// [`Error::NotASteward`], [`Error::UnknownRole`].
    pub async fn invite(&self, role: &str, ttl_ms: u64) -> Result<Invitation, Error> {
        joins::invite(self.store(), &self.team().await?, role, ttl_ms, self.listening().await?).await
    }

    /// Where the node listens. One that was just started knows it a moment later, and a ticket without an address leads
    /// nowhere; one that listens nowhere is not waited for longer than [`LISTENS_WITHIN`].
    async fn listening(&self) -> Result<Vec<String>, Error> {
        let until = Instant::now() + LISTENS_WITHIN;
        loop {
            let (_, listen) = self.ask(Command::Peers).await?;
            if !listen.is_empty() || Instant::now() >= until {
                return Ok(listen);
            }
            sleep(LISTENS_STEP).await;
        }
    }

    /// Joins the team of a ticket. From a team of one that has facts, `bring` must say which of them come along.
    ///
    /// # Errors
    /// [`Error::Ticket`], [`Error::InAnotherTeam`], [`Error::BringUndecided`], [`Error::JoinRefused`],
    /// [`Error::Unreachable`]; the node is then as before.
    pub async fn join(&self, ticket: &str, name: Option<&str>, bring: Option<Bring>) -> Result<Joined, Error> {
        self.move_by(ticket, name, bring, false).await
    }

    /// As [`Handle::join`], also from a team that others belong to. What they wrote stays with them.
    ///
    /// # Errors
    /// As [`Handle::join`], but for [`Error::InAnotherTeam`].
    pub async fn leave_and_join(
        &self,
        ticket: &str,
        name: Option<&str>,
        bring: Option<Bring>,
    ) -> Result<Joined, Error> {
        self.move_by(ticket, name, bring, true).await
    }

    async fn move_by(
        &self,
        ticket: &str,
        name: Option<&str>,
        bring: Option<Bring>,
        leave: bool,
    ) -> Result<Joined, Error> {
        let ticket = Ticket::parse(ticket)?;
        let team = self.team().await?;
        let (steward, addresses) = (ticket.steward, ticket.addresses.clone());
        if ticket.team == team.own.team {
            if steward != team.own.node {
                self.tell(Command::Meet { peer: steward, addresses }).await?;
            }
            return Ok(Joined::Already { team: team.shown() });
        }
        ticket.check(now())?;
        let bring = moving::may_move(self.store(), &team, &ticket, bring, leave).await?;
        let name = name.unwrap_or(&team.own.name).to_owned();
        let answer = joins::ask(&self.shared.net, &self.shared.key, name.clone(), ticket).await?;
        let moved = moving::run(self.store(), &team, &answer, name, bring, leave).await?;
        let version = self.shared.agent_version.clone();
        let fresh = self.store().read(move |reader| TeamState::read(reader, &version)).await?;
        let shown = fresh.shown();
        self.tell(Command::Moved(Box::new(fresh))).await?;
        self.tell(Command::Meet { peer: steward, addresses }).await?;
        let moving::Moved { brought, kept_local, left_behind } = moved;
        Ok(Joined::Member { team: shown, brought, kept_local, left_behind })
    }

    pub(crate) async fn tell(&self, command: Command) -> Result<(), Error> {
        self.shared.commands.send(command).await.map_err(|_| Error::Stopped)
    }

    /// The genes of the team.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn genome(&self) -> Result<Genome, Error> {
        Ok(self.store().read(|reader| reader.genome()).await?)
    }

    /// Checks everything that is stored: chains, signatures, payloads, projections.
    ///
    /// # Errors
    /// [`Error::Store`] when it cannot be read; what is wrong with it stands in the report.
    pub async fn verify(&self) -> Result<Report, Error> {
        Ok(self.store().read(|reader| reader.verify()).await?)
    }

    /// The hash over charter and shared state; equal on all synced members.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn state_hash(&self) -> Result<Hash, Error> {
        Ok(self.store().read(|reader| reader.state_hash()).await?)
    }

    /// Waits until everything that is held now can be found by recall.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn flush_index(&self) -> Result<(), Error> {
        let pos = self.store().committed().borrow().pos;
        let mut indexed = self.store().indexed();
        // The sender is gone only when the store is closed.
        indexed.wait_for(|indexed| *indexed >= pos).await.map(drop).map_err(|_| Error::Stopped)
    }

    /// Tells of every commit: what it wrote, own or received, is durable by then.
    pub fn committed(&self) -> Commits {
        self.store().committed()
    }

    /// Bytes of sync frames sent and received since the node started.
    pub fn sync_traffic(&self) -> (u64, u64) {
        let traffic = self.shared.net.traffic(StreamKind::Sync);
        (traffic.sent(), traffic.received())
    }

    /// What the network turned away since the node started, and how often.
    pub fn turned_away(&self) -> Vec<(&'static str, u64)> {
        let tally = self.shared.net.turned_away();
        antiphon_net::TurnedAway::ALL.into_iter().map(|what| (what.name(), tally.of(what))).collect()
    }

    /// Begins to stop the node; [`crate::Node::stopped`] tells when it has.
    pub async fn shutdown(&self) {
        if self.tell(Command::Stop).await.is_err() {
            tracing::debug!("the node has stopped already");
        }
    }
}

/// A fact whose text may be read here.
fn opened(view: FactView) -> Result<FactView, Error> {
    match &view.fact.role {
        Some(role) if view.closed => Err(AuthorError::Closed { fact: view.fact.id, role: role.clone() }.into()),
        _ => Ok(view),
    }
}

impl From<AuthorError> for Error {
    fn from(error: AuthorError) -> Self {
        match error {
            AuthorError::Fact(error) => Self::Fact(error),
            AuthorError::Incident(error) => Self::Incident(error),
            AuthorError::IncidentNotFound(incident) => Self::IncidentNotFound(incident.to_string()),
            AuthorError::NotFound(fact) => Self::FactNotFound(fact.to_string()),
            AuthorError::Forgotten(fact) => Self::FactForgotten(fact.to_string()),
            other => Self::Refused(other),
        }
    }
}
