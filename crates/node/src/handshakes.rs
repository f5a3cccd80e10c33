//! Handshakes: running the two machines over the network, and opening the gate when both sides agree.
//!
//! The answer to a handshake is sent only after our own gate is open, because the peer may open its first stream the
//! moment it reads the answer.

use std::sync::Arc;

use antiphon_core::ids::{Hash, NodeId};
use antiphon_net::{Multiaddr, NetHandle, Protocol, Responder};
use antiphon_protocol::handshake::{Answerer, Initiator, Input, Known, Local, Output, Rejected, Removal, Verified};
use antiphon_protocol::reason::Reason;
use antiphon_store::Store;

use crate::clock::now;
use crate::reasons;

/// How a handshake ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The peer is verified, and our gate is open for it.
    Verified(Box<Verified>),
    /// One side refused the other.
    Rejected(Rejected),
    /// It could not be carried out.
    Failed(Reason),
}

/// Asks `known` to verify us, and verifies it by its answer.
pub(crate) async fn initiate(
    net: &NetHandle,
    local: Arc<Local>,
    known: Known,
    addresses: Vec<Multiaddr>,
    nonce: [u8; 32],
) -> Outcome {
    let mut machine = Initiator::new(local, known);
    let mut outputs = machine.handle(Input::Start { nonce }, now());
    if let Some(Output::Send(bytes)) = outputs.first() {
        let answer = net.request(known.node, Protocol::Handshake, addresses, bytes.clone()).await;
        let input = match answer {
            Ok(bytes) => Input::Response(bytes),
            Err(error) => Input::Failed(reasons::of_request(&error)),
        };
        outputs = machine.handle(input, now());
    }
    settle(net, known.node, outputs).await.1
}

/// Answers a request of `known`.
pub(crate) async fn answer(
    net: &NetHandle,
    local: Arc<Local>,
    known: Known,
    removal: Option<Removal>,
    request: Vec<u8>,
    responder: Responder,
) -> Outcome {
    let outputs = Answerer::new(local, known).with_removal(removal).handle(Input::Request(request), now());
    let (answer, outcome) = settle(net, known.node, outputs).await;
    if let Some(bytes) = answer
        && let Err(error) = responder.respond(bytes).await
    {
        tracing::debug!(peer = %known.node, %error, "the handshake's answer was not wanted any more");
    }
    outcome
}

/// What proves to a removed peer that it was removed.
pub(crate) async fn removal_of(store: &Store, record: Hash) -> Option<Removal> {
    match store.read(move |reader| reader.charter_record(&record)).await {
        Ok(found) => found.map(|(opening, record)| Removal {
            opening: opening.into_unverified(),
            record: record.into_unverified().without_payload(),
        }),
        Err(error) => {
            tracing::error!(%error, "the record of a removal could not be read");
            None
        }
    }
}

/// Opens the gate if the peer is verified; hands back what is to be sent.
async fn settle(net: &NetHandle, node: NodeId, outputs: Vec<Output>) -> (Option<Vec<u8>>, Outcome) {
    let (mut answer, mut outcome) = (None, Outcome::Failed(Reason::Other));
    for output in outputs {
        match output {
            Output::Send(bytes) => answer = Some(bytes),
            Output::Rejected(rejected) => outcome = Outcome::Rejected(rejected),
            Output::Failed(reason) => outcome = Outcome::Failed(reason),
            Output::Verified(verified) => {
                outcome = match net.open_gate(node).await {
                    Ok(()) => Outcome::Verified(verified),
                    Err(error) => {
                        tracing::debug!(peer = %node, %error, "the connection went before its gate was open");
                        Outcome::Failed(reasons::of_net(&error))
                    }
                };
            }
        }
    }
    (answer, outcome)
}
