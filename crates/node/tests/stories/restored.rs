//! Real nodes over loopback: a machine that came back with an older copy of its disk, and copies of one machine that
//! went on apart.

use std::path::Path;

use crate::common::{Machine, agree, team_of_two, until};
use antiphon_core::ids::StoreId;
use antiphon_core::state::Verdict;
use antiphon_node::FactFilter;
use antiphon_store::{Db, Options};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Keeps a copy of a stopped machine's home.
fn back_up(machine: &Machine) {
    copy(&machine.dir.path().join("home"), &machine.dir.path().join("copy"));
}

/// Puts the copy back, with nothing of what came after it.
fn restore(machine: &Machine) {
    let home = machine.dir.path().join("home");
    for entry in std::fs::read_dir(&home).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
    copy(&machine.dir.path().join("copy"), &home);
}

async fn back_up_running(machine: &mut Machine) {
    machine.stop().await;
    back_up(machine);
    machine.start_again().await;
}

async fn store_of(machine: &Machine) -> StoreId {
    machine.handle.status().await.unwrap().store_id
}

async fn meet(one: &Machine, other: &Machine) {
    until("the other listens", async || !other.handle.status().await.unwrap().listen.is_empty()).await;
    let address = other.handle.status().await.unwrap().listen.remove(0);
    one.handle.handshake(&address).await.unwrap();
}

async fn knows(machine: &Machine, text: &str) -> bool {
    let facts = machine.handle.facts(FactFilter::default(), 1_000, None).await.unwrap();
    facts.iter().any(|view| view.fact.content.as_deref() == Some(text))
}

async fn all_recall(machines: &[&Machine], texts: &[&str]) {
    for machine in machines {
        for text in texts {
            until(&format!("{} knows {text}", machine.name), async || knows(machine, text).await).await;
        }
    }
}

async fn is_sound(machine: &Machine) {
    let report = machine.handle.verify().await.unwrap();
    assert!(report.is_good(), "{}: {:?}", machine.name, report.problems);
}

