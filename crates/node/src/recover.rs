//! Coming back: a machine that lost its disk and has its key takes its place in the team again.
//!
//! Any member may be asked. It says by the charter which team the key belongs to and which stores of it are held; the new
//! store names the newest of those as the one it follows, so that the others' pins move by themselves. What the key wrote
//! comes back by sync, as from any other author, and what never left it in the clear comes out of sealed copies.
//!
//! Every step may be done again: a recovery that was interrupted goes on where it was, and a member that was away then
//! can be asked later.
//!
//! Limits: who answers could name a team of its own making that granted this key something. Whoever does not know the
//! team's id must compare it with a person's word.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::charter::{Entry, Membership};
use antiphon_core::fact::check_label;
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::log::{LogId, Stream};
use antiphon_net::Multiaddr;
use antiphon_protocol::join::{Joined, Joiner};
use antiphon_protocol::ticket::Ticket;
use antiphon_store::{Bring, Identity, LogRun};
use antiphon_vault::random;

use crate::api::{Error, FormerPlace, Recovery, Team};
use crate::clock::now;
use crate::handle::Handle;
use crate::inputs::Command;
use crate::joins;
use crate::sealed::restore::Restorer;
use crate::sealed::{self, name_of};
use crate::start::fresh_ulid;
use crate::team::TeamState;

/// Longest name of a node, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Whom to ask.
struct Asked {
    peer: NodeId,
    addresses: Vec<String>,
    team: Option<TeamId>,
}

impl Asked {
    /// Reads a ticket, an old one too, or an address that ends in `/p2p/PEER`.
    fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if !text.starts_with('/') {
            let ticket = Ticket::parse(text)?;
            return Ok(Self { peer: ticket.steward, addresses: ticket.addresses, team: Some(ticket.team) });
        }
        let wrong = || Error::Address(text.chars().take(200).collect());
        let peer = text.rsplit_once("/p2p/").and_then(|(_, peer)| peer.parse().ok()).ok_or_else(wrong)?;
        text.parse::<Multiaddr>().map_err(|_| wrong())?;
        Ok(Self { peer, addresses: vec![text.to_owned()], team: None })
    }
}

impl Handle {
    /// Asks the member at `peer`, a ticket or an address, what place this key has in its team. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Ticket`], [`Error::Address`], [`Error::OwnAddress`], [`Error::RecoverRefused`], [`Error::Unreachable`].
    pub async fn former_place(&self, peer: &str, team: Option<TeamId>) -> Result<FormerPlace, Error> {
        let asked = Asked::parse(peer)?;
        let joined = self.ask_back(&asked, team).await?;
        place(&asked, &joined)
    }

    async fn ask_back(&self, asked: &Asked, team: Option<TeamId>) -> Result<Joined, Error> {
        if asked.peer == self.shared.key.node_id() {
            return Err(Error::OwnAddress);
        }
        let own = self.team().await?.own;
        let key = &self.shared.key;
        let team = team.or(asked.team);
        let machine = Joiner::returning(own.node, own.name, key.age_recipient(), asked.peer, team);
        let addresses = crate::connect::parse_all(&asked.addresses);
        let answered = joins::converse(&self.shared.net, machine, asked.peer, addresses).await?;
        answered.map_err(|refusal| Error::RecoverRefused { peer: asked.peer, refusal })
    }

    /// Takes this key's place in its team again: moves this home, which must be empty, into the team as a new store that
    /// follows the former one. Without `name` it is called as its grant says. On a home that is in the team already
    /// nothing changes but the addresses of the member.
    ///
    /// # Errors
    /// As [`Handle::former_place`], and [`Error::HomeInUse`], [`Error::InAnotherTeam`].
    pub async fn recover(&self, peer: &str, team: TeamId, name: Option<&str>) -> Result<FormerPlace, Error> {
        let asked = Asked::parse(peer)?;
        let present = self.team().await?;
        let back_already = present.own.team == team;
        if !back_already {
            self.need_empty(&present).await?;
        }
        let joined = self.ask_back(&asked, Some(team)).await?;
        let found = place(&asked, &joined)?;
        if !back_already {
            let name = name.unwrap_or(&found.name).to_owned();
            check_label("name", &name, NAME_BYTES_MAX).map_err(antiphon_core::fact::Error::from)?;
            self.move_back(&joined, name).await?;
        }
        self.tell(Command::Meet { peer: asked.peer, addresses: asked.addresses }).await?;
        Ok(found)
    }

    async fn need_empty(&self, present: &TeamState) -> Result<(), Error> {
        if present.others() > 0 {
            return Err(in_another(present));
        }
        match self.shared.store.read(|reader| reader.counts()).await?.facts {
            0 => Ok(()),
            facts => Err(Error::HomeInUse { facts }),
        }
    }

