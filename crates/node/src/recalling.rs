//! A member asks for what this node keeps to itself: who may, how often, and what is shown.

use antiphon_core::fact::{Level, OnExpire};
use antiphon_core::ids::NodeId;
use antiphon_core::time::{HLC_MILLIS_MAX, UnixMillis};
use antiphon_net::Responder;
use antiphon_protocol::query::Reply;
use antiphon_protocol::query::recall::{ANSWER_BYTES_MAX, Answer, Question, Told};
use antiphon_store::{Audience, Domains, Error as StoreError, FactView, Hit, PeerMode, Reader, RecallQuery};

use crate::clock::now;
use crate::event_loop::Engine;

/// Who asks, and what it may have.
struct Asking {
    own: NodeId,
    peer: NodeId,
    /// The roles whose sealed facts it may read.
    roles: Vec<String>,
    /// The deepest level that the team shares: what is above comes by itself.
    shared: Level,
    now: UnixMillis,
}

impl Engine {
    /// A member asks. Dropping the responder refuses it.
    pub(crate) fn answer_recall(&mut self, peer: NodeId, question: Question, responder: Responder) {
        let Some(member) = self.team.membership.member(&peer) else { return };
        let held = &member.grant.roles;
        let reads = |role: &&str| member.steward || self.team.roles.may_read(held, role);
        let roles = self.team.roles.names().filter(reads).map(str::to_owned).collect();
        let paused = self.peers.get(&peer).is_some_and(|entry| entry.mode == PeerMode::Paused);
        let silent = paused || !self.mode.sends();
        let shared = self.team.constitution.sharing.up_to;
        let asking = Asking { own: self.team.own.node, peer, roles, shared, now: now() };
        let store = self.store.clone();
        self.tasks.spawn(async move {
            let answer = if silent {
                Ok(Answer::default())
            } else {
                store.read(move |reader| asking.answer(reader, &question)).await
            };
            let answer = match answer {
                Ok(answer) => Reply::Recall(answer).encode(),
                Err(error) => return tracing::error!(%peer, %error, "a question could not be answered"),
            };
            if let Err(error) = responder.respond(answer).await {
                tracing::debug!(%peer, %error, "an answer was not wanted any more");
            }
        });
    }
}

impl Asking {
    /// The own facts that fit and may be shown: those of the levels that are not shared, down to the one that a person
    /// set, in the domains that the peer gets, not private, and sealed ones only if it may read their role.
    fn answer(&self, reader: &Reader<'_>, question: &Question) -> Result<Answer, StoreError> {
        let Some(up_to) = reader.shown_on_request()?.filter(|up_to| *up_to > self.shared) else {
            return Ok(Answer::default());
        };
        let domains = reader.peer(&self.peer)?.map(|row| Domains::of(&row)).unwrap_or_default();
        let audience = Audience { domains, roles: self.roles.clone() };
        let wanted = |level: &Level| question.level.is_none_or(|want| want == *level);
        let mut hits: Vec<Hit> = Vec::new();
        // One level at a time: the index knows levels, so what is shared crowds nothing out.
        for level in Level::ALL.into_iter().filter(|level| *level > self.shared && *level <= up_to).filter(wanted) {
            hits.extend(reader.recall(&self.query(question, level, &audience))?.hits);
        }
        let newest = |hit: &Hit| std::cmp::Reverse(hit.view.updated_at);
        hits.sort_by(|one, other| other.score.total_cmp(&one.score).then(newest(one).cmp(&newest(other))));
        let (mut found, mut bytes) = (Vec::new(), 0);
        for told in hits.into_iter().filter_map(|hit| told(hit.view, self.now)).take(question.limit) {
            bytes += told.bytes();
            if bytes > ANSWER_BYTES_MAX {
                break;
            }
            found.push(told);
        }
        Ok(Answer { up_to: Some(up_to), found })
    }

    fn query(&self, question: &Question, level: Level, audience: &Audience) -> RecallQuery {
        RecallQuery {
            text: question.text.clone(),
            limit: question.limit,
            level: Some(level),
            domain: question.domain.clone(),
            module: question.module.clone(),
            tag: question.tag.clone(),
            // An answer is not signed, so nobody tells what others wrote.
            author: Some(self.own),
            since: question.since,
            until: question.until,
            source: question.source,
            include_archived: question.archived,
            include_stale: question.stale,
            audience: Some(audience.clone()),
            now: self.now,
            ..RecallQuery::default()
        }
    }
}

/// A fact as it is told; `None` for one without a text.
fn told(view: FactView, now: UnixMillis) -> Option<Told> {
    let expired = view.fact.expired(now);
    let fact = view.fact;
    let clock = |at: UnixMillis| UnixMillis(at.0.min(HLC_MILLIS_MAX));
    Some(Told {
        id: fact.id,
        text: fact.content?,
        level: fact.level,
        domain: fact.domain,
        module: fact.module,
        tags: fact.tags,
        role: fact.role,
        agent: view.provenance.agent,
        source: view.provenance.source,
        created_at: clock(fact.created_at),
        updated_at: clock(view.updated_at),
        stale: fact.stale || expired == Some(OnExpire::MarkStale),
        archived: fact.archived || expired == Some(OnExpire::Archive),
    })
}
