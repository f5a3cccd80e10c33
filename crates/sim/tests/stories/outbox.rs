//! What members put down for each other, in worlds in which everything breaks; and what must be noticed when an outbox
//! is broken on purpose.

use antiphon_sim::{Class, Exercised, Law, Options, Sabotage, Summary, run};

fn check(seed: u64) -> Summary {
    match run(Options { seed, ..Options::default() }) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {seed}: {failure}"),
    }
}

#[test]
fn members_are_killed_in_the_middle_of_their_outboxes_and_lose_nothing() {
    let worlds: Vec<Summary> = (100..130).map(check).collect();
    let all = worlds.iter().fold(Exercised::default(), |all, world| all.and(&world.exercised));
    assert!(all.count(Class::ItemPut) > 1_000, "{all:?}");
    assert!(all.count(Class::ItemTaken) > 800, "{all:?}");
    assert!(all.count(Class::ItemHad) > 10, "{all:?}");
    assert!(all.count(Class::KillPoint) > 20, "{all:?}");
    assert!(all.count(Class::ItemSearched) > 50, "{all:?}");
}

/// Whether some world among the first few hundred shows that a broken outbox breaks a law.
fn is_caught(sabotage: Sabotage, law: Law) {
    let mut seen = Vec::new();
    for seed in 0..300 {
        let failure = run(Options { seed, sabotage: Some(sabotage), ..Options::default() }).err();
        seen.extend(failure.as_ref().map(|failure| (seed, failure.law)));
        if failure.is_some_and(|failure| failure.law == law) {
            return;
        }
    }
    panic!("{sabotage:?} does not break {law:?}: {seen:?}");
}

#[test]
fn items_that_are_acknowledged_and_not_put_down_are_noticed() {
    is_caught(Sabotage::LoseItems, Law::ItemsArrive);
}

#[test]
fn an_answer_before_the_item_is_taken_is_noticed() {
    is_caught(Sabotage::AnswerEarly, Law::ItemsArrive);
}

#[test]
fn a_receiver_that_forgets_what_it_took_is_noticed() {
    is_caught(Sabotage::TakeTwice, Law::ItemsOnce);
}

#[test]
fn items_that_are_taken_backwards_are_noticed() {
    is_caught(Sabotage::TakeBackwards, Law::ItemsInOrder);
}

#[test]
fn what_is_tried_for_ever_is_noticed() {
    is_caught(Sabotage::NeverGiveUp, Law::ItemsEnd);
}

#[test]
fn items_for_a_removed_member_are_noticed() {
    is_caught(Sabotage::ServeRemoved, Law::NothingForRemoved);
}

#[test]
fn an_item_in_the_clear_is_noticed() {
    is_caught(Sabotage::LeaveInClear, Law::SealedAtRest);
}

#[test]
fn a_nonce_that_comes_again_is_noticed() {
    is_caught(Sabotage::RepeatNonce, Law::NoncesDiffer);
}

#[test]
fn an_outbox_without_bounds_is_noticed() {
    is_caught(Sabotage::NoBounds, Law::BoundsHold);
}

#[test]
fn an_older_copy_of_which_nobody_speaks_is_noticed() {
    is_caught(Sabotage::HideRestore, Law::RestoreShows);
}

/// A member opens a new store while it is connected to another one, which knows it by the old one and would take nothing.
#[test]
fn who_opens_a_new_store_is_greeted_again_and_delivers_what_waits() {
    check(950);
}

/// The disk is full when what waits for a removed member is to be set aside; that is tried again.
#[test]
fn what_could_not_be_set_aside_on_a_full_disk_is_set_aside_later() {
    check(400);
}
