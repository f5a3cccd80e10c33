//! The loop's part of catalogues: members ask what this node offers, and whoever was told nothing yet is told all of it.

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_core::outbox::{Outgoing, Protocol};
use antiphon_core::resource::question::{ANSWER_BYTES_MAX, Answer, Question};
use antiphon_net::Responder;
use antiphon_protocol::query::{Query, Reply};
use antiphon_store::{Db, Error as StoreError, Store};

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
        let question = match Query::decode(request) {
            Ok(Query::Resources(question)) => question,
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

    /// A peer's session begins: it is told the own catalogue, unless its database was told before.
    pub(crate) fn tell_catalogue(&mut self, peer: NodeId) {
        let Some(theirs) = self.peers.get(&peer).and_then(|entry| entry.store) else { return };
        if self.team.membership.member(&peer).is_none() {
            return;
        }
        let (store, pen, inputs) = (self.store.clone(), self.outbox.pen.clone(), self.inputs.clone());
        let own = self.team.own.node;
        self.tasks.spawn(async move {
            match tell(&store, pen, own, peer, theirs).await {
                Ok(false) => {}
                // Only a stopping node does not want to know.
                Ok(true) => drop(inputs.send(Input::Outbox(News::Waits(vec![peer]))).await),
                Err(error) => {
                    tracing::warn!(%peer, %error, "the own catalogue could not be told, and is with the next session")
                }
            }
        });
    }

    /// A peer lost something of what it had taken: it is told the own catalogue again, at once.
    pub(crate) fn tell_catalogue_again(&mut self, peer: NodeId) {
        let (store, pen, inputs) = (self.store.clone(), self.outbox.pen.clone(), self.inputs.clone());
        let Some(theirs) = self.peers.get(&peer).and_then(|entry| entry.store) else { return };
        let own = self.team.own.node;
        self.tasks.spawn(async move {
            let again = store.share(move |db| db.tell_catalogue_again(&peer)).await;
            let told = match again {
                Ok(()) => tell(&store, pen, own, peer, theirs).await,
                Err(error) => Err(error),
            };
            match told {
                Ok(_) => drop(inputs.send(Input::Outbox(News::Waits(vec![peer]))).await),
                Err(error) => tracing::warn!(%peer, %error, "the own catalogue could not be told again"),
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

/// Puts the own catalogue into the outbox for a peer whose database was not told it yet, and notes that, in one
/// transaction; says whether it did.
async fn tell(store: &Store, pen: Pen, own: NodeId, peer: NodeId, theirs: StoreId) -> Result<bool, StoreError> {
    let told = store.read(move |reader| reader.catalogue_told(&peer)).await?;
    if told == Some(theirs) {
        return Ok(false);
    }
    store
        .share(move |db| {
            let items = catalogue(db, &own, peer)?;
            // What there is to say is refused or kept by whoever hears it; here it only waits.
            let _pushed = pen.put(db, &items, now())?;
            db.note_catalogue_told(&peer, &theirs, now())?;
            Ok(!items.is_empty())
        })
        .await
}

/// The whole own catalogue as items. Who was told once, and lost it, may hold what is gone since.
fn catalogue(db: &Db, own: &NodeId, peer: NodeId) -> Result<Vec<Outgoing>, StoreError> {
    let reader = db.reader();
    let entries = reader.catalogue(own)?.into_iter();
    let mut items: Vec<Outgoing> =
        entries.map(|resource| outgoing(peer, Protocol::RESOURCE_CREATE, resource.id, resource.encode())).collect();
    if reader.catalogue_told(&peer)?.is_some() {
        let gone = reader.catalogue_gone(own)?.into_iter();
        items.extend(gone.map(|removal| outgoing(peer, Protocol::RESOURCE_DELETE, removal.id, removal.encode())));
    }
    Ok(items)
}
