//! Worlds that must keep every law, and broken ones that must be found out.

use antiphon_sim::{Law, Options, Sabotage, Summary, Worlds, run};

fn check(seed: u64) -> Summary {
    match run(Options { seed, ..Options::default() }) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {seed}: {failure}"),
    }
}

/// A world of any size, of which more of the trust is at stake.
fn check_free(seed: u64) {
    if let Err(failure) = run(Options { seed, worlds: Worlds::Free, ..Options::default() }) {
        panic!("seed {seed}: {failure}");
    }
}

/// The laws that a sabotaged node breaks, over some seeds.
fn broken_by(sabotage: Sabotage) -> Vec<Law> {
    let worlds = (0..12).map(|seed| run(Options { seed, sabotage: Some(sabotage), ..Options::default() }));
    worlds.filter_map(|world| world.err().map(|failure| failure.law)).collect()
}

#[test]
fn the_first_worlds_keep_every_law() {
    let worlds: Vec<Summary> = (0..32).map(check).collect();
    let sum = |of: fn(&Summary) -> u64| worlds.iter().map(of).sum::<u64>();
    // A simulator in which nothing happens proves nothing.
    assert!(sum(|world| world.acknowledged) > 500);
    assert!(sum(|world| world.applied) > 500);
    assert!(sum(|world| world.crashes) > 10);
    assert!(sum(|world| world.hurt) > 100);
    assert!(sum(|world| world.attempts) > 10);
    assert!(sum(|world| world.charter) > 50);
    assert!(sum(|world| world.sealed) > 50);
    assert!(sum(|world| world.out_of_step) > 5);
    assert!(sum(|world| world.shown_removals) > 5);
    assert_eq!(sum(|world| world.worlds), 32);
}

#[test]
fn a_seed_is_one_world() {
    for seed in [1, 66, 105] {
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

/// That a world in which nobody gives texts is found out is tested with the federations.
#[test]
fn texts_that_are_thrown_away_are_asked_for_again() {
    assert_eq!(broken_by(Sabotage::SpoilPages), []);
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

/// Whether some world among the first few hundred shows that a sabotaged team breaks a law.
fn is_caught(sabotage: Sabotage, law: Law) {
    let mut seen = Vec::new();
    for seed in 0..300 {
        let options = Options { seed, sabotage: Some(sabotage), worlds: Worlds::Free, ..Options::default() };
        let failure = run(options).err();
        seen.extend(failure.as_ref().map(|failure| (seed, failure.law)));
        if failure.is_some_and(|failure| failure.law == law) {
            return;
        }
    }
    panic!("{sabotage:?} does not break {law:?}: {seen:?}");
}

#[test]
fn a_cut_that_cuts_nothing_off_is_noticed() {
    is_caught(Sabotage::CutLate, Law::RevokedIsOut);
}

#[test]
fn a_session_that_outlives_a_removal_is_noticed() {
    is_caught(Sabotage::KeepRemoved, Law::RevokedIsOut);
}

#[test]
fn sealing_with_a_key_that_a_removed_member_holds_is_noticed() {
    is_caught(Sabotage::NewestKey, Law::RemovedReadNothing);
}

#[test]
fn a_member_that_asks_for_no_consent_is_noticed() {
    is_caught(Sabotage::NoConsent, Law::NoFalseAlarm);
}

#[test]
fn shared_events_between_different_genomes_are_noticed() {
    is_caught(Sabotage::OutOfStep, Law::CharterFirst);
}

#[test]
fn an_answer_that_tells_a_stranger_a_name_is_noticed() {
    is_caught(Sabotage::TellStrangers, Law::TrustIsProved);
}

/// A key that a removed member holds is followed by none that it does not, so an older one is taken, which it opens by
/// the newer one.
#[test]
fn a_key_that_was_replaced_is_not_taken_again() {
    check_free(105);
}

/// A node has heard that the steward who let it in is none any more, and not yet that another one has let it in.
#[test]
fn whoever_has_lost_its_grant_is_let_in_by_who_knows_of_another() {
    check_free(286);
}

/// A steward who was partitioned away wraps a key for a member that another one removes.
#[test]
fn a_removal_brings_keys_of_roles_that_the_member_was_not_known_to_read() {
    check_free(440);
}

/// A removal is judged before what its author had seen arrives, and means something else afterwards.
#[test]
fn a_removal_that_turns_out_to_be_void_leaves_no_cut() {
    check_free(470);
}

#[test]
fn a_stranger_who_is_let_in_is_noticed() {
    let laws = broken_by(Sabotage::TrustStranger);
    assert!(laws.contains(&Law::TrustIsProved), "{laws:?}");
}

/// What counts of a fact sets no text, and the members named different authors of it, by the order of arrival.
#[test]
fn a_fact_without_a_text_has_one_author() {
    check_free(839);
}

/// All know of a removal when that of its author arrives, which had not seen it: whoever wants the member gone removes
/// it once more.
#[test]
fn a_removal_that_is_void_in_the_end_is_made_again() {
    for seed in [2393, 4669] {
        check_free(seed);
    }
}

/// A steward agreed again and again to changes whose author had not known it as one, where its consent does not count.
#[test]
fn nobody_agrees_where_it_does_not_count() {
    check_free(9137);
}