fn forks(machine: &Machine) -> usize {
    let db = Db::open(&machine.dir.path().join("home"), Options::default(), None).unwrap();
    db.reader().logs().unwrap().iter().filter(|view| matches!(view.verdict, Verdict::Forked(_))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_only_behind_goes_on_where_it_was() {
    let (mut alice, mut bob) = team_of_two().await;
    bob.remember("before the copy").await;
    back_up_running(&mut bob).await;
    bob.remember("after the copy").await;
    agree(&alice, &bob).await;
    let store = store_of(&bob).await;
    bob.stop().await;
    restore(&bob);
    bob.start_again().await;
    all_recall(&[&bob], &["after the copy"]).await;
    bob.remember("goes on").await;
    all_recall(&[&alice], &["goes on"]).await;
    agree(&alice, &bob).await;
    assert_eq!(store_of(&bob).await, store);
    assert_eq!(bob.handle.status().await.unwrap().rejoined, None);
    for machine in [&mut alice, &mut bob] {
        is_sound(machine).await;
        machine.stop().await;
        assert_eq!(forks(machine), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_on_an_older_copy_comes_behind_what_the_others_hold() {
    for written in [1, 3, 40] {
        let (mut alice, mut bob) = team_of_two().await;
        bob.remember("before the copy").await;
        back_up_running(&mut bob).await;
        bob.remember("after the copy").await;
        bob.remember("shortly after the copy").await;
        agree(&alice, &bob).await;
        let store = store_of(&bob).await;
        bob.stop().await;
        restore(&bob);
        alice.stop().await;
        bob.start_again().await;
        for n in 0..written {
            bob.remember(&format!("meanwhile number{n}")).await;
        }
        alice.start_again().await;
        // Nobody is refused while the log is put right.
        for n in 0..10 {
            bob.remember(&format!("during number{n}")).await;
        }
        let texts =
            ["before the copy", "after the copy", "shortly after the copy", "meanwhile number0", "during number9"];
        all_recall(&[&alice, &bob], &texts).await;
        agree(&alice, &bob).await;
        until("all is written again", async || {
            let rejoined = bob.handle.status().await.unwrap().rejoined;
            rejoined.is_some_and(|rejoined| rejoined.written >= written && rejoined.waiting == 0)
        })
        .await;
        assert_eq!(store_of(&bob).await, store, "nobody was sent anything, so nobody needs to know");
        for machine in [&mut alice, &mut bob] {
            is_sound(machine).await;
            machine.stop().await;
            assert_eq!(forks(machine), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_heard_by_somebody_goes_on_in_a_new_store_and_nothing_is_lost() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    meet(&bob, &carol).await;
    let before = bob.remember("before the copy").await;
    all_recall(&[&alice, &carol], &["before the copy"]).await;
    back_up_running(&mut bob).await;
    all_recall(&[&bob], &["before the copy"]).await;
    carol.stop().await;
    bob.remember("alice heard this").await;
    all_recall(&[&alice], &["alice heard this"]).await;
    let store = store_of(&bob).await;
    bob.stop().await;
    alice.stop().await;
    restore(&bob);
    carol.start_again().await;
    bob.start_again().await;
    meet(&bob, &carol).await;
    bob.remember("carol heard that").await;
    all_recall(&[&carol], &["carol heard that"]).await;
    alice.start_again().await;
    meet(&bob, &alice).await;
    meet(&carol, &alice).await;
    let everybody = [&alice, &bob, &carol];
    all_recall(&everybody, &["before the copy", "alice heard this", "carol heard that"]).await;
    bob.remember("and so on").await;
    all_recall(&everybody, &["and so on"]).await;
    agree(&alice, &bob).await;
    agree(&alice, &carol).await;
    assert_ne!(store_of(&bob).await, store);
    let rejoined = bob.handle.status().await.unwrap().rejoined.unwrap();
    assert!(rejoined.new_store && rejoined.waiting == 0, "{rejoined:?}");
    for machine in everybody {
        assert!(machine.handle.fact(before).await.is_ok());
        is_sound(machine).await;
    }
    for machine in [&mut alice, &mut bob, &mut carol] {
        machine.stop().await;
        assert_eq!(forks(machine), 1, "{}", machine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_branches_of_one_log_are_found_by_whoever_holds_them() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    meet(&bob, &carol).await;
    let before = bob.remember("before the fork").await;
    all_recall(&[&alice, &carol], &["before the fork"]).await;
    back_up_running(&mut bob).await;
    carol.stop().await;
    bob.remember("told to alice").await;
    all_recall(&[&alice], &["told to alice"]).await;
    bob.stop().await;
    alice.stop().await;
    restore(&bob);
    carol.start_again().await;
    bob.start_again().await;
    meet(&bob, &carol).await;
    bob.remember("told to carol").await;
    all_recall(&[&carol], &["told to carol"]).await;
    bob.stop().await;
    alice.start_again().await;
    meet(&carol, &alice).await;
    agree(&alice, &carol).await;
    for machine in [&alice, &carol] {
        until("the fork is reported", async || {
            let status = machine.handle.status().await.unwrap();
            status.problems.iter().any(|problem| problem.what.contains("two branches"))
        })
        .await;
        until("the audit names it", async || {
            let lines = machine.handle.audit(100).await.unwrap();
            lines.iter().any(|line| (line.kind.as_str(), line.reason.as_str()) == ("fork", "equivocation"))
        })
        .await;
        assert_eq!(machine.handle.verify().await.unwrap().forked.len(), 1);
        assert!(machine.handle.fact(before).await.is_ok());
        is_sound(machine).await;
    }
    agree(&alice, &carol).await;
    // Bob learns of it as well, and all that he ever wrote is there again.
    bob.start_again().await;
    meet(&bob, &alice).await;
    meet(&bob, &carol).await;
    all_recall(&[&alice, &bob, &carol], &["before the fork", "told to alice", "told to carol"]).await;
    agree(&alice, &bob).await;
    agree(&alice, &carol).await;
    for machine in [&mut alice, &mut bob, &mut carol] {
        machine.stop().await;
        assert_eq!(forks(machine), 1, "{}", machine.name);
    }
}
