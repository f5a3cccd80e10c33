//! Five members to whom everything happens at once, one of whom signs two branches of its log, and what must be noticed
//! when one of them is broken on purpose.

use antiphon_sim::{Class, Exercised, Law, Options, Sabotage, Summary, Worlds, run};

fn federation(seed: u64) -> Options {
    Options { seed, worlds: Worlds::Federation, ..Options::default() }
}

fn check(seed: u64) -> Summary {
    match run(federation(seed)) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {seed}: {failure}"),
    }
}

#[test]
fn the_first_federations_keep_every_law() {
    let worlds: Vec<Summary> = (0..15).map(check).collect();
    assert!(worlds.iter().all(|world| (world.nodes, world.federations) == (5, 1)));
    let all = worlds.iter().fold(Exercised::default(), |all, world| all.and(&world.exercised));
    // What may take more worlds to happen at all.
    let rare = [Class::FullDisk, Class::OlderDisk, Class::SetAside, Class::WrittenAgain, Class::Attempt];
    let rare = rare.into_iter().chain([Class::ItemDiskFull, Class::ItemRestored, Class::ItemWithheld]);
    let rare: Vec<Class> = rare.chain([Class::ItemFull, Class::ItemAbandoned, Class::KilledTaking]).collect();
    let missing: Vec<Class> = all.missing().into_iter().filter(|class| !rare.contains(class)).collect();
    assert_eq!(missing, []);
}

#[test]
fn a_seed_is_one_federation() {
    assert_eq!(check(2), check(2));
    assert_ne!(check(2).trace, check(3).trace);
}

#[test]
fn two_of_five_seeds_are_federations() {
    let worlds = (0..5).map(|seed| run(Options { seed, ..Options::default() }).unwrap().federations);
    assert_eq!(worlds.collect::<Vec<_>>(), [1, 1, 0, 0, 0]);
}

/// Whether some world among the first few hundred shows that a sabotaged team breaks a law.
fn is_caught(sabotage: Sabotage, law: Law) {
    let worlds = (0..300).map(|seed| run(Options { sabotage: Some(sabotage), ..federation(seed) }));
    let caught = worlds.filter_map(Result::err).any(|failure| failure.law == law);
    assert!(caught, "{sabotage:?} does not break {law:?}");
}

#[test]
fn a_text_of_a_domain_that_is_not_shared_is_noticed() {
    is_caught(Sabotage::ShareAll, Law::DomainStays);
}

#[test]
fn a_receipt_that_lies_is_noticed() {
    is_caught(Sabotage::SignTooMuch, Law::ReceiptsAreTrue);
}

#[test]
fn texts_that_nobody_gives_are_noticed() {
    is_caught(Sabotage::GiveNothing, Law::TextsCome);
}

#[test]
fn a_text_that_outlives_its_erasure_is_noticed() {
    is_caught(Sabotage::KeepErased, Law::ErasedIsGone);
}

#[test]
fn an_own_branch_that_is_not_written_again_is_noticed() {
    is_caught(Sabotage::LeaveAside, Law::RestoredWrites);
}

#[test]
fn an_equivocation_that_nobody_tells_of_is_noticed() {
    is_caught(Sabotage::HideBranches, Law::Converges);
}

/// A tombstone clears every field of a fact, its domain too, and the texts of it went to those who must not have them.
#[test]
fn a_forgotten_fact_still_has_the_domain_that_it_had() {
    for seed in [25, 51, 61, 90] {
        check(seed);
    }
}

/// The beginning of a fact stands beyond a fork, so nobody knows its domain.
#[test]
fn a_fact_that_does_not_count_goes_to_nobody_who_gets_some_domains_only() {
    for seed in [26, 30] {
        check(seed);
    }
}

/// Two members hold different branches of one log, and each waited for the other's before it asked for missing texts.
#[test]
fn a_log_with_branches_keeps_nobody_from_asking_for_texts() {
    for seed in [206, 451, 951] {
        check(seed);
    }
}

/// Some members prove that a log parts late, and others hold a short branch of it that parts earlier: whoever had the
/// proof waited for events that could never come, and whoever had none waited for the proof.
#[test]
fn a_branch_that_ends_before_the_proved_parting_is_found_out() {
    for seed in [4171, 4355, 7176] {
        check(seed);
    }
}

/// Somebody imports a thousand short facts beside a long one, which is to be found by the one word that it has alone.
#[test]
fn a_long_text_is_found_among_many_short_ones() {
    for seed in [4316, 5201, 9321] {
        check(seed);
    }
}

/// A text is erased, and the log of the erasure turns out to have two branches before a crash.
#[test]
fn a_receipt_claims_no_text_that_was_erased_when_it_was_signed() {
    for seed in [3550, 4430] {
        check(seed);
    }
}

/// The same, and only a member that holds the other branch of that log still has the text.
#[test]
fn a_text_before_a_parting_comes_from_who_holds_another_branch() {
    check(6611);
}

/// A local fact is shared, nobody hears of it, and its member comes back with the disk of before.
#[test]
fn what_was_shared_with_nobody_is_local_again_on_an_older_disk() {
    check(8060);
}

/// A member withholds texts from all, loses its disk, and gets back the headers of its events: it waits for those texts,
/// which nobody has, and is at rest all the same.
#[test]
fn texts_that_nobody_was_given_are_lost_with_the_disk_and_keep_nobody_from_coming_to_rest() {
    for seed in [30396, 40317] {
        check(seed);
    }
}

/// Whoever came back with an older disk hears of the fork before it is shown the longer branch, which it must ask for.
#[test]
fn a_longer_branch_of_an_own_log_is_written_again_although_the_proof_came_first() {
    check(40727);
}

/// Pages of a log were under way when it turned out to have branches.
#[test]
fn nobody_waits_for_pages_of_a_log_that_turned_out_to_have_branches() {
    check(40592);
}
