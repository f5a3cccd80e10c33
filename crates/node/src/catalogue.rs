//! The loop's part of catalogues: members ask what this node offers, and whoever was told nothing yet is told all of it.

use antiphon_core::event::Event;
use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::outbox::{Outgoing, Protocol};
use antiphon_core::resource::notice::Whole;
use antiphon_core::resource::question::{ANSWER_BYTES_MAX, Answer, Question};
use antiphon_net::Responder;
use antiphon_protocol::query::{Query, Reply};
use antiphon_store::{Db, Error as StoreError, ResourceChange, Store};

use crate::audit;
use crate::clock::now;
use crate::event_loop::Engine;
use crate::handle::{filter_of, outgoing};
use crate::inputs::Input;
use crate::outbox::News;
use crate::outbox::pen::Pen;

impl Engine {
    /// A member asks something that is never queued. Dropping the responder refuses it.
    pub(crate) fn answer_query(&mut self, peer: NodeId, request: &[u8], responder: Responder) {
        if self.team.check(&peer, now()).is_err() {
            return tracing::debug!(%peer, "a question of somebody who is no member");
        }
        if self.is_too_often(audit::QUESTION, peer) {
            return;
        }
        let question = match Query::decode(request) {
            Ok(Query::Resources(question)) => question,
            Ok(Query::Recall(question)) => return self.answer_recall(peer, question, responder),
            Err(error) => return tracing::debug!(%peer, %error, "a question that is not understood"),
        };
        let (store, own) = (self.store.clone(), self.team.own.node);
        self.tasks.spawn(async move {
            let answer = match answer(&store, own, question).await {
                Ok(answer) => Reply::Resources(answer).encode(),
                Err(error) => return tracing::error!(%peer, %error, "a question could not be answered"),
            };
            if let Err(error) = responder.respond(answer).await {
                tracing::debug!(%peer, %error, "an answer was not wanted any more");
            }
        });
    }

    /// A peer was let in: it is told the own catalogue, unless its database was told before.
    pub(crate) fn tell_catalogue(&mut self, peer: NodeId) {
        self.tell_whole(peer, false);
    }

    /// A peer lost something of what it had taken, or there was more to say than was known: it is told the own catalogue again,
    /// at once.
    pub(crate) fn tell_catalogue_again(&mut self, peer: NodeId) {
        self.tell_whole(peer, true);
    }

    /// Whether this database follows another one of its key, which is lost. Whoever gave its member the place back may not
    /// have heard of that one; then its own opening does not name it, and a log of it that others hold does.
    pub(crate) fn follows_another(&self) -> bool {
        let opening = self.team.local.opening.as_ref().and_then(Event::opening);
        opening.is_some_and(|opening| opening.previous.is_some())
            || self.held.knows_another_of((self.team.own.node, self.team.own.store))
    }

    fn tell_whole(&mut self, peer: NodeId, again: bool) {
        let Some(theirs) = self.peers.get(&peer).and_then(|entry| entry.store) else { return };
        if self.team.membership.member(&peer).is_none() {
            return;
        }
        let follows = self.follows_another();
        let telling = Telling { pen: self.outbox.pen.clone(), own: self.team.own.node, follows, again, peer, theirs };
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            if again && let Err(error) = store.share(move |db| db.tell_catalogue_again(&peer)).await {
                return tracing::warn!(%peer, %error, "the own catalogue could not be told again");
            }
            match tell(&store, telling).await {
                Ok(false) => {}
                // Only a stopping node does not want to know.
                Ok(true) => drop(inputs.send(Input::Outbox(News::Waits(vec![peer]))).await),
                Err(error) => tracing::warn!(%peer, %error, "the own catalogue could not be told; it is tried when the peer comes again"),
            }
        });
    }
}

/// What fits in the own catalogue, and what there is in all.
async fn answer(store: &Store, own: NodeId, question: Question) -> Result<Answer, StoreError> {
    store
        .read(move |reader| {
            let (mut found, mut bytes) = (Vec::new(), 0);
            for row in reader.resources(&filter_of(&question, Some(own)), question.limit)? {
                if bytes >= ANSWER_BYTES_MAX {
                    break;
                }
                bytes += row.resource.encode().len();
                found.push(row.resource);
            }
            Ok(Answer { found, summary: reader.catalogue_summary(&own)? })
        })
        .await
}

/// Whose catalogue is told to whom.
struct Telling {
    pen: Pen,
    own: NodeId,
    /// Whether this node's database follows another one of its key, which is lost.
    follows: bool,
    /// Whether it is told although the peer's database was told before.
    again: bool,
    peer: NodeId,
    /// The peer's database.
    theirs: StoreId,
}

/// Puts the own catalogue into the outbox for a peer whose database is to be told it, and notes that, in one
/// transaction; says whether it did.
async fn tell(store: &Store, telling: Telling) -> Result<bool, StoreError> {
    let Telling { pen, own, follows, again, peer, theirs } = telling;
    let told = store.read(move |reader| reader.catalogue_told(&peer)).await?;
    if told == Some(theirs) && !again {
        return Ok(false);
    }
    store
        .share(move |db| {
            let items = catalogue(db, &own, peer, follows)?;
            // What there is to say is refused or kept by whoever hears it; here it only waits.
            let _pushed = pen.put(db, &items, now())?;
            db.note_catalogue_told(&peer, &theirs, now())?;
            Ok(!items.is_empty())
        })
        .await
}

/// The whole own catalogue as items: first what it consists of, since the peer may hold what is gone, then each entry.
/// From a new node that offers nothing there is nothing to say; one that follows another may have offered something.
fn catalogue(db: &Db, own: &NodeId, peer: NodeId, follows: bool) -> Result<Vec<Outgoing>, StoreError> {
    let entries = db.reader().catalogue(own)?;
    if entries.is_empty() && !follows {
        return Ok(Vec::new());
    }
    let newest = entries.iter().map(|resource| resource.stamp.at).max();
    let at = newest.map_or_else(now, |newest| now().max(newest.after(1)));
    let whole = Whole { at, ids: entries.iter().map(|resource| resource.id).collect() };
    let about_all = ResourceChange::Whole(whole.clone()).id();
    let mut items = vec![Outgoing {
        schema: Whole::SCHEMA,
        ..outgoing(peer, Protocol::RESOURCE_DELETE, about_all, whole.encode())
    }];
    let entries = entries.into_iter();
    items.extend(entries.map(|resource| outgoing(peer, Protocol::RESOURCE_CREATE, resource.id, resource.encode())));
    Ok(items)
}