    async fn move_back(&self, joined: &Joined, name: String) -> Result<(), Error> {
        let previous = joined.stores.first().map(|former| {
            let heads = former.heads.iter().map(|(log, head)| (*log, *head)).collect();
            (former.store, heads)
        });
        let identity = Identity { node: self.shared.key.node_id(), name, nonce: fresh_ulid()?, previous };
        let charter = joined.charter.iter().map(|log| LogRun {
            log: LogId::new(log.store, Stream::Charter),
            node: log.key,
            events: log.events.clone(),
        });
        let (charter, genome, seed) = (charter.collect(), joined.genome.clone(), random::bytes()?);
        let moved = self.shared.store.write(move |db| {
            // Something may have been written, or somebody joined, while the member was asked.
            let present = TeamState::read(&db.reader(), "")?;
            let facts = db.reader().counts()?.facts;
            if present.others() > 0 {
                return Ok(Err(in_another(&present)));
            }
            if facts > 0 {
                return Ok(Err(Error::HomeInUse { facts }));
            }
            db.move_to_team(&identity, &genome, charter, Bring::None, now(), seed)?;
            Ok(Ok(()))
        });
        moved.await??;
        let version = self.shared.agent_version.clone();
        let fresh = self.shared.store.read(move |reader| TeamState::read(reader, &version)).await?;
        self.tell(Command::Moved(Box::new(fresh))).await
    }

    /// Takes back what connected members keep sealed for this node, and says how far the recovery is: `expected` is what
    /// the first member said it holds of this key's logs.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn recovery(&self, expected: &BTreeMap<LogId, u64>) -> Result<Recovery, Error> {
        let (team, peers) = (self.team().await?, self.peers().await?);
        let trusted = |peer: &&crate::api::PeerView| peer.connected && peer.trust == crate::api::Trust::Verified;
        let here: Vec<NodeId> = peers.iter().filter(trusted).map(|peer| peer.peer_id).collect();
        let restored = {
            // What is being restored is not sealed anew at the same time.
            let _sealing = self.shared.sealing.lock().await;
            let (store, net, key) = (&self.shared.store, &self.shared.net, &*self.shared.key);
            let restorer = Restorer { store, net, key, team: team.own.team, own: team.own.store };
            let restored = restorer.run(&here).await?;
            sealed::choose_again(store, restored.holders.iter().copied().collect()).await;
            restored
        };
        let (own, wanted) = (team.own.node, expected.clone());
        let read = self.shared.store.read(move |reader| {
            let clock = reader.clock()?;
            let held = |(log, seq): (&LogId, &u64)| clock.get(log).map_or(0, |head| head.seq.min(*seq));
            let events: u64 = wanted.iter().map(held).sum();
            Ok((events, wanted.values().sum::<u64>(), reader.pinnable(&own)?.facts, reader.facts_by_stream()?))
        });
        let (events, total, own_facts, facts) = read.await?;
        let gave = peers.iter().filter(|peer| peer.fact_count > 0).map(|peer| peer.peer_id);
        let gave: BTreeSet<NodeId> = gave.chain(restored.holders).collect();
        let away = team.membership.members().map(|(node, _)| *node);
        Ok(Recovery {
            events,
            missing: total - events,
            own_facts,
            shared_facts: facts.shared,
            private_facts: facts.local,
            restored: restored.events,
            asked: here.len() - restored.unasked.len(),
            peers: gave.into_iter().collect(),
            damaged: restored.damaged,
            gaps: restored.gaps,
            unasked: restored.unasked.into_iter().collect(),
            away: away.filter(|node| *node != own && !here.contains(node)).collect(),
        })
    }

    /// What people call these nodes, in the same order; empty where it is not known.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn names_of(&self, nodes: &[NodeId]) -> Result<Vec<String>, Error> {
        let (team, peers) = (self.team().await?, self.peers().await?);
        Ok(nodes.iter().map(|node| name_of(&team, &peers, node)).collect())
    }
}

fn in_another(team: &TeamState) -> Error {
    Error::InAnotherTeam { team: team.constitution.name.clone(), others: team.others() }
}

/// What the answer says.
fn place(asked: &Asked, joined: &Joined) -> Result<FormerPlace, Error> {
    let constitution = joined.genome.constitution()?;
    // A record that cannot be read counts for nothing here, as everywhere.
    let entries = joined.charter.iter().flat_map(|log| log.events.iter().map(|event| Entry::read(event, log.key)));
    let entries: Vec<Entry> = entries.filter_map(Result::ok).collect();
    let membership = Membership::of(&constitution.founders, &entries);
    let name = |node: &NodeId| membership.member(node).map_or_else(|| node.short(), |member| member.grant.name.clone());
    let shared = joined.stores.iter().flat_map(|former| &former.heads).filter(|(log, _)| log.stream == Stream::Shared);
    Ok(FormerPlace {
        peer_id: asked.peer,
        peer_name: joined.steward_name.clone(),
        team: Team { id: joined.genome.team(), name: constitution.name },
        stewards: membership.stewards().iter().map(name).collect(),
        name: joined.grant.name.clone(),
        roles: joined.grant.roles.clone(),
        previous: joined.stores.first().map(|former| former.store),
        expected: shared.map(|(log, head)| (*log, head.seq)).collect(),
    })
}
