//! Recall: what is held here, what it said at a time, and what members keep to themselves and show when they are asked.

use std::future::Future;
use std::time::Duration;

use antiphon_core::fact::Level;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_net::{NetHandle, Protocol};
use antiphon_protocol::query::recall::{Answer, FOUND_MAX, Question, TEXT_BYTES_MAX, Told};
use antiphon_protocol::query::{Query, Reply};
use antiphon_store::{FactView, Origin, Recall, RecallQuery};
use tokio::time::{Instant, timeout_at};

use super::Handle;
use crate::api::{AnswerView, AskedMember, Error, PeerView, Reason, ToldHit, ToldRecall, Trust};
use crate::audit;
use crate::clock::now;
use crate::reasons;
use crate::tasks::Tasks;

/// How long all members together have to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most members that are asked at the same time.
const ASKED_AT_ONCE_MAX: usize = 64;
/// Why an answer is held against whoever gave it: it has what was not asked for, or what nobody shows.
const UNFIT: &str = "unfit_answer";

impl Handle {
    /// The facts that fit a text best.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn recall(&self, query: RecallQuery) -> Result<Recall, Error> {
        let past = query.as_of.is_some();
        let recall = self.store().read(move |reader| reader.recall(&query)).await?;
        if !past {
            let recalled = recall.hits.iter().map(|hit| hit.view.fact.id);
            self.write_hits(self.shared.hits.note(recalled, now()));
        }
        Ok(recall)
    }

    /// Writes down what was recalled, beside whatever else happens.
    fn write_hits(&self, facts: Vec<FactId>) {
        if facts.is_empty() {
            return;
        }
        let store = self.store().clone();
        drop(Tasks::detach(async move {
            if let Err(error) = store.share(move |db| db.record_hits(&facts, now())).await {
                tracing::debug!(%error, "what was recalled is not counted");
            }
        }));
    }

    /// The facts that are recalled most here.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn most_used(&self, limit: usize) -> Result<Vec<FactView>, Error> {
        let waiting = self.shared.hits.rest();
        if !waiting.is_empty() {
            self.store().share(move |db| db.record_hits(&waiting, now())).await?;
        }
        Ok(self.store().read(move |reader| reader.most_used(limit)).await?)
    }

    /// What a fact said at a time, by the clocks of its authors.
    ///
    /// # Errors
    /// [`Error::FactNotFound`] when it was not there then, or was forgotten for good since; an error when it is for a role
    /// that this node cannot open.
    pub async fn fact_at(&self, id: FactId, at: UnixMillis) -> Result<FactView, Error> {
        let found = self.store().read(move |reader| reader.fact_at(id, at)).await?;
        super::opened(found.ok_or_else(|| Error::FactNotFound(id.to_string()))?)
    }

    /// Down to which level facts that are not shared are shown to members who ask; `None` when nothing is.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn shown_on_request(&self) -> Result<Option<Level>, Error> {
        Ok(self.store().read(|reader| reader.shown_on_request()).await?)
    }

    /// Down to which level facts are shared, as the team was founded.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn shared_up_to(&self) -> Result<Level, Error> {
        Ok(self.team().await?.constitution.sharing.up_to)
    }

    /// Sets down to which level facts that are not shared are shown to members who ask. Private ones never are.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn set_shown_on_request(&self, up_to: Option<Level>) -> Result<(), Error> {
        Ok(self.store().write(move |db| db.set_shown_on_request(up_to)).await?)
    }

    /// Asks every connected member for what it keeps to itself and may show, for two seconds in all. What is held here
    /// anyway is left out. A question about the past, or one for divergences, is nothing that members answer.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`]. A member that does not answer is no error.
    pub async fn recall_at_members(&self, query: &RecallQuery) -> Result<ToldRecall, Error> {
        if query.as_of.is_some() || query.diverged || query.limit == 0 {
            return Ok(ToldRecall::default());
        }
        let team = self.team().await?;
        let shared = team.constitution.sharing.up_to;
        let peers = self.peers().await?.into_iter();
        let here = |peer: &PeerView| peer.connected && peer.trust == Trust::Verified && may_have(query, peer);
        let members = peers.filter(|peer| here(peer) && team.membership.member(&peer.peer_id).is_some());
        let members: Vec<(NodeId, String)> = members.map(|peer| (peer.peer_id, peer.name)).collect();
        let question = question_of(query);
        let request = Query::Recall(question.clone()).encode();
        let net = &self.shared.net;
        let answers = ask_all(&members, Instant::now() + PATIENCE, |node| ask_one(net.clone(), node, request.clone()));
        let mut told = ToldRecall::default();
        for ((node, name), answer) in members.iter().zip(answers.await) {
            let answer = match answer {
                Ok(answer) => Ok(self.take(*node, name, &question, shared, answer, &mut told.hits).await?),
                Err(reason) => {
                    if reason == Reason::InvalidFrontmatter {
                        self.refuse(audit::ANSWER, Some(*node), reason.name(), "").await?;
                    }
                    Err(reason)
                }
            };
            told.asked.push(AskedMember { node: *node, name: name.clone(), answer });
        }
        told.hits.sort_by(|one, other| {
            let newest = one.told.updated_at.cmp(&other.told.updated_at).reverse();
            other.score.total_cmp(&one.score).then(newest).then(one.told.id.cmp(&other.told.id))
        });
        told.hits.truncate(query.limit);
        told.asked.sort_by(|one, other| (&one.name, one.node).cmp(&(&other.name, other.node)));
        Ok(told)
    }

    /// Takes what is good of an answer, and counts what is not.
    async fn take(
        &self,
        node: NodeId,
        name: &str,
        question: &Question,
        shared: Level,
        answer: Answer,
        hits: &mut Vec<ToldHit>,
    ) -> Result<AnswerView, Error> {
        let Judged { up_to, fit, mut unfit } = judge(question, shared, answer);
        let (text, texts) = (question.text.clone(), fit.iter().map(texts_of).collect::<Vec<_>>());
        let ids: Vec<FactId> = fit.iter().map(|told| told.id).collect();
        let read = self.store().read(move |reader| {
            let held = |id: &FactId| reader.fact(*id).map(|found| found.is_some());
            let held = ids.iter().map(held).collect::<Result<Vec<bool>, _>>()?;
            Ok((held, reader.weigh(&text, &texts)?))
        });
        let (held, weighed) = read.await?;
        let mut view = AnswerView { up_to, ..AnswerView::default() };
        for ((told, held), weighed) in fit.into_iter().zip(held).zip(weighed) {
            match weighed {
                None => unfit += 1,
                Some(_) if held => view.held += 1,
                Some(weighed) => {
                    let (score, snippet) = (weighed.score, weighed.snippet);
                    hits.push(ToldHit { from: node, name: name.to_owned(), told, score, snippet });
                    view.taken += 1;
                }
            }
        }
        view.unfit = unfit;
        if unfit > 0 {
            self.refuse(audit::ANSWER, Some(node), UNFIT, &format!("{unfit} facts")).await?;
        }
        Ok(view)
    }
}

