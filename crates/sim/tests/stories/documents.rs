//! Documents in the worlds in which everything happens at once, and what must be noticed when members treat them as they
//! must not.

use antiphon_sim::{Class, Exercised, Law, Options, Sabotage, Summary, Worlds, run};

fn federation(seed: u64) -> Options {
    Options { seed, worlds: Worlds::Federation, documents: true, ..Options::default() }
}

fn check(options: Options) -> Summary {
    match run(options) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {}: {failure}", options.seed),
    }
}

#[test]
fn documents_are_stored_copied_and_read_while_everything_breaks() {
    let worlds: Vec<Summary> = (0..6).map(|seed| check(federation(seed))).collect();
    let all = worlds.iter().fold(Exercised::default(), |all, world| all.and(&world.exercised));
    let least = [
        (Class::DocumentPut, 10),
        (Class::DocumentOpened, 20),
        (Class::DocumentAsked, 300),
        (Class::DocumentProved, 50),
        (Class::DocumentWrongProof, 5),
        (Class::DocumentBoast, 20),
    ];
    for (class, least) in least {
        assert!(all.count(class) >= least, "{class}: {}", all.count(class));
    }
}

#[test]
fn a_seed_is_one_world_of_documents() {
    assert_eq!(check(federation(0)), check(federation(0)));
}

/// Whether some world among the first few hundred shows that broken members break a law.
fn is_caught(sabotage: Sabotage, law: Law) {
    let mut seen = Vec::new();
    for seed in 0..300 {
        let failure = run(Options { sabotage: Some(sabotage), ..federation(seed) }).err();
        seen.extend(failure.as_ref().map(|failure| (seed, failure.law)));
        if failure.is_some_and(|failure| failure.law == law) {
            return;
        }
    }
    panic!("{sabotage:?} does not break {law:?}: {seen:?}");
}

#[test]
fn a_document_that_is_told_of_and_not_kept_is_noticed() {
    is_caught(Sabotage::LoseDocuments, Law::DocumentsLast);
}

#[test]
fn a_document_in_the_clear_is_noticed() {
    is_caught(Sabotage::PlainDocuments, Law::DocumentsAreSealed);
}

#[test]
fn blocks_for_who_is_no_member_are_noticed() {
    is_caught(Sabotage::ServeAnybody, Law::NoBlockForOthers);
}

#[test]
fn copies_of_documents_that_nobody_makes_are_noticed() {
    is_caught(Sabotage::OfferNothing, Law::CopiesAreMade);
}

/// In these worlds members come to stand in a line, and reach their neighbours only.
#[test]
fn who_reaches_its_neighbours_only_makes_copies_among_them() {
    for seed in [4, 6, 10, 21] {
        check(federation(seed));
        let lazy = run(Options { sabotage: Some(Sabotage::OfferNothing), ..federation(seed) }).unwrap_err();
        assert_eq!(lazy.law, Law::CopiesAreMade, "seed {seed}: {lazy}");
        assert!(lazy.detail.contains("its neighbour"), "seed {seed}: {lazy}");
    }
}

#[test]
fn copies_of_documents_that_nobody_gives_up_are_noticed() {
    is_caught(Sabotage::TrimNothing, Law::SurplusGoes);
}

#[test]
fn a_member_that_believes_whatever_it_is_told_of_copies_is_noticed() {
    is_caught(Sabotage::BelieveProofs, Law::CopiesAreMade);
}

#[test]
fn a_document_for_a_key_that_a_removed_member_holds_is_noticed() {
    is_caught(Sabotage::OldestKey, Law::RemovedReadNothing);
}

#[test]
fn a_document_that_is_fetched_anew_is_noticed() {
    is_caught(Sabotage::BeginAnew, Law::BytesAreSpared);
}

/// Members that have a copy to give or to give up had their clocks set back: by hours, or from the year 2100.
#[test]
fn a_clock_that_goes_back_holds_up_no_copy() {
    for seed in [25, 28, 30, 37, 47, 63, 68, 92] {
        check(federation(seed));
    }
}

/// It was taken away by a member of whose log it turned out later that it has two branches.
#[test]
fn what_was_freed_before_its_removal_turned_out_to_be_void_is_gone() {
    check(federation(93));
}

/// The member that lies tells a stranger what it likes, and nobody can keep it from that.
#[test]
fn whoever_lies_may_tell_a_stranger_anything() {
    for seed in [61, 102, 103] {
        check(federation(seed));
    }
}

/// A stream to it had broken without a word before the member was removed, and the next question went into it.
#[test]
fn who_is_removed_is_asked_nothing_over_a_stream_that_broke() {
    check(federation(39));
}

#[test]
fn documents_that_were_taken_away_and_stay_are_noticed() {
    is_caught(Sabotage::KeepUnneeded, Law::RemovedIsFreed);
}
