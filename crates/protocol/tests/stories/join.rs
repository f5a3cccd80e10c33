//! What a ticket is good for, once.

use std::sync::Arc;

use crate::common::{Author, Key, LATER, NOW, Shelf, Team, path};
use antiphon_core::charter::{Charter, Founders, MEMBERS_MAX};
use antiphon_core::event::{Event, Verified};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::join::{
    FormerStore, Invite, JOIN_REQUEST_BYTES_MAX, JOIN_RESPONSE_BYTES_MAX, Joined, Joiner, JoinerInput, JoinerOutput,
    Refusal, Request, Response, Steward, StewardInput, StewardLocal, StewardOutput, secret_hash,
};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::ticket::Ticket;
use proptest::prelude::*;

/// alice's node: her charter and her invitations.
struct World {
    team: Team,
    alice: Author,
    shelf: Shelf,
    invite: Option<Invite>,
}

fn world() -> World {
    let key = Key::of(1);
    let team = Team::found(&key, 7);
    let mut alice = Author::new(team.id, &key, 1);
    let mut shelf = Shelf::new(key.node_id());
    shelf.put(alice.open(Stream::Charter));
    shelf.put(alice.grant(key.node_id(), LATER));
    let roles = vec!["observer".to_owned()];
    World { team, alice, shelf, invite: Some(Invite { roles, expires: NOW.after(1_000), joiner: None }) }
}

impl World {
    fn ticket(&self) -> Ticket {
        Ticket {
            team: self.team.id,
            team_name: "acme".into(),
            steward: self.alice.key.node_id(),
            addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
            roles: vec!["observer".into()],
            expires: NOW.after(1_000),
            secret: [0x5e; 32],
        }
    }

    fn local(&self) -> Arc<StewardLocal> {
        Arc::new(StewardLocal {
            node: self.alice.key.node_id(),
            name: "alice".into(),
            team: self.team.id,
            genome: self.team.genome.encode(),
            membership: self.shelf.membership(),
            members_max: antiphon_core::charter::MEMBERS_MAX,
        })
    }

    fn charter(&self) -> &Vec<Event<Verified>> {
        &self.shelf.logs[&self.alice.log(Stream::Charter)]
    }

    /// Writes the grant, as a node would, unless the key has one.
    fn grant(&mut self, node: NodeId) -> StewardInput {
        if let Some(invite) = &mut self.invite {
            invite.joiner = Some(node);
        }
        let subject = antiphon_core::event::Subject::Member(node);
        if !self.charter().iter().any(|event| event.header().subject == subject) {
            let grant = self.alice.grant(node, LATER);
            self.shelf.put(grant);
        }
        let charter = self.charter().clone();
        let grant = charter.iter().find(|event| event.header().subject == subject).unwrap();
        StewardInput::Granted { path: Box::new(path(&charter[0], grant)), charter, stores: Vec::new() }
    }

    /// Answers a request of `peer` the way a node would.
    fn answer(&mut self, peer: NodeId, request: Vec<u8>, now: UnixMillis) -> (Vec<u8>, StewardOutput) {
        let mut steward = Steward::new(self.local(), peer);
        let mut out = steward.handle(StewardInput::Request(request), now);
        if let [StewardOutput::LookupInvite(hash)] = &out[..] {
            assert_eq!(*hash, secret_hash(&[0x5e; 32]));
            out = steward.handle(StewardInput::Invite(self.invite.clone()), now);
        }
        if let [StewardOutput::Grant { node, name, recipient, .. }] = &out[..] {
            assert_eq!((*node, name.as_str(), recipient.as_str()), (peer, "bob", "age1bob"));
            let granted = self.grant(peer);
            out = steward.handle(granted, now);
        }
        let [StewardOutput::Send(bytes), verdict] = &out[..] else { panic!("{out:?}") };
        (bytes.clone(), verdict.clone())
    }
}

fn joiner(key: &Key, ticket: Ticket) -> Joiner {
    Joiner::new(key.node_id(), "bob".into(), "age1bob".into(), ticket)
}

fn ask(joiner: &mut Joiner, peer: NodeId) -> JoinerOutput {
    let mut out = joiner.handle(JoinerInput::Start { peer, nonce: [3; 32] }, NOW);
    assert_eq!(out.len(), 1);
    out.pop().unwrap()
}

