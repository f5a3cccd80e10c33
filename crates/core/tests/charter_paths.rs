//! Stories of grant paths: what proves a membership to somebody who knows only the founders, and what does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "charter/signed.rs"]
mod signed;

use antiphon_core::charter::{
    Charter, Founders, GRANT_PATH_BYTES_MAX, GRANT_PATH_EVENTS_MAX, GrantPath, PathError, Record,
};
use antiphon_core::event::Open;
use antiphon_core::ids::{StoreId, TeamId};
use antiphon_core::log::Head;
use antiphon_core::vclock::VClock;
use signed::{Key, Team, change, event, grant, node, revoke};

const TEAM: TeamId = TeamId([7; 32]);
const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const DAVE: u8 = 4;
const EVE: u8 = 5;

/// Somebody who knows nothing but the founders.
fn newcomer(founders: &[u8]) -> Charter {
    Charter::new(&Founders { stewards: founders.iter().map(|seed| node(*seed)).collect(), threshold: None }, [])
}

/// Whether the path, as it is sent, makes `who` a member for somebody who knows `known`.
fn proves(path: &GrantPath, known: &Charter, who: u8) -> Result<bool, PathError> {
    let path = GrantPath::decode(&path.encode())?;
    Ok(path.verify(&TEAM, known, &node(who))?.member(&node(who)).is_some())
}

#[test]
fn an_appointed_stewards_grant_is_proved_up_to_the_founders() {
    let founders = [ALICE, BOB, CAROL];
    let mut team = Team::new(TEAM);
    let appointment = team.says(ALICE, change(DAVE, true));
    team.approves(BOB, appointment);
    team.says(ALICE, grant(BOB));
    team.says(DAVE, grant(EVE));
    let path = team.path(&founders, EVE).unwrap();
    assert_eq!(proves(&path, &newcomer(&founders), EVE), Ok(true));
    assert_eq!(proves(&path, &newcomer(&founders), BOB), Err(PathError::OtherNode));
    // It says nothing of others.
    let entries = GrantPath::decode(&path.encode()).unwrap().entries(&TEAM).unwrap();
    assert!(!entries.iter().any(|entry| entry.record == grant(BOB)));
    assert_eq!(team.path(&founders, CAROL), None, "nobody granted carol anything");
}

#[test]
fn a_path_shows_how_the_stewards_became_few() {
    // Two of three stewards left, so alice could appoint dave alone.
    let founders = [ALICE, BOB, CAROL];
    let mut team = Team::new(TEAM);
    team.says(BOB, change(BOB, false));
    team.says(CAROL, change(CAROL, false));
    team.says(ALICE, change(DAVE, true));
    team.says(DAVE, grant(EVE));
    assert!(team.charter(&founders).membership().member(&node(EVE)).is_some());
    let path = team.path(&founders, EVE).unwrap();
    assert_eq!(proves(&path, &newcomer(&founders), EVE), Ok(true));
}

#[test]
fn a_path_that_a_stranger_made_up_proves_nothing() {
    let founders = [ALICE];
    let mut team = Team::new(TEAM);
    team.says(EVE, change(EVE, true));
    team.says(EVE, grant(EVE));
    let made_up = GrantPath::new(team.events.iter().map(|(_, event)| event.clone().into_unverified()).collect());
    assert_eq!(proves(&made_up, &newcomer(&founders), EVE), Ok(false));
    assert_eq!(team.path(&founders, EVE), None);
    let other = TeamId([8; 32]);
    let known = newcomer(&founders);
    assert_eq!(made_up.verify(&other, &known, &node(EVE)), Err(PathError::NotSigned), "of another team");
}

#[test]
fn a_store_opened_in_anothers_name_is_refused() {
    let known = newcomer(&[ALICE]);
    let nonce = [9; 16];
    let open = |named: u8| Open { node: node(named), nonce, name: "workstation".into(), previous: None };
    let path = |opened_as: u8, store_of: u8| {
        let store = StoreId::derive(&TEAM, &node(store_of), &nonce);
        let (eve, clock) = (Key::new(EVE), VClock::new());
        let first = event(TEAM, store, Head::EMPTY, &clock, &Record::Open(open(opened_as)), &eve);
        let second = event(TEAM, store, first.head(), &clock, &grant(EVE), &eve);
        GrantPath::new(vec![first.into_unverified(), second.into_unverified()])
    };
    // She opens a store of alice's key; hers as if it were alice's; alice's as if it were hers.
    for (opened_as, store_of) in [(ALICE, ALICE), (ALICE, EVE), (EVE, ALICE)] {
        assert_eq!(proves(&path(opened_as, store_of), &known, EVE), Err(PathError::NotSigned));
    }
    assert_eq!(proves(&path(EVE, EVE), &known, EVE), Ok(false), "her own store is hers, and grants nothing");
}

#[test]
fn a_removed_stewards_path_proves_nothing_to_those_who_know() {
    let founders = [ALICE, BOB];
    let mut team = Team::new(TEAM);
    team.says(ALICE, change(BOB, false));
    let known = team.charter(&founders);
    // Bob grants eve something as if he had not heard of it.
    team.says_knowing(BOB, &VClock::new(), grant(EVE));
    let theirs = team.events.iter().filter(|(author, _)| *author == node(BOB));
    let path = GrantPath::new(theirs.map(|(_, event)| event.clone().into_unverified()).collect());
    assert_eq!(proves(&path, &known, EVE), Ok(false));
    assert_eq!(proves(&path, &newcomer(&founders), EVE), Ok(true), "whoever has not heard of it believes him");
}

#[test]
fn a_revoked_key_cannot_lean_on_its_old_path() {
    let founders = [ALICE];
    let mut team = Team::new(TEAM);
    team.says(ALICE, grant(EVE));
    let path = team.path(&founders, EVE).unwrap();
    assert_eq!(proves(&path, &newcomer(&founders), EVE), Ok(true));
    team.says(ALICE, revoke(EVE));
    assert_eq!(proves(&path, &team.charter(&founders), EVE), Ok(false));
    assert_eq!(team.path(&founders, EVE), None);
}

#[test]
fn a_path_has_bounds() {
    let long = vec![0; GRANT_PATH_BYTES_MAX + 1];
    assert_eq!(GrantPath::decode(&long), Err(PathError::TooLong(long.len())));
    assert!(matches!(GrantPath::decode(&long[1..]), Err(PathError::Cbor(_))));
    let mut team = Team::new(TEAM);
    team.says(ALICE, grant(EVE));
    let path = |count: usize| {
        let events = team.events.iter().cycle().take(count);
        GrantPath::new(events.map(|(_, event)| event.clone().into_unverified()).collect())
    };
    assert!(GrantPath::decode(&path(GRANT_PATH_EVENTS_MAX).encode()).is_ok());
    assert!(matches!(GrantPath::decode(&path(GRANT_PATH_EVENTS_MAX + 1).encode()), Err(PathError::Cbor(_))));
    for end in 0..path(2).encode().len() {
        assert!(GrantPath::decode(&path(2).encode()[..end]).is_err(), "cut off at {end}");
    }
}