/// Whether a member may have anything that a question asks for: each tells only what it wrote itself.
fn may_have(query: &RecallQuery, peer: &PeerView) -> bool {
    query.author.is_none_or(|author| author == peer.peer_id)
        && query.origin.is_none_or(|origin| match origin {
            Origin::Node(node) => node == peer.peer_id,
            Origin::Store(store) => peer.store_id == Some(store),
        })
}

fn question_of(query: &RecallQuery) -> Question {
    let mut text = query.text.clone();
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    Question {
        text,
        level: query.level,
        domain: query.domain.clone(),
        module: query.module.clone(),
        tag: query.tag.clone(),
        since: query.since,
        until: query.until,
        source: query.source,
        archived: query.include_archived,
        stale: query.include_stale,
        limit: query.limit.clamp(1, FOUND_MAX),
    }
}

/// The parts of a fact that are searched, the text first.
fn texts_of(told: &Told) -> Vec<String> {
    let labels = [&told.domain, &told.module].into_iter().flatten().chain(&told.tags);
    std::iter::once(&told.text).chain(labels).cloned().collect()
}

/// An answer, sorted.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    up_to: Option<Level>,
    fit: Vec<Told>,
    unfit: u64,
}

/// What of an answer was asked for and may be told: facts of levels that come by themselves are not.
fn judge(question: &Question, shared: Level, answer: Answer) -> Judged {
    let Answer { up_to, found } = answer;
    let all = found.len();
    let shown = |told: &Told| told.level > shared && up_to.is_some_and(|up_to| told.level <= up_to);
    let fit: Vec<Told> =
        found.into_iter().filter(|told| shown(told) && question.wants(told)).take(question.limit).collect();
    Judged { up_to, unfit: (all - fit.len()) as u64, fit }
}