/// Lets a key try; returns what both sides end with.
fn attempt(world: &mut World, key: &Key, ticket: Ticket, now: UnixMillis) -> (JoinerOutput, StewardOutput) {
    let mut bob = joiner(key, ticket);
    let alice = world.alice.key.node_id();
    let JoinerOutput::Send(request) = ask(&mut bob, alice) else { panic!("not sent") };
    assert!(request.len() <= JOIN_REQUEST_BYTES_MAX);
    let (response, verdict) = world.answer(key.node_id(), request, now);
    assert!(response.len() <= JOIN_RESPONSE_BYTES_MAX);
    (bob.handle(JoinerInput::Response(response), now).pop().unwrap(), verdict)
}

fn joined(output: JoinerOutput) -> Joined {
    if let JoinerOutput::Joined(joined) = output { *joined } else { panic!("{output:?}") }
}

fn check_refused(world: &mut World, key: &Key, now: UnixMillis, refusal: Refusal) {
    let ticket = world.ticket();
    let (bobs, alices) = attempt(world, key, ticket, now);
    assert_eq!((bobs, alices), (JoinerOutput::Refused(refusal), StewardOutput::Refused(refusal)));
    assert_eq!(Refusal::from_name(refusal.name()), Some(refusal));
}

#[test]
fn bob_joins_with_a_ticket() {
    let mut world = world();
    let bob = Key::of(2);
    let ticket = Ticket::parse(&world.ticket().to_text()).unwrap();
    let (output, verdict) = attempt(&mut world, &bob, ticket, NOW);
    let joined = joined(output);
    assert_eq!(verdict, StewardOutput::Answered(bob.node_id()));
    assert_eq!(joined.grant.node, bob.node_id());
    assert_eq!(joined.genome, world.team.genome);
    assert_eq!(joined.steward_name, "alice");
    assert_eq!(joined.charter[0].events, *world.charter());
    let steward = world.alice.key.node_id();
    let nothing = Charter::new(&Founders::one(steward), []);
    let membership = joined.path.verify(&world.team.id, &nothing, &bob.node_id()).unwrap();
    assert!(membership.check(&bob.node_id(), NOW).is_ok());
}

#[test]
fn the_same_key_may_ask_again_and_nobody_else() {
    let mut world = world();
    let (bob, eve) = (Key::of(2), Key::of(66));
    let ticket = world.ticket();
    let first = joined(attempt(&mut world, &bob, ticket.clone(), NOW).0);
    check_refused(&mut world, &eve, NOW, Refusal::Used);
    let again = joined(attempt(&mut world, &bob, ticket, NOW.after(5_000)).0);
    assert_eq!(first, again, "an answer that was lost is given again, even late");
}

#[test]
fn what_is_unknown_expired_revoked_or_full_is_refused_by_name() {
    let bob = Key::of(2);
    let mut world = self::world();
    check_refused(&mut world, &bob, NOW.after(1_001), Refusal::Expired);
    let revocation = world.alice.revoke(bob.node_id());
    world.shelf.put(revocation);
    check_refused(&mut world, &bob, NOW, Refusal::Revoked);
    world.invite = None;
    check_refused(&mut world, &bob, NOW, Refusal::UnknownTicket);
    let mut crowded = self::world();
    for n in 1..MEMBERS_MAX {
        let mut node = [0; 32];
        node[..2].copy_from_slice(&u16::try_from(n).unwrap().to_be_bytes());
        let grant = crowded.alice.grant(NodeId(node), LATER);
        crowded.shelf.put(grant);
    }
    check_refused(&mut crowded, &bob, NOW, Refusal::Full);
}

#[test]
fn only_a_steward_of_the_tickets_team_answers() {
    let mut world = world();
    let bob = Key::of(2);
    let other = Team::found(&Key::of(1), 8).id;
    let ticket = Ticket { team: other, ..world.ticket() };
    let (bobs, _) = attempt(&mut world, &bob, ticket, NOW);
    assert_eq!(bobs, JoinerOutput::Refused(Refusal::WrongTeam));
    let alice = world.alice.key.node_id();
    let removal = world.alice.revoke(alice);
    world.shelf.put(removal);
    check_refused(&mut world, &bob, NOW, Refusal::NotASteward);
}

