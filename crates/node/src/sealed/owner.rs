//! The owner's side: leaving sealed parts with members, and asking for them.

use std::collections::BTreeMap;

use antiphon_core::event::Event;
use antiphon_core::ids::{NodeId, StoreId};
use antiphon_net::{NetHandle, Protocol, RequestError};
use antiphon_protocol::backup::{Kept, Request, Response, Span, are_held, reach};
use antiphon_store::{CopyHolder, Store};
use antiphon_vault::NodeKey;
use antiphon_vault::sealed_copy::{self, PART_BYTES_MAX, PART_EVENTS_MAX, Part, Push, RawEvent};

use crate::api::{CopyFault, Error};
use crate::clock::now;
use crate::reasons;

/// What was left with a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Parts that it took.
    pub(super) parts: u64,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// Up to where it keeps which log.
    pub(super) confirmed: BTreeMap<StoreId, u64>,
    /// Why it took no more.
    pub(super) fault: Option<CopyFault>,
}

/// Asks a member that is let in.
pub(super) async fn ask(net: &NetHandle, peer: NodeId, request: &Request) -> Result<Response, CopyFault> {
    match net.request(peer, Protocol::Backup, Vec::new(), request.encode()).await {
        Ok(bytes) => match Response::decode(&bytes) {
            Ok(Response::Refused(refusal)) => Err(refusal.into()),
            Ok(response) => Ok(response),
            Err(_) => Err(CopyFault::Malformed),
        },
        Err(RequestError::NoAddress { .. } | RequestError::NotOpen { .. } | RequestError::Unsupported { .. }) => {
            Err(CopyFault::NotConnected)
        }
        Err(error) => Err(CopyFault::Failed(reasons::of_request(&error))),
    }
}

/// The parts that a member keeps for this node, in order.
pub(super) async fn list(net: &NetHandle, peer: NodeId) -> Result<Vec<Kept>, CopyFault> {
    match ask(net, peer, &Request::List).await? {
        Response::Copies(copies) => Ok(copies),
        _ => Err(CopyFault::Malformed),
    }
}

/// Leaves with `peer` what it lacks of this node's local logs, and notes what it confirmed if it is a chosen holder.
///
/// # Errors
/// When the database fails or a part cannot be sealed; what the member says against it is no error but an outcome.
pub(super) async fn leave_with(store: &Store, net: &NetHandle, key: &NodeKey, peer: NodeId) -> Result<Left, Error> {
    let mut left = Left::default();
    match list(net, peer).await {
        Ok(parts) => {
            let parts = without_erased(store, net, peer, parts).await?;
            fill(store, net, key, peer, &parts, &mut left).await?;
        }
        Err(fault) => left.fault = Some(fault),
    }
    note(store, peer, &left).await?;
    Ok(left)
}

/// Has `peer` drop its parts where they hold what was erased since; what is left of them. It keeps them as long as they
/// go further than what is held here: they may be all that is left of it.
async fn without_erased(store: &Store, net: &NetHandle, peer: NodeId, parts: Vec<Kept>) -> Result<Vec<Kept>, Error> {
    let (due, logs) = store.read(|reader| Ok((reader.must_reseal()?, reader.own_local_logs()?))).await?;
    if !due.contains(&peer) || !are_held(&parts, &logs) {
        return Ok(parts);
    }
    match ask(net, peer, &Request::Drop).await {
        Ok(Response::Dropped(_)) => {
            store.write(move |db| db.resealed(&peer)).await?;
            Ok(Vec::new())
        }
        // It is asked again next time.
        _ => Ok(parts),
    }
}

async fn note(store: &Store, peer: NodeId, left: &Left) -> Result<(), Error> {
    let (confirmed, fault) = (left.confirmed.clone(), left.fault);
    let noted = store.write(move |db| {
        let holders = db.reader().copy_holders()?;
        let Some(mut holder) = holders.into_iter().find(|holder| holder.node == peer) else { return Ok(()) };
        holder.refused = fault.map(|fault| fault.name().to_owned());
        if fault.is_none() || !confirmed.is_empty() {
            (holder.confirmed, holder.confirmed_at) = (confirmed, Some(now()));
        }
        db.note_copy_holder(&holder)
    });
    Ok(noted.await?)
}

async fn fill(
    store: &Store,
    net: &NetHandle,
    key: &NodeKey,
    peer: NodeId,
    parts: &[Kept],
    left: &mut Left,
) -> Result<(), Error> {
    for (of, head) in store.read(|reader| reader.own_local_logs()).await? {
        let (mut held, mut after) = reach(parts, of);
        left.confirmed.insert(of, held.min(head));
        while held < head && left.fault.is_none() {
            let read =
                store.read(move |reader| reader.local_events(of, after, PART_EVENTS_MAX, PART_BYTES_MAX - 1_024));
            let events = read.await?;
            let Some(last) = events.last().map(|event| event.header().seq) else { break };
            // A small part that is full in truth, because it packs well, is not sent again.
            if last > held {
                match put(net, key, peer, part_of(of, after, &events)?).await? {
                    Ok(bytes) => {
                        (left.parts, left.bytes) = (left.parts + 1, left.bytes + bytes);
                        held = last;
                        left.confirmed.insert(of, held);
                    }
                    Err(fault) => left.fault = Some(fault),
                }
            }
            after = last;
        }
    }
    Ok(())
}

fn part_of(store: StoreId, after: u64, events: &[Event]) -> Result<Part, Error> {
    let mut part = Part::new(store, after + 1);
    for event in events {
        let raw = RawEvent {
            header: event.header_bytes().to_vec(),
            payload: event.payload().map(<[u8]>::to_vec),
            signature: event.signature().copied(),
        };
        // The events were read up to a bound that a part holds.
        if let Push::Full(_) = part.push(raw).map_err(Error::SealedCopy)? {
            return Err(Error::SealedCopy(sealed_copy::Error::Damaged("the part is full before its last event")));
        }
    }
    Ok(part)
}

async fn put(net: &NetHandle, key: &NodeKey, peer: NodeId, part: Part) -> Result<Result<u64, CopyFault>, Error> {
    let span = Span { store: part.store(), first: part.first_seq(), last: part.next_seq() - 1 };
    let sealed = sealed_copy::seal(&part, &key.age_recipient())?;
    let bytes = sealed.len() as u64;
    Ok(match ask(net, peer, &Request::Put { span, sealed }).await {
        Ok(Response::Stored) => Ok(bytes),
        Ok(_) => Err(CopyFault::Malformed),
        Err(fault) => Err(fault),
    })
}

/// Chooses members to keep a copy, beside those that were chosen before; returns all of them.
///
/// # Errors
/// [`Error::TooManyHolders`], and when the database fails.
pub(super) async fn choose(store: &Store, more: Vec<NodeId>) -> Result<Vec<CopyHolder>, Error> {
    let chosen = store.write(move |db| {
        let mut holders = db.reader().copy_holders()?;
        for node in more {
            if !holders.iter().any(|holder| holder.node == node) {
                holders.push(CopyHolder { node, confirmed: BTreeMap::new(), confirmed_at: None, refused: None });
            }
        }
        if holders.len() > antiphon_store::COPY_HOLDERS_MAX {
            return Ok(Err(Error::TooManyHolders(antiphon_store::COPY_HOLDERS_MAX)));
        }
        db.keep_copy_holders(&holders)?;
        Ok(Ok(holders))
    });
    chosen.await?
}
