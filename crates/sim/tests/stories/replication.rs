//! Members that keep each other's documents while everything breaks, and what must be noticed when one of them is broken on
//! purpose.

use antiphon_sim::{Class, Exercised, Law, Options, Sabotage, Summary, Worlds, run};

fn copies(seed: u64) -> Options {
    Options { seed, worlds: Worlds::Replication, ..Options::default() }
}

fn check(seed: u64) -> Summary {
    match run(copies(seed)) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {seed}: {failure}"),
    }
}

#[test]
fn the_first_worlds_of_copies_keep_every_law() {
    let worlds: Vec<Summary> = (0..60).map(check).collect();
    assert!(worlds.iter().all(|world| (world.copies, world.federations) == (1, 0)));
    let all = worlds.iter().fold(Exercised::default(), |all, world| all.and(&world.exercised));
    // What may take more worlds to happen at all.
    let rare = [Class::CopyDiskFull, Class::WrongBlock, Class::OffersAtOnce, Class::Hoarded];
    let missing: Vec<Class> = all.missing_of_copies().into_iter().filter(|class| !rare.contains(class)).collect();
    assert_eq!(missing, []);
    let sum = |of: fn(&Summary) -> u64| worlds.iter().map(of).sum::<u64>();
    assert!(sum(|world| world.moved_bytes) * 5 <= sum(|world| world.missing_bytes) * 6);
}

#[test]
fn a_seed_is_one_world_of_copies() {
    assert_eq!(check(3), check(3));
    assert_ne!(check(3).trace, check(4).trace);
}

#[test]
fn one_of_five_mixed_seeds_is_a_world_of_copies() {
    let worlds = (0..5).map(|seed| run(Options { seed, ..Options::default() }).unwrap().copies);
    assert_eq!(worlds.collect::<Vec<_>>(), [0, 0, 0, 0, 1]);
}

/// Two runs of one seed differ when something else than the seed decides.
#[test]
fn chance_from_outside_is_noticed() {
    let trace = || {
        let outside = Options { sabotage: Some(Sabotage::OutsideChance), ..copies(1) };
        run(outside).map(|world| world.trace).map_err(|failure| failure.to_string())
    };
    assert_ne!(trace(), trace());
}

/// Whether some world among the first few hundred shows that broken members break a law.
fn is_caught(sabotage: Sabotage, law: Law) {
    let mut seen = Vec::new();
    for seed in 0..300 {
        let failure = run(Options { sabotage: Some(sabotage), ..copies(seed) }).err();
        seen.extend(failure.as_ref().map(|failure| (seed, failure.law)));
        if failure.is_some_and(|failure| failure.law == law) {
            return;
        }
    }
    panic!("{sabotage:?} does not break {law:?}: {seen:?}");
}

#[test]
fn a_last_copy_that_goes_for_a_proof_that_proves_nothing_is_noticed() {
    is_caught(Sabotage::BelieveProofs, Law::LastCopyStays);
}

#[test]
fn copies_that_nobody_makes_are_noticed() {
    is_caught(Sabotage::OfferNothing, Law::CopiesAreMade);
}

#[test]
fn copies_that_nobody_gives_up_are_noticed() {
    is_caught(Sabotage::TrimNothing, Law::SurplusGoes);
}

#[test]
fn copies_that_come_and_go_for_ever_are_noticed() {
    is_caught(Sabotage::TrimAtOnce, Law::CopiesAreMade);
}

#[test]
fn a_member_that_hears_no_answers_is_noticed() {
    is_caught(Sabotage::HearNothing, Law::HealthIsTold);
}

#[test]
fn a_copy_that_is_begun_anew_is_noticed() {
    is_caught(Sabotage::BeginAnew, Law::BytesAreSpared);
}

#[test]
fn too_many_copies_at_once_are_noticed() {
    is_caught(Sabotage::OfferMore, Law::OffersAreFew);
}

#[test]
fn a_quota_that_is_not_kept_is_noticed() {
    is_caught(Sabotage::IgnoreQuota, Law::QuotaHolds);
}

#[test]
fn what_was_taken_away_and_stays_is_noticed() {
    is_caught(Sabotage::KeepUnneeded, Law::RemovedIsFreed);
}

/// Who held a copy beyond those that are to hold one was never asked again, so too few copies were seen for ever, or one
/// too many was kept.
#[test]
fn copies_are_seen_wherever_they_are() {
    for seed in [4, 37, 149, 320, 578] {
        check(seed);
    }
}

/// The judge took a copy for the last one whose document had been taken away between the proofs and the removal.
#[test]
fn what_was_taken_away_meanwhile_may_be_given_up() {
    check(399);
}

/// Where one member alone offers room there is to be one copy, and one that lies about it is one too many to promise anything.
#[test]
fn nothing_is_promised_where_as_many_lie_as_there_should_be_copies() {
    check(2734);
}

/// A place that is always full kept the others from giving up what is too much.
#[test]
fn who_never_takes_a_copy_keeps_no_surplus() {
    for seed in [27, 71, 98, 250, 288] {
        check(seed);
    }
}

/// Somebody ceased to offer room while a copy was offered to it, and one too many was offered then.
#[test]
fn an_offer_to_who_offers_no_room_any_more_is_under_way_still() {
    check(30);
}
