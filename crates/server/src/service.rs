//! What a door can ask of the node, in the documented shapes. The HTTP API and MCP both go through here, so that
//! they cannot come to differ.

mod bundles;
mod content;
mod context;
mod custody;
mod dht;
mod divergences;
mod doctor;
mod erasure;
mod export;
mod federation;
mod genes;
mod graph;
mod history;
mod incidents;
pub(crate) mod lookout;
mod messages;
mod outbox;
mod readiness;
mod recall;
mod recovery;
mod replication;
mod resources;
mod team;
mod trail;
mod trust;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use antiphon_core::ids::{FactId, Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_node::{Bring, Draft, Handle};
use tokio::sync::{Mutex, Notify};

use crate::convert::{self, Actor, Seen};
use crate::dashboard::DashboardState;
use crate::door::Entrance;
use crate::dto::{
    ActorDto, BatchItemDto, BatchResultDto, Change, EditDto, FactAskDto, FactDto, FactFilterDto, FactsDto, FindingDto,
    HandshakeDto, HistoryDto, InvitationDto, InviteDto, JoinDto, JoinedDto, NewFactDto, PeersDto, Scalar, StateHashDto,
    StatusDto, VerifyDto, WrittenDto,
};
use crate::error::{Code, Problem};
use crate::graph::KeptGraph;
use crate::history::{Counts, History};
use crate::mcp::CallTimes;
use crate::settings::Settings;
use crate::time::rfc3339;
use divergences::{SIDE_BYTES_MAX, SIDE_OF_MANY_BYTES_MAX};
pub(crate) use export::Export;
use readiness::Soundness;

/// Most facts of one batch.
pub(crate) const BATCH_FACTS_MAX: usize = 10_000;
/// How long a ticket can be used when nobody says otherwise, in milliseconds: a day.
const TICKET_LIFE_MS: u64 = 24 * 60 * 60 * 1_000;
/// Facts on a page when nobody says how many.
const PAGE_FACTS_DEFAULT: usize = 100;
/// Most facts on one page.
const PAGE_FACTS_MAX: usize = 1_000;

/// The node behind the doors.
pub(crate) struct Service {
    handle: Handle,
    own: NodeId,
    /// Where the HTTP door is, once it is open.
    entrance: Entrance,
    /// What went wrong with the doors.
    findings: Vec<FindingDto>,
    /// One at a time appends to a text, so that of two that come at once neither is lost.
    append: Mutex<()>,
    /// The graph of the memory server.
    graph: Mutex<KeptGraph>,
    /// Tells that one of its tools has written.
    graph_written: Notify,
    /// Whether the database was found unsound.
    soundness: Soundness,
    /// How long tool calls of agents took.
    call_times: CallTimes,
    /// What was done at the doors.
    counts: Counts,
    /// What the figures were.
    history: History,
    /// What the program that runs the node knows of its settings.
    pub(crate) config: Option<Arc<dyn Settings>>,
    /// What pages keep.
    dashboard: DashboardState,
}

impl Service {
    pub(crate) fn new(handle: Handle, own: NodeId, entrance: Entrance, findings: Vec<FindingDto>) -> Self {
        let dashboard = DashboardState::new(entrance.url.clone());
        Self {
            handle,
            own,
            dashboard,
            entrance,
            findings,
            append: Mutex::new(()),
            graph: Mutex::default(),
            graph_written: Notify::new(),
            soundness: Soundness::default(),
            call_times: CallTimes::default(),
            counts: Counts::default(),
            history: History::default(),
            config: None,
        }
    }

    /// The same with what the program that runs the node knows of its settings.
    pub(crate) fn configured(self, config: Option<Arc<dyn Settings>>) -> Self {
        Self { config, ..self }
    }

    /// How long tool calls of agents took.
    pub(crate) const fn call_times(&self) -> &CallTimes {
        &self.call_times
    }

    pub(crate) async fn status(&self) -> Result<StatusDto, Problem> {
        let mut findings = self.findings.clone();
        findings.extend(self.config.iter().flat_map(|config| config.findings()));
        findings.extend(self.disk_finding());
        findings.extend(self.integrity_finding());
        let status = convert::status(self.handle.status().await?, self.now(), &self.entrance, &findings);
        self.with_copies(status).await
    }

