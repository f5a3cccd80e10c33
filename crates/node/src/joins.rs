//! Joining and letting join: both ends of `/antiphon/join/1`, and the ticket between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::charter::{GRANT_LIFE_MS, Grant, Record};
use antiphon_core::event::Event;
use antiphon_core::ids::{EventId, Hash, NodeId, StoreId};
use antiphon_core::log::{NodeClock, Stream};
use antiphon_net::{Multiaddr, NetHandle, Protocol, Responder};
use antiphon_protocol::join::{
    FORMER_STORES_MAX, FormerStore, Joined, Joiner, JoinerInput, JoinerOutput, Refusal, Steward, StewardInput,
    StewardLocal, StewardOutput, secret_hash,
};
use antiphon_protocol::sync::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX};
use antiphon_protocol::ticket::{ADDRESSES_MAX, Ticket};
use antiphon_store::{Draft, Invite, InviteUse, Reader, Store};
use antiphon_vault::{NodeKey, random};

use crate::api::{Error, Invitation};
use crate::clock::now;
use crate::connect::told;
use crate::reasons;
use crate::rekey::KeyMaker;
use crate::team::TeamState;

/// Makes a ticket: the steward keeps the hash of its secret, and the text is the only copy of the secret itself.
pub(crate) async fn invite(
    store: &Store,
    team: &TeamState,
    role: &str,
    ttl_ms: u64,
    addresses: Vec<String>,
) -> Result<Invitation, Error> {
    team.need_steward()?;
    team.need_role(role)?;
    let secret: [u8; 32] = random::bytes()?;
    let expires = now().after(ttl_ms);
    let ticket = Ticket {
        team: team.own.team,
        team_name: team.constitution.name.clone(),
        steward: team.own.node,
        addresses: told(&addresses, ADDRESSES_MAX),
        roles: vec![role.to_owned()],
        expires,
        secret,
    };
    let invite = Invite {
        secret_hash: secret_hash(&secret),
        roles: ticket.roles.clone(),
        expires_at: expires,
        created_at: now(),
        joiner: None,
    };
    store.write(move |db| db.add_invite(&invite)).await?;
    Ok(Invitation { ticket: ticket.to_text(), role: role.to_owned(), expires })
}

/// Asks the ticket's steward for membership.
pub(crate) async fn ask(net: &NetHandle, key: &NodeKey, name: String, ticket: Ticket) -> Result<Joined, Error> {
    let steward = ticket.steward;
    let addresses: Vec<Multiaddr> = ticket.addresses.iter().filter_map(|address| address.parse().ok()).collect();
    let machine = Joiner::new(key.node_id(), name, key.age_recipient(), ticket);
    let answered = converse(net, machine, steward, addresses).await?;
    answered.map_err(|refusal| Error::JoinRefused { steward, refusal })
}

/// Runs the machine of somebody who joins, or comes back, against `steward`.
pub(crate) async fn converse(
    net: &NetHandle,
    mut machine: Joiner,
    steward: NodeId,
    addresses: Vec<Multiaddr>,
) -> Result<Result<Joined, Refusal>, Error> {
    // The request goes over a connection whose key the transport checks against the steward's.
    let mut outputs = machine.handle(JoinerInput::Start { peer: steward, nonce: random::bytes()? }, now());
    if let Some(JoinerOutput::Send(bytes)) = outputs.first() {
        let input = match net.request(steward, Protocol::Join, addresses, bytes.clone()).await {
            Ok(bytes) => JoinerInput::Response(bytes),
            Err(error) => JoinerInput::Failed(reasons::of_request(&error)),
        };
        outputs = machine.handle(input, now());
    }
    match outputs.into_iter().next() {
        Some(JoinerOutput::Joined(joined)) => Ok(Ok(*joined)),
        Some(JoinerOutput::Refused(refusal)) => Ok(Err(refusal)),
        Some(JoinerOutput::Failed(reason)) => Err(Error::Unreachable { peer: steward, reason }),
        Some(JoinerOutput::Send(_)) | None => Ok(Err(Refusal::Malformed)),
    }
}

/// Answers somebody who holds a ticket, or says that it holds none; returns why it was refused.
pub(crate) async fn answer(
    store: &Store,
    key: Arc<NodeKey>,
    local: Arc<StewardLocal>,
    peer: NodeId,
    request: Vec<u8>,
    responder: Responder,
) -> Result<Option<Refusal>, Error> {
    let (mut responder, mut refused) = (Some(responder), None);
    let mut machine = Steward::new(local.clone(), peer);
    let mut inputs = vec![StewardInput::Request(request)];
    while let Some(input) = inputs.pop() {
        for output in machine.handle(input, now()) {
            match output {
                StewardOutput::LookupInvite(hash) => {
                    let found = store.read(|reader| reader.invites()).await?;
                    let found = found.into_iter().find(|invite| invite.secret_hash == hash);
                    inputs.push(StewardInput::Invite(found.map(shown)));
                }
                StewardOutput::Grant { invite, node, name, recipient, roles } => {
                    let not_after = now().after(GRANT_LIFE_MS);
                    let grant = Grant { node, recipient, roles, not_after, wraps: Vec::new(), name };
                    let granted = grant_by(store, key.clone(), invite, grant).await;
                    inputs.push(granted.unwrap_or_else(|error| {
                        tracing::error!(%peer, %error, "the grant could not be written");
                        StewardInput::GrantFailed
                    }));
                }
                StewardOutput::Gather(node) => {
                    let gathered = gather(store, node, local.node).await;
                    inputs.push(gathered.unwrap_or_else(|error| {
                        tracing::error!(%peer, %error, "a member that comes back could not be answered");
                        StewardInput::GrantFailed
                    }));
                }
                StewardOutput::Send(bytes) => {
                    if let Some(responder) = responder.take() {
                        responder.respond(bytes).await?;
                    }
                }
                StewardOutput::Refused(refusal) => {
                    tracing::info!(%peer, %refusal, "refused to join");
                    refused = Some(refusal);
                }
                StewardOutput::Answered(node) => tracing::info!(peer = %node, "joined"),
            }
        }
    }
    Ok(refused)
}

