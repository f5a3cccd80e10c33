//! A log with several branches: where they part does not depend on who heard of which one first.

use antiphon_core::event::Event;
use antiphon_core::log::{Head, LogId};
use antiphon_core::state::Verdict;
use antiphon_store::{Branching, Error};

use crate::common::{Machine, NOW, alice, join, verified};
use crate::sync::{check, twin};

fn after(from: &Machine, log: LogId, seq: u64) -> Vec<Event> {
    from.db.reader().page(log, seq, 512, 1 << 20, None).unwrap()
}

fn head(of: &Machine, log: LogId, seq: u64) -> Head {
    of.db.reader().heads_at(log, &[seq]).unwrap()[0]
}

fn verdict(of: &Machine, log: LogId) -> Verdict {
    of.db.reader().logs().unwrap().into_iter().find(|view| view.log == log).unwrap().verdict
}

/// Alice holds bob's first branch, which goes on to event 6; the second parts from it after event 4, the third after 2.
fn story() -> (Machine, [Machine; 3], LogId) {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.remember("two");
    let mut third = twin(&bob);
    bob.remember("three");
    bob.remember("four");
    let mut second = twin(&bob);
    for n in 0..2 {
        bob.remember(&format!("bob {n}"));
        second.remember(&format!("second {n}"));
        third.remember(&format!("third {n}"));
    }
    third.remember("third 2");
    third.remember("third 3");
    alice.pull(&bob);
    let log = bob.shared();
    (alice, [bob, second, third], log)
}

#[test]
fn a_branch_that_follows_nothing_held_is_not_kept() {
    let (mut alice, [bob, second, third], log) = story();
    for seq in [3, 4, 5] {
        assert_eq!(alice.db.keep_branch(log, bob.node(), after(&third, log, seq), NOW).unwrap(), Branching::Detached);
    }
    assert_eq!(alice.db.keep_branch(log, bob.node(), after(&second, log, 5), NOW).unwrap(), Branching::Detached);
    let refused = alice.db.apply_run(log, bob.node(), after(&third, log, 4), None, NOW);
    assert!(matches!(refused, Err(Error::OtherBranch { .. })), "{refused:?}");
    assert_eq!(verdict(&alice, log), Verdict::Good);
    assert!(alice.db.reader().partings().unwrap().is_empty());
    assert!(alice.db.reader().proof(log, &bob.node()).unwrap().is_empty());
    check(&alice);
}

#[test]
fn what_goes_on_from_the_held_log_is_no_fork_and_is_not_taken_in() {
    let (mut alice, [mut bob, ..], log) = story();
    bob.remember("more");
    for seq in [0, 3, 6] {
        assert_eq!(alice.db.keep_branch(log, bob.node(), after(&bob, log, seq), NOW).unwrap(), Branching::Same);
    }
    assert_eq!(alice.db.reader().clock().unwrap()[&log].seq, 6);
    assert_eq!(verdict(&alice, log), Verdict::Good);
}

#[test]
fn an_earlier_parting_moves_the_verdict_and_a_later_one_does_not() {
    for order in [[1, 2], [2, 1]] {
        let (mut alice, machines, log) = story();
        let first = alice.db.reader().facts(&Default::default(), 50, None).unwrap().len();
        for which in order {
            let parted = if order == [1, 2] && which == 1 { 4 } else { 2 };
            let found = alice.db.keep_branch(log, machines[0].node(), after(&machines[which], log, 1), NOW).unwrap();
            assert_eq!(found, Branching::Parted(head(&machines[0], log, parted)), "{order:?}");
            assert_eq!(verdict(&alice, log), Verdict::Forked(parted + 1));
            check(&alice);
        }
        assert_eq!(alice.db.reader().partings().unwrap()[&log], head(&alice, log, 2));
        assert_eq!(alice.db.reader().facts(&Default::default(), 50, None).unwrap().len(), first - 4);
    }
}

#[test]
fn whoever_is_shown_a_proof_comes_to_the_same_verdict_whichever_branch_it_holds() {
    for texts in [false, true] {
        let (mut alice, mut machines, log) = story();
        let key = machines[0].node();
        for machine in &machines[1..] {
            let _ = alice.db.keep_branch(log, key, after(machine, log, 0), NOW).unwrap();
        }
        // Of what does not count nobody knows the domain, so who gets only some has no text of it.
        let except = if texts { Vec::new() } else { vec!["wages".into()] };
        alice.db.update_peer(&key, |peer| peer.except_domains = except).unwrap();
        let proof = alice.db.reader().proof(log, &key).unwrap();
        assert_eq!(proof.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4], "all that is held of both");
        assert!(proof.iter().flatten().all(|event| event.payload().is_some() == texts), "as the peer may have them");
        for machine in &mut machines {
            let (own, last) = (machine.shared(), machine.db.reader().clock().unwrap()[&log]);
            assert!(machine.db.note_sent(own, last).unwrap());
            let before = head(machine, log, 2);
            for branch in &proof {
                let branch = verified(machine, log, key, before, branch.clone());
                assert_ne!(machine.db.keep_branch(log, key, branch, NOW).unwrap(), Branching::Detached);
            }
            assert_eq!(verdict(machine, log), Verdict::Forked(3));
            assert_eq!(machine.db.reader().proof(log, &key).unwrap().len(), 2, "and can show it to others");
            check(machine);
        }
    }
}
