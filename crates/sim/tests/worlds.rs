//! Worlds that must keep every law, and broken ones that must be found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use antiphon_sim::{Law, Options, Sabotage, Summary, run};

fn check(seed: u64) -> Summary {
    match run(Options { seed, ..Options::default() }) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {seed}: {failure}"),
    }
}

/// The laws that a sabotaged node breaks, over some seeds.
fn broken_by(sabotage: Sabotage) -> Vec<Law> {
    let worlds = (0..12).map(|seed| run(Options { seed, sabotage: Some(sabotage), ..Options::default() }));
    worlds.filter_map(|world| world.err().map(|failure| failure.law)).collect()
}

#[test]
fn the_first_worlds_keep_every_law() {
    let worlds: Vec<Summary> = (0..25).map(check).collect();
    let sum = |of: fn(&Summary) -> u64| worlds.iter().map(of).sum::<u64>();
    // A simulator in which nothing happens proves nothing.
    assert!(sum(|world| world.acknowledged) > 500);
    assert!(sum(|world| world.applied) > 500);
    assert!(sum(|world| world.crashes) > 10);
    assert!(sum(|world| world.hurt) > 100);
    assert!(sum(|world| world.attempts) > 10);
    assert_eq!(sum(|world| world.worlds), 25);
}

#[test]
fn a_seed_is_one_world() {
    for seed in [1, 66] {
        assert_eq!(check(seed), check(seed), "seed {seed}");
    }
    assert_ne!(check(1).trace, check(2).trace);
}

#[test]
fn a_lost_write_is_noticed() {
    let laws = broken_by(Sabotage::LoseWrites);
    assert!(laws.contains(&Law::NothingIsLost), "{laws:?}");
}

#[test]
fn a_disk_that_went_back_is_noticed() {
    let laws = broken_by(Sabotage::RollBack);
    assert!(laws.contains(&Law::ClocksGrow), "{laws:?}");
}

#[test]
fn spoiled_pages_are_noticed() {
    let laws = broken_by(Sabotage::SpoilPages);
    assert!(laws.contains(&Law::SameFacts), "{laws:?}");
}

#[test]
fn a_member_that_is_left_out_is_noticed() {
    let laws = broken_by(Sabotage::SkipMember);
    assert!(laws.contains(&Law::Converges), "{laws:?}");
}

#[test]
fn an_early_confirmation_is_noticed() {
    let laws = broken_by(Sabotage::ConfirmEarly);
    assert!(laws.contains(&Law::OnlyDurableIsConfirmed), "{laws:?}");
}

#[test]
fn a_leaked_local_fact_is_noticed() {
    let laws = broken_by(Sabotage::LeakLocal);
    assert!(laws.contains(&Law::LocalStays), "{laws:?}");
}

#[test]
fn a_stranger_who_is_let_in_is_noticed() {
    let laws = broken_by(Sabotage::TrustStranger);
    assert!(laws.contains(&Law::TrustIsProved), "{laws:?}");
}