    pub(crate) async fn remember(&self, fact: NewFactDto) -> Result<WrittenDto, Problem> {
        let draft = self.draft(fact).await?;
        let written = self.write(draft).await?;
        self.counts.remembered(1);
        Ok(written)
    }

    /// Remembers the facts that can be remembered; the others say why not.
    pub(crate) async fn remember_all(
        &self,
        facts: Vec<Result<NewFactDto, Problem>>,
    ) -> Result<BatchResultDto, Problem> {
        let mut drafts = Vec::with_capacity(facts.len());
        let mut results = Vec::with_capacity(facts.len());
        for fact in facts {
            match self.draft_or_problem(fact).await {
                Ok(draft) => {
                    drafts.push(draft);
                    results.push(None);
                }
                Err(problem) => results.push(Some(BatchItemDto::Error(problem))),
            }
        }
        let mut written = self.handle.author(drafts).await?.into_iter().map(|one| match one {
            Ok(authored) => BatchItemDto::Ok(convert::written(&authored)),
            Err(error) => BatchItemDto::Error(error.into()),
        });
        let missing = || BatchItemDto::Error(Problem::new(Code::Failed, "the node gave no result for this fact"));
        let results = results.into_iter().map(|refused| refused.or_else(|| written.next()).unwrap_or_else(missing));
        let results: Vec<BatchItemDto> = results.collect();
        self.counts.remembered(results.iter().filter(|result| matches!(result, BatchItemDto::Ok(_))).count());
        Ok(BatchResultDto { results })
    }

    async fn draft_or_problem(&self, fact: Result<NewFactDto, Problem>) -> Result<Draft, Problem> {
        self.draft(fact?).await
    }

    async fn draft(&self, mut fact: NewFactDto) -> Result<Draft, Problem> {
        if fact.id.is_some() && fact.created_at.is_none() {
            // The time in a given id need not be that of its making.
            fact.created_at = Some(Scalar(self.now().0.to_string()));
        }
        for id in fact.parent.iter_mut().chain(&mut fact.supersedes).chain(&mut fact.derived_from) {
            self.complete(id).await?;
        }
        let draft = convert::remember_of(fact)?;
        // Last, because a steward's node makes the key that a role lacks: not for a fact that can never be written.
        if let Draft::RememberSealed { role, .. } = &draft {
            self.handle.check_role(role).await?;
        }
        Ok(draft)
    }

    /// Replaces the beginning of an id by the whole id. A whole one may name a fact that is not here yet.
    async fn complete(&self, id: &mut String) -> Result<(), Problem> {
        if id.parse::<FactId>().is_err() {
            *id = self.handle.resolve_fact(id).await?.to_string();
        }
        Ok(())
    }

    async fn write(&self, draft: Draft) -> Result<WrittenDto, Problem> {
        let mut results = self.handle.author(vec![draft]).await?.into_iter();
        let lost = || Problem::new(Code::Failed, "the node gave no result for this write");
        Ok(convert::written(&results.next().ok_or_else(lost)??))
    }

    pub(crate) async fn edit(&self, id: &str, edit: EditDto) -> Result<WrittenDto, Problem> {
        self.edit_once(id, edit, None).await
    }

    /// The same, but nothing where it was done under the same key before.
    pub(crate) async fn edit_once(
        &self,
        id: &str,
        mut edit: EditDto,
        key: Option<String>,
    ) -> Result<WrittenDto, Problem> {
        let fact = self.handle.resolve_fact(id).await?;
        if let Change::Set(id) = &mut edit.parent {
            self.complete(id).await?;
        }
        if let Change::Set(id) = &mut edit.supersedes {
            self.complete(id).await?;
        }
        if let Change::Set(ids) = &mut edit.derived_from {
            for id in ids {
                self.complete(id).await?;
            }
        }
        let Some(append) = edit.append.take() else { return self.write_edit(fact, edit, key).await };
        if edit.content.is_some() {
            return Err(Problem::new(Code::Invalid, "content and append exclude each other")
                .hint("content replaces the text, append adds to it"));
        }
        let _one_at_a_time = self.append.lock().await;
        let present = self.handle.fact(fact).await?.fact.content.unwrap_or_default();
        edit.content = Some(if present.is_empty() { append } else { format!("{present}\n{append}") });
        self.write_edit(fact, edit, key).await
    }