#[test]
fn the_secret_goes_to_the_tickets_steward_only_and_not_after_its_time() {
    let world = world();
    let (bob, eve) = (Key::of(2), Key::of(66));
    let mut asks = joiner(&bob, world.ticket());
    assert_eq!(ask(&mut asks, eve.node_id()), JoinerOutput::Refused(Refusal::NotASteward));
    let late = Ticket { expires: UnixMillis(1), ..world.ticket() };
    assert_eq!(ask(&mut joiner(&bob, late), world.alice.key.node_id()), JoinerOutput::Refused(Refusal::Expired));
}

#[test]
fn nothing_is_answered_before_the_grant_is_durable() {
    let world = world();
    let bob = Key::of(2);
    let JoinerOutput::Send(request) = ask(&mut joiner(&bob, world.ticket()), world.alice.key.node_id()) else {
        panic!("not sent")
    };
    let mut steward = Steward::new(world.local(), bob.node_id());
    let _ = steward.handle(StewardInput::Request(request.clone()), NOW);
    let out = steward.handle(StewardInput::Invite(world.invite.clone()), NOW);
    assert!(matches!(&out[..], [StewardOutput::Grant { roles, .. }] if *roles == ["observer"]));
    let out = steward.handle(StewardInput::GrantFailed, NOW);
    assert_eq!(out.last(), Some(&StewardOutput::Refused(Refusal::Failed)));
    assert!(!Refusal::Failed.is_permanent() && Refusal::Used.is_permanent());
    assert!(steward.handle(StewardInput::Request(request), NOW).is_empty());
}

#[test]
fn a_made_up_welcome_is_not_believed() {
    let mut world = world();
    let bob = Key::of(2);
    let alice = world.alice.key.node_id();
    let mut asks = joiner(&bob, world.ticket());
    let JoinerOutput::Send(request) = ask(&mut asks, alice) else { panic!("not sent") };
    let (response, _) = world.answer(bob.node_id(), request, NOW);
    let believe = |change: &dyn Fn(&mut Response)| {
        let mut response = Response::decode(&response).unwrap();
        change(&mut response);
        asks.clone().handle(JoinerInput::Response(response.encode()), NOW).pop().unwrap()
    };
    joined(believe(&|_| {}));
    let refused = |change: &dyn Fn(&mut Response), refusal: Refusal| {
        assert_eq!(believe(change), JoinerOutput::Refused(refusal));
    };
    refused(&|response| response.nonce = [4; 32], Refusal::Malformed);
    let other = Team::found(&Key::of(1), 8).genome.encode();
    refused(&|response| response.verdict.as_mut().unwrap().genome = other.clone(), Refusal::WrongTeam);
    let open = world.charter()[0].clone();
    let hers = path(&open, &world.charter()[1]);
    refused(&|response| response.verdict.as_mut().unwrap().path = hers.clone(), Refusal::Malformed);
    refused(&|response| drop(response.verdict.as_mut().unwrap().charter.remove(0)), Refusal::Malformed);
    refused(&|response| drop(response.verdict.as_mut().unwrap().charter.remove(1)), Refusal::Malformed);
}

#[test]
fn a_charter_that_does_not_fit_is_cut_and_the_path_still_proves() {
    let mut world = world();
    for n in 0..8_000_u16 {
        let mut node = [9; 32];
        node[..2].copy_from_slice(&n.to_be_bytes());
        let grant = world.alice.grant(NodeId(node), UnixMillis(1));
        world.shelf.put(grant);
    }
    let bob = Key::of(2);
    let charter = world.charter().clone();
    let granted = world.grant(bob.node_id());
    let mut steward = Steward::new(world.local(), bob.node_id());
    let mut asks = joiner(&bob, world.ticket());
    let JoinerOutput::Send(request) = ask(&mut asks, world.alice.key.node_id()) else { panic!("not sent") };
    let _ = steward.handle(StewardInput::Request(request), NOW);
    // The team is over its limit of members; the retry of a key that has its grant is answered all the same.
    let _ = steward.handle(StewardInput::Invite(world.invite.clone()), NOW);
    let out = steward.handle(granted, NOW);
    let StewardOutput::Send(response) = &out[0] else { panic!("{out:?}") };
    assert!(response.len() <= JOIN_RESPONSE_BYTES_MAX);
    let joined = joined(asks.handle(JoinerInput::Response(response.clone()), NOW).pop().unwrap());
    let sent = joined.charter[0].events.len();
    assert!(sent > 1_000 && sent < charter.len());
    assert_eq!(joined.grant.node, bob.node_id());
}

