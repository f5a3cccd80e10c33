//! Worlds with some features and not others, and failing ones that are made smaller.

use std::time::Duration;

use antiphon_sim::{
    Bounds, Coverage, Drawing, Feature, Law, NothingBreaks, Options, Sabotage, Summary, Trim, run, shrink, size,
};

fn drawn(seed: u64) -> Options {
    Options { seed, drawing: Drawing::Swarm, ..Options::default() }
}

fn check(options: Options) -> Summary {
    match run(options) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {}: {failure}", options.seed),
    }
}

#[test]
fn the_first_worlds_with_some_features_keep_every_law() {
    let worlds: Vec<Summary> = (0..40).map(|seed| check(drawn(seed))).collect();
    let mut coverage = Coverage::default();
    worlds.iter().for_each(|world| coverage.add(world));
    // One of five is a world of copies, which draws for itself.
    assert_eq!(coverage.worlds(), 32);
    let met = Feature::ALL.into_iter().filter(|feature| coverage.count(*feature).1 > 0).count();
    assert!(met >= 30, "{coverage:?}");
    assert!(coverage.missing().is_empty(), "so few worlds say nothing about what is missing");
}

#[test]
fn a_seed_is_one_swarm_and_one_world() {
    for seed in [3, 5, 11] {
        assert_eq!(check(drawn(seed)), check(drawn(seed)), "seed {seed}");
    }
    assert_ne!(check(drawn(3)).trace, check(drawn(5)).trace);
    assert_ne!(check(drawn(3)).swarm, check(drawn(5)).swarm);
}

#[test]
fn a_feature_that_is_off_does_not_happen() {
    let seed = (0..).find(|seed| check(drawn(*seed)).swarm.is_some_and(|swarm| swarm.has(Feature::Outbox))).unwrap();
    let with = check(drawn(seed));
    let mut trim = Trim::default();
    trim.off.insert(Feature::Outbox);
    let without = check(Options { trim, ..drawn(seed) });
    let put = |world: &Summary| world.exercised.count(antiphon_sim::Class::ItemPut);
    assert!(put(&with) > 0 && put(&without) == 0);
    assert_eq!(without.swarm, with.swarm.map(|swarm| swarm.without(Feature::Outbox)));
}

/// A member erased a fact and moved to the team; then a client of it said the same again, under the same key.
#[test]
fn what_was_forgotten_before_a_move_is_not_made_again() {
    check(drawn(347));
}

/// What a sender had put on its way before its disk was replaced by an older copy was taken after that.
#[test]
fn who_has_an_older_disk_owes_no_word_for_what_was_under_way_before() {
    check(drawn(2190));
}

/// A steward that had not heard of a removal made a key, and handed it on to whom it heard of the grant first.
#[test]
fn a_key_is_used_only_if_its_maker_knew_of_every_removal() {
    check(drawn(4215));
}

/// A member that lacked the appointment of a steward took a removal for agreed to, and told the removed one for good.
#[test]
fn nobody_is_shown_a_removal_by_whoever_lacks_what_the_remover_had_seen() {
    check(drawn(4607));
}

/// Where nobody offered room, nobody asked who holds a document, and it was said to be lost.
#[test]
fn a_document_is_not_taken_for_lost_because_nobody_offers_room() {
    check(drawn(5924));
}

/// A machine with an older disk reached nobody but a member that held its new branch, and was never shown the other one.
#[test]
fn what_was_written_on_another_branch_comes_to_its_author_through_whoever_does_not_hold_it() {
    check(drawn(9077));
}

/// Who holds a copy although others are to was asked again only when its word was too old, later than the copy was
/// taken for lost.
#[test]
fn a_copy_at_another_place_than_its_own_does_not_cease_to_count_for_a_while() {
    check(drawn(15514));
}

/// A member that made a fact private did not give its text back to who had written it and lost it.
#[test]
fn who_wrote_a_text_gets_it_back_also_where_it_was_made_private() {
    check(drawn(18208));
}

/// The only member that held what another one had written before it was set back lost its disk.
#[test]
fn who_has_an_older_disk_is_not_owed_what_went_with_the_last_disk() {
    check(drawn(14547));
}

/// Somebody out of reach is tried with pauses of up to ten minutes, so that four tries took longer than the model waited.
#[test]
fn what_is_remembered_for_somebody_out_of_reach_is_given_up() {
    check(drawn(3896));
}

/// Between two looks one member went and another one came, so that there were as many as before.
#[test]
fn a_member_that_comes_does_not_hide_that_another_one_went() {
    for seed in [352, 560, 606] {
        check(drawn(seed));
    }
}

/// A member whose disk was lost asks one for its place that has a ticket and has not come to the team yet.
#[test]
fn who_is_not_in_the_team_yet_gives_nobody_its_place_back() {
    check(drawn(848));
}

/// The first world that a broken node fails so is made smaller, breaks the same law, and is what its options say.
fn shrinks(sabotage: Sabotage, law: Law) {
    let broken = (0..30).map(|seed| Options { sabotage: Some(sabotage), ..drawn(seed) });
    let fails = |options: &Options| !options.is_replication() && run(*options).is_err_and(|failure| failure.law == law);
    let options = broken.into_iter().find(fails).unwrap();
    let bounds = Bounds { attempts: 80, time: Duration::from_secs(600), salts: 1 };
    let shrunk = shrink(options, bounds).unwrap();
    assert!(shrunk.attempts <= bounds.attempts);
    assert_eq!(shrunk.failure.law, law);
    assert_eq!(run(shrunk.options).unwrap_err(), shrunk.failure);
    assert_eq!((shrunk.before, shrunk.after), (size(options), size(shrunk.options)));
    let (before, after) = (shrunk.before, shrunk.after);
    assert!(after.nodes <= before.nodes && after.calm_ms <= before.calm_ms, "{before:?} {after:?}");
    assert!(after.features * 2 < before.features && after.things * 2 < before.things, "{before:?} {after:?}");
}

#[test]
fn a_leak_is_shown_by_few_members_to_whom_little_happens() {
    shrinks(Sabotage::LeakLocal, Law::LocalStays);
}

#[test]
fn an_early_confirmation_is_shown_by_few_members_to_whom_little_happens() {
    shrinks(Sabotage::ConfirmEarly, Law::OnlyDurableIsConfirmed);
}

#[test]
fn a_world_that_keeps_every_law_cannot_be_made_smaller() {
    assert_eq!(shrink(drawn(0), Bounds::default()).unwrap_err(), NothingBreaks);
}