fn shown(invite: Invite) -> antiphon_protocol::join::Invite {
    let Invite { roles, expires_at, joiner, .. } = invite;
    antiphon_protocol::join::Invite { roles, expires: expires_at, joiner }
}

/// Uses the invitation, writes the grant, and gathers what the joiner gets. An invitation that this key has used
/// already gets the grant it has; if a crash came between the two writes, it is written now.
async fn grant_by(store: &Store, key: Arc<NodeKey>, invite: Hash, grant: Grant) -> Result<StewardInput, Error> {
    let (node, steward, seed) = (grant.node, key.node_id(), random::bytes()?);
    let written = store
        .write(move |db| {
            let again = match db.use_invite(&invite, &node, now())? {
                InviteUse::Accepted(_) => false,
                InviteUse::Again(_) => db.reader().grant_path(&node)?.is_some(),
                InviteUse::Taken | InviteUse::Expired | InviteUse::Unknown => return Ok(None),
            };
            if again {
                return Ok(Some(Ok(Vec::new())));
            }
            let team = TeamState::read(&db.reader(), "")?;
            let maker = KeyMaker { local: &team.local, roles: &team.roles, key: &key, now: now() };
            let (made, grant) = match maker.grant(grant, team.membership.is_steward(&node)) {
                Ok(granted) => granted,
                Err(error) => return Ok(Some(Err(error))),
            };
            let made = made.into_iter().map(|key| Draft::Record(Record::RoleKey(key)));
            let drafts: Vec<Draft> = made.chain([Draft::Grant(grant)]).collect();
            Ok(Some(Ok(db.author(&drafts, now(), seed)?)))
        })
        .await?;
    let Some(written) = written else { return Ok(StewardInput::GrantFailed) };
    for one in written? {
        let _authored = one?;
    }
    gather(store, node, steward).await
}

/// What a new member gets, or one that comes back.
async fn gather(store: &Store, node: NodeId, steward: NodeId) -> Result<StewardInput, Error> {
    let gathered = store.read(move |reader| {
        let (path, charter) = (reader.grant_path(&node)?, charter(reader, &steward)?);
        Ok((path, charter, former_stores(reader, &node)?))
    });
    let (path, charter, stores) = gathered.await?;
    let granted = path.map(|path| StewardInput::Granted { path: Box::new(path), charter, stores });
    Ok(granted.unwrap_or(StewardInput::GrantFailed))
}

/// The stores of a key as they are held here, the pinned one first, then the latest.
fn former_stores(reader: &Reader<'_>, node: &NodeId) -> Result<Vec<FormerStore>, antiphon_store::Error> {
    let pinned = reader.peers()?.into_iter().find(|peer| peer.node == *node).and_then(|peer| peer.store);
    let mut stores: BTreeMap<StoreId, (FormerStore, Option<EventId>)> = BTreeMap::new();
    for log in reader.logs()?.into_iter().filter(|log| log.node == *node) {
        let store = log.log.store;
        let opened = reader.event_at(log.log, 1)?.map(|event| event.header().id);
        let former = FormerStore { store, pinned: pinned == Some(store), heads: NodeClock::new() };
        let (former, first) = stores.entry(store).or_insert((former, None));
        former.heads.insert(log.log, log.head);
        *first = (*first).max(opened);
    }
    // A store that was pinned and lost before anything of it came here must be named all the same, or the next one could
    // not follow it.
    if let Some(store) = pinned {
        stores.entry(store).or_insert((FormerStore { store, pinned: true, heads: NodeClock::new() }, None));
    }
    let mut stores: Vec<(FormerStore, Option<EventId>)> = stores.into_values().collect();
    stores.sort_by_key(|(former, opened)| std::cmp::Reverse((former.pinned, *opened)));
    Ok(stores.into_iter().take(FORMER_STORES_MAX).map(|(former, _)| former).collect())
}

/// Every charter event that is held, log by log, those of `first` before all others.
fn charter(reader: &Reader<'_>, first: &NodeId) -> Result<Vec<Event>, antiphon_store::Error> {
    let mut logs: Vec<_> = reader.logs()?.into_iter().filter(|log| log.log.stream == Stream::Charter).collect();
    logs.sort_by_key(|log| (log.node != *first, log.log));
    let mut events = Vec::new();
    for log in logs {
        let mut after = 0;
        loop {
            let page = reader.page(log.log, after, PAGE_EVENTS_MAX, PAGE_BYTES_MAX, None)?;
            let Some(last) = page.last() else { break };
            after = last.header().seq;
            events.extend(page);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use antiphon_store::{Db, Options};

    use super::*;
    use crate::config::Config;
    use crate::home::Home;
    use crate::start::init;

    #[test]
    fn a_store_that_was_pinned_is_named_although_nothing_of_it_came() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        let _made = init(&Config::new(home.clone())).unwrap();
        let mut db = Db::open(home.path(), Options::default(), None).unwrap();
        let (bob, pinned) = (NodeId([2; 32]), StoreId([4; 16]));
        db.update_peer(&bob, |row| row.store = Some(pinned)).unwrap();
        let want = FormerStore { store: pinned, pinned: true, heads: NodeClock::new() };
        assert_eq!(former_stores(&db.reader(), &bob).unwrap(), [want]);
    }
}