/// Asks all, some at the same time, until the deadline; whoever has not answered by then is late.
async fn ask_all<Ask>(
    members: &[(NodeId, String)],
    deadline: Instant,
    ask: impl Fn(NodeId) -> Ask,
) -> Vec<Result<Answer, Reason>>
where
    Ask: Future<Output = Result<Answer, Reason>> + Send + 'static,
{
    let mut answers = Vec::with_capacity(members.len());
    for some in members.chunks(ASKED_AT_ONCE_MAX) {
        let ask = |(place, (node, _)): (usize, &(NodeId, String))| {
            let asked = ask(*node);
            async move { (place, timeout_at(deadline, asked).await.unwrap_or(Err(Reason::NetworkTimeout))) }
        };
        let mut done = Tasks::all(some.iter().enumerate().map(ask)).await;
        done.sort_by_key(|(place, _)| *place);
        let mut done = done.into_iter().peekable();
        // Whatever broke has no result.
        answers.extend((0..some.len()).map(|place| {
            let answer = done.next_if(|(of, _)| *of == place).map(|(_, answer)| answer);
            answer.unwrap_or(Err(Reason::Other))
        }));
    }
    answers
}

async fn ask_one(net: NetHandle, node: NodeId, request: Vec<u8>) -> Result<Answer, Reason> {
    let answer = net.request(node, Protocol::Query, Vec::new(), request).await;
    let bytes = answer.map_err(|error| reasons::of_request(&error))?;
    match Reply::decode(&bytes) {
        Ok(Reply::Recall(answer)) => Ok(answer),
        Ok(Reply::Resources(_)) => {
            tracing::debug!(peer = %node, "the answer is one to another question");
            Err(Reason::InvalidFrontmatter)
        }
        Err(error) => {
            tracing::debug!(peer = %node, %error, "the answer to a recall cannot be read");
            Err(Reason::InvalidFrontmatter)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const EVE: NodeId = NodeId([5; 32]);

    fn told(n: u8, level: Level) -> Told {
        Told {
            id: FactId([n; 16]),
            text: "the parser".into(),
            level,
            domain: None,
            module: None,
            tags: Vec::new(),
            role: None,
            agent: None,
            source: None,
            created_at: UnixMillis(1),
            updated_at: UnixMillis(1),
            stale: false,
            archived: false,
        }
    }

    #[test]
    fn what_was_not_asked_for_or_is_not_shown_is_unfit() {
        let question = Question { text: "parser".into(), limit: 2, ..Question::default() };
        let found = vec![
            told(1, Level::Domain),
            told(2, Level::Module),
            told(3, Level::Snippet),
            Told { archived: true, ..told(4, Level::Module) },
            told(5, Level::Module),
            told(6, Level::Module),
        ];
        let judged = judge(&question, Level::Domain, Answer { up_to: Some(Level::Module), found: found.clone() });
        assert_eq!(judged.fit, [told(2, Level::Module), told(5, Level::Module)]);
        assert_eq!(judged.unfit, 4);
        let nothing = judge(&question, Level::Domain, Answer { up_to: None, found });
        assert_eq!((nothing.fit.len(), nothing.unfit), (0, 6), "who shows nothing tells nothing");
    }

    #[tokio::test]
    async fn silent_members_are_waited_for_together_and_the_others_are_heard() {
        let mut members: Vec<(NodeId, String)> = vec![(ALICE, "alice".into())];
        members.extend((0..200).map(|_| (EVE, "eve".into())));
        let ask = |node| async move {
            if node == EVE {
                std::future::pending::<()>().await;
            }
            Ok(Answer { up_to: Some(Level::Module), found: vec![told(1, Level::Module)] })
        };
        // One deadline for all: however many are silent, none of them is waited for longer.
        let answers = ask_all(&members, Instant::now() + Duration::from_millis(50), ask).await;
        assert_eq!(answers.len(), members.len());
        assert_eq!(answers[0].as_ref().unwrap().found.len(), 1);
        assert!(answers[1..].iter().all(|answer| answer == &Err(Reason::NetworkTimeout)));
    }
}