    async fn write_edit(&self, fact: FactId, edit: EditDto, key: Option<String>) -> Result<WrittenDto, Problem> {
        let speaks_of_reach = edit.level.is_some() || edit.private.is_some();
        let (edit, provenance) = convert::edit_of(edit)?;
        let draft = named("update", &fact.to_string(), key, Draft::Edit { fact, edit, provenance });
        let written = self.write(draft).await?;
        let left_with_others = speaks_of_reach && self.handle.is_left_with_others(fact).await?;
        Ok(WrittenDto { left_with_others, ..written })
    }

    pub(crate) async fn forget(&self, id: &str, actor: ActorDto) -> Result<WrittenDto, Problem> {
        self.forget_once(id, actor, None).await
    }

    /// The same, but nothing where it was done under the same key before.
    pub(crate) async fn forget_once(
        &self,
        id: &str,
        actor: ActorDto,
        key: Option<String>,
    ) -> Result<WrittenDto, Problem> {
        let provenance = convert::provenance_of(Actor::from(actor))?;
        let fact = self.handle.resolve_fact(id).await?;
        self.write(named("forget", &fact.to_string(), key, Draft::Forget { fact, provenance })).await
    }

    pub(crate) async fn restore(&self, id: &str, actor: ActorDto) -> Result<WrittenDto, Problem> {
        let provenance = convert::provenance_of(Actor::from(actor))?;
        let fact = self.handle.resolve_fact(id).await?;
        self.write(Draft::Restore { fact, provenance }).await
    }

    /// A fact as it is, or what it said at a time.
    pub(crate) async fn fact_asked(&self, id: &str, ask: &FactAskDto) -> Result<FactDto, Problem> {
        let seen = self.seen();
        let Some(at) = &ask.as_of else { return self.fact(id).await };
        let at = convert::moment_of("as_of", at, seen.now)?;
        let id = self.handle.resolve_fact(id).await?;
        // Whether its time is over is as of then, too.
        let then = self.handle.fact_at(id, at).await.map_err(|error| match error {
            antiphon_node::Error::FactNotFound(_) => not_then(id, at),
            other => other.into(),
        })?;
        Ok(convert::fact(then, Seen { now: at, ..seen }))
    }

    pub(crate) async fn fact(&self, id: &str) -> Result<FactDto, Problem> {
        let id = self.handle.resolve_fact(id).await?;
        let mut fact = convert::fact(self.handle.fact(id).await?, self.seen());
        fact.erasure = self.handle.erasure(id).await?.map(convert::erasure);
        self.add_sides(std::iter::once(&mut fact), SIDE_BYTES_MAX).await?;
        Ok(fact)
    }

    pub(crate) async fn history(&self, id: &str) -> Result<HistoryDto, Problem> {
        let id = self.handle.resolve_fact(id).await?;
        let history = self.handle.history(id).await?.into_iter().map(convert::history).collect();
        Ok(HistoryDto { id: id.to_string(), history })
    }

    pub(crate) async fn facts(&self, filter: FactFilterDto) -> Result<FactsDto, Problem> {
        let seen = self.seen();
        let author = self.author_of(filter.author.as_deref()).await?;
        let limit = filter.limit.unwrap_or(PAGE_FACTS_DEFAULT).clamp(1, PAGE_FACTS_MAX);
        let after = filter.after.as_deref().map(convert::after_of).transpose()?;
        let filter = convert::filter_of(&filter, author, seen.now)?;
        let views = self.handle.facts(filter, limit.saturating_add(1), after).await?;
        let mut page = convert::page(views, limit, seen);
        self.add_sides(page.facts.iter_mut(), SIDE_OF_MANY_BYTES_MAX).await?;
        Ok(page)
    }

    pub(crate) async fn peers(&self) -> Result<PeersDto, Problem> {
        let (peers, now) = (self.handle.peers().await?, self.now());
        Ok(PeersDto { peers: peers.into_iter().map(|peer| convert::peer(peer, now)).collect() })
    }

