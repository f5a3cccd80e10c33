//! A member comes back with an older disk, has forgotten what it signed, and signs other things. The others must agree
//! on how much of its log still counts.

use antiphon_sim::{Options, run};

fn check(seed: u64) {
    if let Err(failure) = run(Options { seed, forks: true, ..Options::default() }) {
        panic!("seed {seed}: {failure}");
    }
}

#[test]
fn worlds_with_an_older_disk_keep_every_law() {
    (0..20).for_each(check);
}

/// The branch that bob shows begins behind the event where the two part.
#[test]
fn all_find_the_first_event_where_two_branches_part() {
    [102, 260, 366, 653, 737].into_iter().for_each(check);
}

/// The only frame that shows the other branch is lost, and the session goes on for ever.
#[test]
fn a_branch_that_was_lost_is_shown_again() {
    check(522);
}
