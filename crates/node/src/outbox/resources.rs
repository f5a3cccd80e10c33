//! What members say about resources, as it comes out of their outboxes.

use antiphon_core::cbor;
use antiphon_core::ids::{NodeId, ResourceId};
use antiphon_core::outbox::{Outgoing, Protocol};
use antiphon_core::resource::notice::{Consider, Plan, Removal, Verify, Whole};
use antiphon_core::resource::{Resource, SCHEMA};
use antiphon_protocol::outbox::{Item, Refusal};
use antiphon_store::{Effect, Error as StoreError, ResourceChange, Store};

use super::effects::{Meaning, NOT_UNDERSTOOD, Then};
use crate::handle::outgoing;

/// Whether items of this kind are about resources.
pub(super) const fn is_about(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::RESOURCE_CREATE
            | Protocol::RESOURCE_UPDATE
            | Protocol::RESOURCE_DELETE
            | Protocol::RESOURCE_VERIFY
            | Protocol::PLANNER
            | Protocol::CONSIDERS
    )
}

/// What an item about a resource means. Whether it is for its sender to say is told from the id, in the database.
///
/// # Errors
/// When it cannot be read, or is about another resource than it says outside.
pub(super) fn meaning(protocol: Protocol, item: &Item) -> Result<Meaning, Refusal> {
    let not_understood = |_: cbor::Error| Refusal::named(NOT_UNDERSTOOD);
    let body = item.body.as_slice();
    let change = match protocol {
        Protocol::RESOURCE_DELETE if item.schema == Whole::SCHEMA => {
            ResourceChange::Whole(Whole::decode(body).map_err(not_understood)?)
        }
        _ if item.schema != SCHEMA => return Err(Refusal::named(NOT_UNDERSTOOD)),
        Protocol::RESOURCE_DELETE => ResourceChange::Removal(Removal::decode(body).map_err(not_understood)?),
        Protocol::PLANNER => ResourceChange::Plan(Plan::decode(body).map_err(not_understood)?),
        Protocol::CONSIDERS => ResourceChange::Consider(Consider::decode(body).map_err(not_understood)?),
        Protocol::RESOURCE_VERIFY => match Verify::decode(body).map_err(not_understood)? {
            Verify::Ask { id } => {
                let then = Some(Then::AnswerVerify(id));
                return Ok(Meaning { effect: Effect::Nothing, then });
            }
            Verify::Answer { id, held } => ResourceChange::Checked { id, held },
        },
        _ => ResourceChange::Entry(Resource::decode(body).map_err(not_understood)?),
    };
    if change.id().0 != item.subject.0 {
        // The order of items is kept by what they say outside.
        return Err(Refusal::named(NOT_UNDERSTOOD));
    }
    Ok(Meaning::only(Effect::Resource(Box::new(change))))
}

/// The answer to `peer`, which asks whether a resource of this node is there.
///
/// # Errors
/// When the database fails.
pub(super) async fn answer(store: &Store, peer: NodeId, id: ResourceId) -> Result<Outgoing, StoreError> {
    let held = store.read(move |reader| {
        let own = reader.own()?.map(|own| own.node);
        Ok(reader.resource(id)?.filter(|row| Some(row.owner) == own).map(|row| row.resource.stamp))
    });
    let held = held.await?;
    Ok(outgoing(peer, Protocol::RESOURCE_VERIFY, id, Verify::Answer { id, held }.encode()))
}