#[test]
fn unfit_names_are_refused_and_debug_hides_the_secret() {
    let mut world = world();
    let request = Request {
        team: Some(world.team.id),
        secret: Some([0x5e; 32]),
        name: "bo\nb".into(),
        recipient: "age1bob".into(),
        nonce: [3; 32],
    };
    let (_, verdict) = world.answer(Key::of(2).node_id(), request.encode(), NOW);
    assert_eq!(verdict, StewardOutput::Refused(Refusal::Malformed));
    assert!(!format!("{request:?}").contains("94"));
    let mut asks = joiner(&Key::of(2), world.ticket());
    let _ = ask(&mut asks, world.alice.key.node_id());
    assert_eq!(asks.handle(JoinerInput::Failed(Reason::NetworkEof), NOW), [JoinerOutput::Failed(Reason::NetworkEof)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn hostile_bytes_never_panic(answer in any::<bool>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in any::<prop::sample::Index>()) {
        let mut world = world();
        let bob = Key::of(2);
        let alice = world.alice.key.node_id();
        let mut asks = joiner(&bob, world.ticket());
        let JoinerOutput::Send(request) = ask(&mut asks, alice) else { panic!("not sent") };
        prop_assert_eq!(Request::decode(&request).unwrap().encode(), request.clone());
        let (response, _) = world.answer(bob.node_id(), request.clone(), NOW);
        prop_assert_eq!(Response::decode(&response).unwrap().encode(), response.clone());
        let mut bytes = if answer { response } else { request };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 4).max(1));
        let _ = Steward::new(world.local(), bob.node_id()).handle(StewardInput::Request(bytes.clone()), NOW);
        let _ = asks.handle(JoinerInput::Response(bytes), NOW);
    }
}

#[test]
fn a_member_that_lost_its_disk_comes_back_with_its_key_alone() {
    let mut world = world();
    let (alice, bob) = (world.alice.key.node_id(), Key::of(2));
    let return_as = |world: &World, key: &Key, team: Option<TeamId>, now: UnixMillis| {
        let mut joiner = Joiner::returning(key.node_id(), "bob".into(), "age1bob".into(), alice, team);
        let JoinerOutput::Send(request) = ask(&mut joiner, alice) else { panic!("not sent") };
        let mut steward = Steward::new(world.local(), key.node_id());
        let mut out = steward.handle(StewardInput::Request(request), now);
        if let [StewardOutput::Gather(node)] = &out[..] {
            assert_eq!(*node, key.node_id());
            let charter = world.charter().clone();
            let subject = antiphon_core::event::Subject::Member(*node);
            let grant = charter.iter().find(|event| event.header().subject == subject).unwrap();
            let path = Box::new(path(&charter[0], grant));
            let heads =
                NodeClock::from([(LogId::new(StoreId([4; 16]), Stream::Shared), Head { seq: 9, hash: Hash([9; 32]) })]);
            let stores = vec![FormerStore { store: StoreId([4; 16]), pinned: true, heads }];
            out = steward.handle(StewardInput::Granted { path, charter, stores }, now);
        }
        let [StewardOutput::Send(bytes), ..] = &out[..] else { panic!("{out:?}") };
        joiner.handle(JoinerInput::Response(bytes.clone()), now).pop().unwrap()
    };
    let refused =
        |output: JoinerOutput| if let JoinerOutput::Refused(refusal) = output { refusal } else { panic!("{output:?}") };
    let team = Some(world.team.id);
    assert_eq!(refused(return_as(&world, &bob, team, NOW)), Refusal::UnknownTicket);
    let grant = world.alice.grant(bob.node_id(), LATER);
    world.shelf.put(grant);
    for team in [team, None] {
        let back = joined(return_as(&world, &bob, team, NOW));
        assert_eq!((back.genome.team(), back.grant.node), (world.team.id, bob.node_id()));
        assert!(back.stores[0].pinned && back.stores[0].heads.len() == 1);
    }
    assert_eq!(refused(return_as(&world, &bob, Some(TeamId([8; 32])), NOW)), Refusal::WrongTeam);
    assert_eq!(refused(return_as(&world, &bob, team, LATER.after(1))), Refusal::Expired);
    let revoke = world.alice.revoke(bob.node_id());
    world.shelf.put(revoke);
    assert_eq!(refused(return_as(&world, &bob, team, NOW)), Refusal::Revoked);
}
