//! Who is believed in a handshake, who is not, and what each side learns.

use std::sync::Arc;

use crate::common::{Author, Key, LATER, NOW, Shelf, Team, path, unverified};
use antiphon_core::charter::{GrantPath, StewardChange};
use antiphon_core::event::{Action, Subject};
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::{NodeClock, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_core::trust::Trust;
use antiphon_core::vclock::VClock;
use antiphon_protocol::handshake::{
    Answerer, By, HANDSHAKE_BYTES_MAX, Initiator, Input, Known, Local, Output, Pin, Rejected, Removal, Request,
    Response, Verified,
};
use antiphon_protocol::reason::Reason;
use proptest::prelude::*;

/// alice, who founded the team, and bob, whom she granted membership until [`LATER`].
struct World {
    shelf: Shelf,
    team: Team,
    alice: Author,
    bob: Key,
    locals: [Local; 2],
}

fn world() -> World {
    let (alice, bob) = (Key::of(1), Key::of(2));
    let team = Team::found(&alice, 7);
    let mut author = Author::new(team.id, &alice, 1);
    let mut shelf = Shelf::new(alice.node_id());
    let open = author.open(Stream::Charter);
    let grants = [author.grant(alice.node_id(), LATER), author.grant(bob.node_id(), LATER)];
    shelf.put(open.clone());
    grants.iter().for_each(|grant| shelf.put(grant.clone()));
    let mut authors = [Author::new(team.id, &alice, 1), Author::new(team.id, &bob, 1)];
    let stores = authors.each_ref().map(|author| author.store);
    let openings = authors.each_mut().map(|author| unverified(&author.open(Stream::Shared)));
    let local = |index: usize, key: &Key, name: &str| Local {
        node: key.node_id(),
        name: name.into(),
        team: team.id,
        genome: team.genome.hash(),
        records: shelf.records(),
        charter: shelf.charter_clock(),
        path: Some(path(&open, &grants[index])),
        store: stores[index],
        opening: Some(openings[index].clone()),
        agent_version: "antiphon/0.1.0".into(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
    };
    let locals = [local(0, &alice, "alice"), local(1, &bob, "bob")];
    World { shelf, team, alice: author, bob, locals }
}

impl World {
    /// What the charter says after `change`, as alice sees it.
    fn alice_learns(&mut self, change: impl FnOnce(&mut Author) -> antiphon_core::event::Event) {
        let event = change(&mut self.alice);
        self.shelf.put(event);
        self.locals[0].records = self.shelf.records();
        self.locals[0].charter = self.shelf.charter_clock();
    }
}

fn known(local: &Local, pinned: Option<StoreId>) -> Known {
    Known { node: local.node, pinned }
}

/// bob asks alice; returns what bob and alice end with, and the answer.
fn shake(asker: &Local, answerer: &Local, now: UnixMillis) -> (Output, Output, Response) {
    shake_pinned(asker, None, answerer, None, now)
}

fn shake_pinned(
    asker: &Local,
    pinned_by_asker: Option<StoreId>,
    answerer: &Local,
    pinned_by_answerer: Option<StoreId>,
    now: UnixMillis,
) -> (Output, Output, Response) {
    let mut asks = Initiator::new(Arc::new(asker.clone()), known(answerer, pinned_by_asker));
    let mut answers = Answerer::new(Arc::new(answerer.clone()), known(asker, pinned_by_answerer));
    let out = asks.handle(Input::Start { nonce: [5; 32] }, now);
    let [Output::Send(request)] = &out[..] else { panic!("{out:?}") };
    assert!(request.len() <= HANDSHAKE_BYTES_MAX);
    let mut out = answers.handle(Input::Request(request.clone()), now);
    let verdict = out.pop().unwrap();
    let Some(Output::Send(response)) = out.pop() else { panic!("no answer") };
    assert!(response.len() <= HANDSHAKE_BYTES_MAX);
    let mut out = asks.handle(Input::Response(response.clone()), now);
    assert_eq!(out.len(), 1);
    assert!(answers.handle(Input::Request(request.clone()), now).is_empty(), "a request counts once");
    assert!(asks.handle(Input::Response(response.clone()), now).is_empty(), "an answer counts once");
    (out.pop().unwrap(), verdict, Response::decode(&response).unwrap())
}

fn verified(output: &Output) -> &Verified {
    if let Output::Verified(verified) = output { verified } else { panic!("{output:?}") }
}

fn rejected(output: &Output) -> (By, Reason) {
    if let Output::Rejected(Rejected { by, reason, .. }) = output { (*by, *reason) } else { panic!("{output:?}") }
}

/// Checks that alice rejects bob for `reason`, and that he is told so and nothing else.
fn check_rejected(world: &World, now: UnixMillis, reason: Reason) {
    let (bobs, alices, response) = shake(&world.locals[1], &world.locals[0], now);
    assert_eq!(rejected(&alices), (By::Us, reason));
    assert_eq!(rejected(&bobs), (By::Peer, reason));
    assert_tells_nothing(&response);
}

fn assert_tells_nothing(response: &Response) {
    assert_eq!((response.to_name.as_str(), response.agent_version.as_str()), ("", ""));
    assert_eq!((response.trust, &response.proof), (Trust::Rejected, &None));
}

#[test]
fn two_members_verify_each_other() {
    let world = world();
    let (bobs, alices, response) = shake(&world.locals[1], &world.locals[0], NOW);
    let (bobs, alices) = (verified(&bobs), verified(&alices));
    assert_eq!((bobs.node, bobs.store, bobs.pin), (world.locals[0].node, world.locals[0].store, Pin::First));
    assert_eq!((alices.name.as_str(), alices.grant.roles.as_slice()), ("bob", &["admin".to_owned()][..]));
    assert_eq!(bobs.charter, world.locals[0].charter);
    assert_eq!(bobs.addresses, world.locals[0].addresses);
    assert!(response.matches && response.trust == Trust::Verified);
}

#[test]
fn a_new_member_is_believed_before_the_charter_arrives() {
    let mut world = world();
    let carol = Key::of(3);
    let open = world.shelf.logs.values().next().unwrap()[0].clone();
    let grant = world.alice.grant(carol.node_id(), LATER);
    let mut author = Author::new(world.team.id, &carol, 1);
    let carols = Local {
        node: carol.node_id(),
        name: "carol".into(),
        path: Some(path(&open, &grant)),
        store: author.store,
        opening: Some(unverified(&author.open(Stream::Shared))),
        ..world.locals[1].clone()
    };
    let (carol_sees, bob_sees, _) = shake(&carols, &world.locals[1], NOW);
    verified(&carol_sees);
    assert_eq!(verified(&bob_sees).grant.node, carol.node_id());
}

#[test]
fn a_renewal_that_is_not_known_yet_counts_and_a_known_later_grant_wins() {
    let mut world = world();
    let open = world.shelf.logs.values().next().unwrap()[0].clone();
    let renewed = world.alice.grant(world.bob.node_id(), LATER.after(1_000));
    let old = world.locals[1].path.replace(path(&open, &renewed));
    let (_, alices, _) = shake(&world.locals[1], &world.locals[0], LATER.after(500));
    assert_eq!(verified(&alices).grant.not_after, LATER.after(1_000));
    // alice shortened the grant, and bob shows the longer one of before.
    world.shelf.put(renewed);
    world.alice_learns(|alice| alice.grant(Key::of(2).node_id(), NOW));
    world.locals[1].path = old;
    check_rejected(&world, NOW.after(1), Reason::GrantExpired);
}

#[test]
fn a_removed_stewards_key_makes_no_more_members() {
    let mut world = world();
    world.alice_learns(|alice| alice.revoke(Key::of(1).node_id()));
    let eve = Key::of(3);
    let open = world.shelf.logs.values().next().unwrap()[0].clone();
    let grant = world.alice.grant(eve.node_id(), LATER);
    let eves = Local {
        node: eve.node_id(),
        path: Some(path(&open, &grant)),
        store: Author::new(world.team.id, &eve, 1).store,
        ..world.locals[1].clone()
    };
    let bob = Local { records: world.shelf.records(), charter: world.shelf.charter_clock(), ..world.locals[1].clone() };
    let (_, bob_sees, _) = shake(&eves, &bob, NOW);
    assert_eq!(rejected(&bob_sees), (By::Us, Reason::NotAMember));
}

#[test]
fn whoever_was_revoked_or_has_expired_is_told_so_and_nothing_else() {
    let mut world = world();
    check_rejected(&world, LATER.after(1), Reason::GrantExpired);
    world.alice_learns(|alice| alice.revoke(Key::of(2).node_id()));
    check_rejected(&world, NOW, Reason::Revoked);
}

#[test]
fn eve_who_knows_the_team_learns_nothing() {
    let world = world();
    let eve = Key::of(66);
    let honest = &world.locals[1];
    let mut eves = Local { node: eve.node_id(), name: "eve".into(), path: None, ..honest.clone() };
    let check = |eves: &Local, reason: Reason| {
        let (_, alices, response) = shake(eves, &world.locals[0], NOW);
        assert_eq!(rejected(&alices), (By::Us, reason));
        assert_tells_nothing(&response);
    };
    check(&eves, Reason::NotAMember);
    // With bob's path she is still not bob.
    eves.path = honest.path.clone();
    check(&eves, Reason::NotAMember);
    // A charter of her own is not signed by the steward.
    let mut own = Author::new(world.team.id, &eve, 1);
    let (open, grant) = (own.open(Stream::Charter), own.grant(eve.node_id(), LATER));
    eves.path = Some(path(&open, &grant));
    check(&eves, Reason::NotAMember);
}

#[test]
fn a_request_shows_no_charter_to_somebody_unknown() {
    let world = world();
    let request = |peer: NodeId| {
        let mut asks = Initiator::new(Arc::new(world.locals[1].clone()), Known { node: peer, pinned: None });
        let out = asks.handle(Input::Start { nonce: [5; 32] }, NOW);
        let [Output::Send(bytes)] = &out[..] else { panic!("{out:?}") };
        Request::decode(bytes).unwrap()
    };
    let proof = request(Key::of(66).node_id()).proof;
    assert!(proof.charter.is_empty() && proof.addresses.is_empty());
    assert_eq!(request(world.locals[0].node).proof.charter, world.locals[1].charter);
}

#[test]
fn another_team_is_rejected_on_both_sides_with_both_hashes() {
    let world = world();
    let eve = Key::of(66);
    let team = Team::found(&eve, 9);
    let mut author = Author::new(team.id, &eve, 1);
    let (open, grant) = (author.open(Stream::Charter), author.grant(eve.node_id(), LATER));
    let mut shelf = Shelf::new(eve.node_id());
    [open.clone(), grant.clone()].into_iter().for_each(|event| shelf.put(event));
    let eves = Local {
        node: eve.node_id(),
        team: team.id,
        genome: team.genome.hash(),
        records: shelf.records(),
        charter: shelf.charter_clock(),
        path: Some(path(&open, &grant)),
        ..world.locals[1].clone()
    };
    let (eve_sees, alice_sees, response) = shake(&eves, &world.locals[0], NOW);
    for (output, ours, theirs) in [(&eve_sees, &eves, &world.locals[0]), (&alice_sees, &world.locals[0], &eves)] {
        let Output::Rejected(rejected) = output else { panic!("{output:?}") };
        assert_eq!(
            (rejected.reason, rejected.ours, rejected.theirs),
            (Reason::GenomeMismatch, ours.genome, Some(theirs.genome))
        );
    }
    assert!(!response.matches);
    assert_tells_nothing(&response);
}

#[test]
fn genomes_that_differ_within_a_team_are_named() {
    let mut world = world();
    world.locals[1].genome = Hash([9; 32]);
    check_rejected(&world, NOW, Reason::GenomeMismatch);
}

#[test]
fn the_store_must_be_the_pinned_one_or_follow_it() {
    let world = world();
    let [alice, bob] = &world.locals;
    let verdict = |bob: &Local, pinned: Option<StoreId>| shake_pinned(bob, None, alice, pinned, NOW).1;
    assert_eq!(verified(&verdict(bob, Some(bob.store))).pin, Pin::Same);
    assert_eq!(rejected(&verdict(bob, Some(StoreId([9; 16])))).1, Reason::IdentityMismatch);
    let mut next = Author::following(world.team.id, &world.bob, 2, bob.store);
    let opening = unverified(&next.open(Stream::Shared));
    let restored = Local { store: next.store, opening: Some(opening.clone()), ..bob.clone() };
    assert_eq!(verified(&verdict(&restored, Some(bob.store))).pin, Pin::Moved { from: bob.store });
    assert_eq!(verified(&verdict(&restored, None)).pin, Pin::First);
    assert_eq!(rejected(&verdict(&restored, Some(StoreId([9; 16])))).1, Reason::IdentityMismatch);
    // An opening of somebody else's store does not move a pin.
    let stolen = Local { store: StoreId([8; 16]), opening: Some(opening), ..bob.clone() };
    assert_eq!(rejected(&verdict(&stolen, Some(bob.store))).1, Reason::IdentityMismatch);
    assert_eq!(rejected(&verdict(&stolen, None)).1, Reason::IdentityMismatch);
    // Nor is a store believed that shows no opening at all.
    let silent = Local { opening: None, ..bob.clone() };
    assert_eq!(rejected(&verdict(&silent, None)).1, Reason::IdentityMissing);
}

#[test]
fn a_store_that_is_not_named_is_identity_missing() {
    let world = world();
    let [alice, bob] = &world.locals;
    let mut asks = Initiator::new(Arc::new(bob.clone()), known(alice, None));
    let out = asks.handle(Input::Start { nonce: [5; 32] }, NOW);
    let [Output::Send(bytes)] = &out[..] else { panic!("{out:?}") };
    let mut request = Request::decode(bytes).unwrap();
    request.proof.store = None;
    let mut answers = Answerer::new(Arc::new(alice.clone()), known(bob, None));
    let out = answers.handle(Input::Request(request.encode()), NOW);
    assert_eq!(rejected(out.last().unwrap()).1, Reason::IdentityMissing);
}

#[test]
fn nobody_shakes_hands_with_himself_or_in_anothers_name() {
    let world = world();
    let [alice, bob] = &world.locals;
    let mut selfish = Initiator::new(Arc::new(alice.clone()), known(alice, None));
    assert_eq!(rejected(&selfish.handle(Input::Start { nonce: [5; 32] }, NOW)[0]), (By::Us, Reason::Auth));
    // The transport saw eve's key, the request names bob.
    let mut asks = Initiator::new(Arc::new(bob.clone()), known(alice, None));
    let out = asks.handle(Input::Start { nonce: [5; 32] }, NOW);
    let [Output::Send(request)] = &out[..] else { panic!("{out:?}") };
    let eve = Known { node: Key::of(66).node_id(), pinned: None };
    let out = Answerer::new(Arc::new(alice.clone()), eve).handle(Input::Request(request.clone()), NOW);
    assert_eq!(rejected(out.last().unwrap()), (By::Us, Reason::Auth));
}

#[test]
fn a_stale_answer_is_refused() {
    let world = world();
    let [alice, bob] = &world.locals;
    let ask = |nonce: u8| {
        let mut asks = Initiator::new(Arc::new(bob.clone()), known(alice, None));
        let out = asks.handle(Input::Start { nonce: [nonce; 32] }, NOW);
        let [Output::Send(request)] = &out[..] else { panic!("{out:?}") };
        (asks, request.clone())
    };
    let (_, first) = ask(1);
    let out = Answerer::new(Arc::new(alice.clone()), known(bob, None)).handle(Input::Request(first), NOW);
    let Output::Send(old) = &out[0] else { panic!("{out:?}") };
    let (mut second, _) = ask(2);
    assert_eq!(rejected(&second.handle(Input::Response(old.clone()), NOW)[0]), (By::Us, Reason::Auth));
}

#[test]
fn an_answer_that_never_comes_is_a_failure_of_the_network() {
    let world = world();
    let mut asks = Initiator::new(Arc::new(world.locals[1].clone()), known(&world.locals[0], None));
    let _ = asks.handle(Input::Start { nonce: [5; 32] }, NOW);
    assert_eq!(asks.handle(Input::Failed(Reason::NetworkEof), NOW), [Output::Failed(Reason::NetworkEof)]);
}

fn messages() -> [Vec<u8>; 2] {
    let world = world();
    let mut asks = Initiator::new(Arc::new(world.locals[1].clone()), known(&world.locals[0], None));
    let out = asks.handle(Input::Start { nonce: [5; 32] }, NOW);
    let [Output::Send(request)] = &out[..] else { panic!("{out:?}") };
    let mut answers = Answerer::new(Arc::new(world.locals[0].clone()), known(&world.locals[1], None));
    let out = answers.handle(Input::Request(request.clone()), NOW);
    let Output::Send(response) = &out[0] else { panic!("{out:?}") };
    [request.clone(), response.clone()]
}

#[test]
fn keys_of_a_newer_version_are_read_over() {
    let [request, response] = messages();
    for bytes in [request, response] {
        let mut newer = bytes.clone();
        assert_eq!(newer[0] & 0xe0, 0xa0, "a map of less than 23 keys");
        newer[0] += 1;
        newer.extend([0x17, 0x82, 0x01, 0x41, 0x00]);
        assert!(Request::decode(&newer).is_ok() || Response::decode(&newer).is_ok());
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(which in 0..2_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in any::<prop::sample::Index>()) {
        let world = world();
        let mut bytes = messages()[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 4).max(1));
        let mut answers = Answerer::new(Arc::new(world.locals[0].clone()), known(&world.locals[1], None));
        let _ = answers.handle(Input::Request(bytes.clone()), NOW);
        let mut asks = Initiator::new(Arc::new(world.locals[1].clone()), known(&world.locals[0], None));
        let _ = asks.handle(Input::Start { nonce: [5; 32] }, NOW);
        let _ = asks.handle(Input::Response(bytes.clone()), NOW);
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        if let Ok(response) = Response::decode(&bytes) {
            prop_assert_eq!(Response::decode(&response.encode()), Ok(response));
        }
    }
}

#[test]
fn what_was_read_is_written_the_same() {
    let [request, response] = messages();
    assert_eq!(Request::decode(&request).unwrap().encode(), request);
    assert_eq!(Response::decode(&response).unwrap().encode(), response);
    assert!(Request::decode(&vec![0; HANDSHAKE_BYTES_MAX + 1]).is_err());
}

#[test]
fn two_up_to_date_members_need_one_request_and_one_answer() {
    let world = world();
    let mut bob = Initiator::new(Arc::new(world.locals[1].clone()), known(&world.locals[0], None));
    let mut alice = Answerer::new(Arc::new(world.locals[0].clone()), known(&world.locals[1], None));
    let mut messages = 0;
    let mut out = bob.handle(Input::Start { nonce: [5; 32] }, NOW);
    let mut ends = Vec::new();
    while let Some(output) = out.pop() {
        match output {
            Output::Send(bytes) if messages == 0 => {
                messages += 1;
                let answered = alice.handle(Input::Request(bytes), NOW);
                ends.extend(answered.iter().filter(|output| matches!(output, Output::Verified(_))).cloned());
                out.extend(answered.into_iter().filter(|output| matches!(output, Output::Send(_))));
            }
            Output::Send(bytes) => {
                messages += 1;
                out = bob.handle(Input::Response(bytes), NOW);
            }
            output => ends.push(output),
        }
    }
    assert_eq!((messages, ends.len()), (2, 2));
    assert!(ends.iter().all(|end| verified(end).in_step));
}

#[test]
fn members_whose_charters_differ_too_are_out_of_step_and_not_refused() {
    let mut world = world();
    let carol = Key::of(3).node_id();
    world.alice_learns(|alice| alice.grant(carol, LATER));
    world.locals[0].genome = Hash([6; 32]);
    let (bobs, alices, response) = shake(&world.locals[1], &world.locals[0], NOW);
    assert!(!verified(&bobs).in_step && !verified(&alices).in_step);
    assert_eq!(verified(&bobs).genome, Hash([6; 32]));
    assert_eq!((response.trust, response.matches, response.reason), (Trust::Pending, false, None));
    // Once the charters are the same, genomes that differ are of another team, whatever they say.
    world.locals[1].charter = world.locals[0].charter.clone();
    let (bobs, alices, _) = shake(&world.locals[1], &world.locals[0], NOW);
    assert_eq!(rejected(&bobs), (By::Peer, Reason::GenomeMismatch));
    assert_eq!(rejected(&alices), (By::Us, Reason::GenomeMismatch));
}

/// Bob asks alice, who knows by which record he was removed; how bob stands then, and what he is answered.
fn refused_by(alice: &Local, bob: &Local, removal: &Removal) -> (Initiator, Response) {
    let mut asking = Initiator::new(Arc::new(bob.clone()), known(alice, None));
    let mut asked = Answerer::new(Arc::new(alice.clone()), known(bob, None)).with_removal(Some(removal.clone()));
    let out = asking.handle(Input::Start { nonce: [5; 32] }, NOW);
    let [Output::Send(request)] = &out[..] else { panic!("{out:?}") };
    let out = asked.handle(Input::Request(request.clone()), NOW);
    let [Output::Send(response), _] = &out[..] else { panic!("{out:?}") };
    (asking, Response::decode(response).unwrap())
}

#[test]
fn who_was_removed_is_shown_the_header_that_did_it_and_nothing_more() {
    let mut world = world();
    let bob = world.bob.node_id();
    world.alice_learns(|alice| alice.revoke(bob));
    let log = &world.shelf.logs[&world.alice.log(Stream::Charter)];
    let removal = Removal { opening: unverified(&log[0]), record: unverified(log.last().unwrap()).without_payload() };
    let shown = removal.clone();
    let tell = |removal: Removal| {
        let (mut bob, response) = refused_by(&world.locals[0], &world.locals[1], &shown);
        assert_tells_nothing(&response);
        assert_eq!(response.removal.as_ref().unwrap().record.payload(), None);
        let response = Response { removal: Some(removal), ..response };
        match bob.handle(Input::Response(response.encode()), NOW).pop() {
            Some(Output::Rejected(rejected)) => (rejected.reason, rejected.removal.map(|record| record.hash())),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tell(removal.clone()), (Reason::Revoked, Some(removal.record.hash())));
    // A record that removes somebody else, or that no steward signed, is not kept.
    let grant = Removal { record: unverified(&log[2]).without_payload(), ..removal.clone() };
    assert_eq!(tell(grant), (Reason::Revoked, None));
    let eve = Key::of(9);
    let mut eves = Author::new(world.team.id, &eve, 1);
    let forged = Removal { opening: unverified(&eves.open(Stream::Charter)), record: unverified(&eves.revoke(bob)) };
    let forged = Removal { record: forged.record.without_payload(), ..forged };
    assert_eq!(tell(forged), (Reason::Revoked, None));
}

#[test]
fn who_lacks_what_the_remover_had_seen_shows_nobody_its_removal() {
    let mut world = world();
    let bob = world.bob.node_id();
    world.alice_learns(|alice| alice.revoke(bob));
    let log = &world.shelf.logs[&world.alice.log(Stream::Charter)];
    let removal = Removal { opening: unverified(&log[0]), record: unverified(log.last().unwrap()).without_payload() };
    let shown = |alice: &Local| {
        let (_, response) = refused_by(alice, &world.locals[1], &removal);
        assert_eq!(response.reason, Some(Reason::Revoked));
        response.removal.is_some()
    };
    assert!(shown(&world.locals[0]));
    assert!(!shown(&Local { charter: NodeClock::new(), ..world.locals[0].clone() }));
}

#[test]
fn a_member_that_an_appointed_steward_granted_is_believed_by_who_knows_only_the_founder() {
    let mut world = world();
    let (carol, bob) = (Key::of(3), world.bob.clone());
    let change = StewardChange { node: bob.node_id(), add: true };
    let log = world.alice.log(Stream::Charter);
    let founder_knows = (world.shelf.records(), world.shelf.charter_clock());
    world.alice_learns(|alice| {
        let subject = Subject::Member(change.node);
        alice.write(Stream::Charter, Action::StewardChange, subject, change.to_fields(), true)
    });
    let mut bobs = Author::new(world.team.id, &bob, 4);
    bobs.seen = VClock::from_iter([(world.alice.store, world.shelf.logs[&log].len() as u64)]);
    world.shelf.put(bobs.open(Stream::Charter));
    world.shelf.put(bobs.grant(carol.node_id(), LATER));
    let keys = world.shelf.keys();
    let charter = world.shelf.logs.iter().filter(|(log, _)| log.stream == Stream::Charter);
    let events: Vec<_> =
        charter.flat_map(|(log, events)| events.iter().map(|event| (keys[&log.store], event.clone()))).collect();
    let path = GrantPath::find(&world.shelf.membership(), &carol.node_id(), &events).unwrap();
    let mut store = Author::new(world.team.id, &carol, 1);
    let carols = Local {
        node: carol.node_id(),
        name: "carol".into(),
        path: Some(path),
        store: store.store,
        opening: Some(unverified(&store.open(Stream::Shared))),
        records: world.shelf.records(),
        charter: world.shelf.charter_clock(),
        ..world.locals[1].clone()
    };
    let alices = Local { records: founder_knows.0, charter: founder_knows.1, ..world.locals[0].clone() };
    let (_, alices_end, _) = shake(&carols, &alices, NOW);
    assert_eq!(verified(&alices_end).grant.node, carol.node_id());
    // Without the appointment the path proves nothing.
    let lacking: Vec<_> =
        events.iter().filter(|(_, event)| event.header().action != Action::StewardChange).cloned().collect();
    let cut = GrantPath::find(&world.shelf.membership(), &carol.node_id(), &lacking).unwrap();
    let (_, alices_end, _) = shake(&Local { path: Some(cut), ..carols }, &alices, NOW);
    assert_eq!(rejected(&alices_end), (By::Us, Reason::NotAMember));
}
