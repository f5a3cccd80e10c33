//! Handshakes that are carried by hand: the machines of the network, run over files.

use std::sync::Arc;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::handshake::{Answerer, By, Initiator, Input, Known, Output, Request, Response, Verified};
use antiphon_protocol::reason::Reason;
use antiphon_store::{CARRIED_AHEAD_MS, CARRIED_LIFE_MS, Carried};
use antiphon_vault::random;
use tokio::sync::oneshot;

use super::registry::KnownPeer;
use super::verify::{Foreseen, foresee};
use super::{CarriedHandshake, CarriedLog, Carry, CarryError};
use crate::api::{Error, Trust};
use crate::clock::now;
use crate::handle::Handle;
use crate::inputs::Command;
use crate::team::TeamState;

/// Whom a request is for that anybody may answer: no member has this key, so nothing of other members is told.
const ANYBODY: NodeId = NodeId([0; 32]);
const HOUR_MS: u64 = 60 * 60 * 1_000;

impl Handle {
    /// Begins a handshake: the bytes of a request, whose answer works once and for 30 days. A request for a known
    /// member also tells what this node holds of the charter and where it listens; one for anybody does not.
    ///
    /// # Errors
    /// [`CarryError::Itself`], [`CarryError::Node`].
    pub async fn carry_request(&self, peer: Option<NodeId>) -> Result<Vec<u8>, CarryError> {
        let team = self.fresh_team().await?;
        let nonce = random::bytes().map_err(Error::from)?;
        let known = Known { node: peer.unwrap_or(ANYBODY), pinned: None };
        let outputs = Initiator::new(team.local, known).handle(Input::Start { nonce }, now());
        let sent =
            outputs.into_iter().find_map(|output| if let Output::Send(bytes) = output { Some(bytes) } else { None });
        let request = sent.ok_or(CarryError::Itself)?;
        self.shared.store.write(move |db| db.carry_own(&nonce, now())).await?;
        Ok(request)
    }

    /// Answers a request. `logs` are the events that came with it; charter records that it takes to see that the
    /// genomes are equal are stored, once whoever asked is believed.
    ///
    /// # Errors
    /// [`CarryError`]; nothing was stored then.
    pub async fn carry_answer(&self, bytes: &[u8], logs: Vec<CarriedLog>) -> Result<CarriedHandshake, CarryError> {
        let request = Request::decode(bytes).map_err(|error| CarryError::Malformed(error.to_string()))?;
        let team = self.fresh_team().await?;
        check_request(&request, &team, now())?;
        let (peer, nonce) = (request.from, request.nonce);
        let known = Known { node: peer, pinned: self.known_peer(peer).await?.pinned };
        let Foreseen { logs, local } = self.foresee(&team, logs).await?;
        let our_genome = local.genome;
        let outputs = Answerer::new(Arc::new(local), known).handle(Input::Request(bytes.to_vec()), now());
        let mut message = Vec::new();
        let mut verified = None;
        for output in outputs {
            match output {
                Output::Send(bytes) => message = bytes,
                Output::Verified(proven) => verified = Some(proven),
                Output::Rejected(rejected) => return Err(refused(peer, rejected.reason, rejected.by)),
                Output::Failed(reason) => return Err(refused(peer, reason, By::Us)),
            }
        }
        let verified = verified.ok_or_else(|| refused(peer, Reason::Other, By::Us))?;
        let at = now();
        used(peer, self.shared.store.write(move |db| db.carry_answered(&nonce, &peer, at)).await?)?;
        let taken = self.take_charter(peer, logs).await?;
        self.report(peer, &taken).await?;
        let trust = self.verified_by_hand(&team, &verified).await?;
        let (name, their_genome) = (verified.name, verified.genome);
        Ok(CarriedHandshake { message, peer, name, trust, our_genome, their_genome })
    }