    pub(crate) async fn handshake(&self, address: &str) -> Result<HandshakeDto, Problem> {
        let view = self.handle.handshake(address).await?;
        // What it means is said as it is wherever else the peer is shown.
        let peer = self.handle.peer(&view.peer_id.to_string()).await.ok();
        let words = peer.filter(|peer| peer.reason == view.reason).and_then(|peer| peer.words);
        Ok(convert::handshake(&view, words))
    }

    pub(crate) async fn invite(&self, invite: InviteDto) -> Result<InvitationDto, Problem> {
        let ttl = |ttl: Scalar| convert::duration_of("ttl", &ttl);
        let ttl_ms = invite.ttl.map_or(Ok(TICKET_LIFE_MS), ttl)?;
        Ok(convert::invitation(self.handle.invite(&invite.role, ttl_ms).await?))
    }

    pub(crate) async fn join(&self, join: JoinDto) -> Result<JoinedDto, Problem> {
        let bring = match join.bring.as_deref() {
            None => None,
            Some("shared") => Some(Bring::Shared),
            Some("none") => Some(Bring::None),
            Some(other) => return Err(Problem::bad_value("bring", other, "use shared or none")),
        };
        let (ticket, name) = (join.ticket.trim(), join.name.as_deref());
        let joined = if join.leave {
            self.handle.leave_and_join(ticket, name, bring).await?
        } else {
            self.handle.join(ticket, name, bring).await?
        };
        Ok(convert::joined(&joined))
    }

    pub(crate) async fn verify(&self) -> Result<VerifyDto, Problem> {
        let found = convert::verify(self.handle.verify().await?);
        self.soundness.checked(found.ok);
        Ok(found)
    }

    pub(crate) async fn state_hash(&self) -> Result<StateHashDto, Problem> {
        Ok(StateHashDto { state_hash: self.handle.state_hash().await?.to_string() })
    }

    pub(crate) async fn shutdown(&self) {
        self.handle.shutdown().await;
    }

    /// Domains that begin with `typed`.
    pub(crate) async fn domain_names(&self, typed: &str, limit: usize) -> Result<Vec<String>, Problem> {
        Ok(self.handle.domain_names(typed, limit).await?)
    }

    /// What pages keep.
    pub(crate) const fn dashboard(&self) -> &DashboardState {
        &self.dashboard
    }

    /// The node, for what a door shows without words.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    fn seen(&self) -> Seen {
        Seen { own: self.own, now: self.now() }
    }

    /// Milliseconds since 1970, 0 for a clock that stands before it.
    #[expect(clippy::unused_self, reason = "the clock is the service's to give")]
    pub(crate) fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The node that a filter names: a peer id, a name, or a unique prefix of either.
    async fn author_of(&self, name: Option<&str>) -> Result<Option<NodeId>, Problem> {
        let Some(name) = name else { return Ok(None) };
        if let Ok(node) = name.parse() {
            return Ok(Some(node));
        }
        let status = self.handle.status().await?;
        let peers = status.peers.into_iter().map(|peer| (peer.peer_id, peer.name));
        let nodes: Vec<(NodeId, String)> = std::iter::once((status.node_id, status.name)).chain(peers).collect();
        convert::node_named(&nodes, name).map(Some)
    }
}

/// A fact that is known, and was not there at a time.
fn not_then(id: FactId, at: UnixMillis) -> Problem {
    Problem::new(Code::NotFound, format!("the fact {id} was not there at {}", rfc3339(at)))
        .why("its first edit came later, or it was forgotten for good since")
        .hint(format!("antiphon facts history {id} shows when it was edited"))
}

/// A write that is done once under its key. Keys come from others, who may choose long ones, and what is written to one
/// fact under a key has nothing to do with another.
fn named(kind: &str, of: &str, key: Option<String>, draft: Draft) -> Draft {
    match key {
        None => draft,
        Some(key) => Draft::Named { key: name_of(kind, of, &key), draft: Box::new(draft) },
    }
}

/// Under what a write is remembered that its caller named so.
fn name_of(kind: &str, of: &str, key: &str) -> String {
    Hash::of(format!("{kind}\0{of}\0{key}").as_bytes()).to_string()
}