    /// Completes a handshake that this node began, with the answer and the events that came with it.
    ///
    /// # Errors
    /// [`CarryError`]; nothing was stored then.
    pub async fn carry_complete(&self, bytes: &[u8], logs: Vec<CarriedLog>) -> Result<CarriedHandshake, CarryError> {
        let response = Response::decode(bytes).map_err(|error| CarryError::Malformed(error.to_string()))?;
        let team = self.fresh_team().await?;
        let (peer, nonce) = (response.to, response.nonce);
        if peer == team.own.node {
            return Err(CarryError::Itself);
        }
        used(peer, self.shared.store.write(move |db| db.own_request(&nonce, now())).await?)?;
        let known = Known { node: peer, pinned: self.known_peer(peer).await?.pinned };
        let Foreseen { logs, local } = self.foresee(&team, logs).await?;
        let our_genome = local.genome;
        let mut machine = Initiator::new(Arc::new(local), known);
        // The request went long ago; the machine only has to know its nonce.
        let _request = machine.handle(Input::Start { nonce }, now());
        let mut outputs = machine.handle(Input::Response(bytes.to_vec()), now()).into_iter();
        let verified = match outputs.next() {
            Some(Output::Verified(verified)) => verified,
            Some(Output::Rejected(rejected)) => return Err(refused(peer, rejected.reason, rejected.by)),
            Some(Output::Failed(reason)) => return Err(refused(peer, reason, By::Us)),
            _ => return Err(refused(peer, Reason::Other, By::Us)),
        };
        let at = now();
        used(peer, self.shared.store.write(move |db| db.carry_completed(&nonce, &peer, at)).await?)?;
        let taken = self.take_charter(peer, logs).await?;
        self.report(peer, &taken).await?;
        let trust = self.verified_by_hand(&team, &verified).await?;
        let (name, their_genome) = (verified.name, verified.genome);
        Ok(CarriedHandshake { message: Vec::new(), peer, name, trust, our_genome, their_genome })
    }

    /// The team as the database knows it now; the loop learns of commits a moment later.
    pub(crate) async fn fresh_team(&self) -> Result<TeamState, CarryError> {
        let version = self.shared.agent_version.clone();
        Ok(self.shared.store.read(move |reader| TeamState::read(reader, &version)).await?)
    }

    async fn foresee(&self, team: &TeamState, logs: Vec<CarriedLog>) -> Result<Foreseen, CarryError> {
        let team = team.clone();
        Ok(self.shared.store.read(move |reader| foresee(reader, &team, &logs)).await?)
    }

    pub(super) async fn known_peer(&self, peer: NodeId) -> Result<KnownPeer, CarryError> {
        Ok(self.ask(|reply| Command::Carry(Carry::Known { peer, reply })).await?)
    }

    async fn verified_by_hand(&self, team: &TeamState, verified: &Verified) -> Result<Trust, CarryError> {
        let (team, verified) = (team.own.team, Box::new(verified.clone()));
        let verified = |reply: oneshot::Sender<Trust>| Command::Carry(Carry::Verified { team, verified, reply });
        Ok(self.ask(verified).await?)
    }
}

fn check_request(request: &Request, team: &TeamState, now: UnixMillis) -> Result<(), CarryError> {
    if request.from == team.own.node {
        return Err(CarryError::Itself);
    }
    if request.team != team.own.team {
        return Err(CarryError::OtherTeam { ours: team.own.team, theirs: request.team });
    }
    let (age, ahead) = (now.since(request.timestamp), request.timestamp.since(now));
    if age > CARRIED_LIFE_MS {
        return Err(CarryError::TooOld { days: age / CARRIED_AHEAD_MS });
    }
    if ahead > CARRIED_AHEAD_MS {
        return Err(CarryError::FromFuture { hours: ahead / HOUR_MS });
    }
    Ok(())
}

fn refused(peer: NodeId, reason: Reason, by: By) -> CarryError {
    CarryError::Refused { peer, reason, by_peer: by == By::Peer }
}

fn used(peer: NodeId, carried: Carried) -> Result<(), CarryError> {
    match carried {
        Carried::Taken => Ok(()),
        Carried::Used => Err(CarryError::Replayed),
        Carried::Unknown => Err(CarryError::NotAsked),
        Carried::Late => Err(CarryError::Late),
        Carried::Full => Err(CarryError::TooMany { peer }),
    }
}
