//! The doctor of a node among others.

use antiphon_node::{Ailment, Config, DiskSpace, Severity};

use crate::common::{Machine, agree, config, team_of_two, until};

/// How long something may stand still, where that is not what is looked at.
const LONG_MS: u64 = 60 * 60 * 1_000;

/// What is wrong by one of the doctor's checks.
pub(crate) async fn ailments(machine: &Machine, check: &str) -> Vec<Ailment> {
    let checked = machine.handle.examine(LONG_MS).await.unwrap();
    let found: Vec<_> = checked.into_iter().filter(|checked| checked.check == check).collect();
    assert_eq!(found.len(), 1, "{check}");
    found.into_iter().flat_map(|checked| checked.ailments).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_well_have_nothing_to_mend() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.remember("for both").await;
    agree(&alice, &bob).await;
    for machine in [&alice, &bob] {
        let checked = machine.handle.examine(LONG_MS).await.unwrap();
        assert!(checked.iter().all(|checked| checked.ailments.is_empty()), "{checked:#?}");
    }
    let DiskSpace { free_bytes, total_bytes, .. } = alice.handle.disk_space().unwrap();
    assert!(free_bytes > 0 && free_bytes <= total_bytes && alice.handle.can_write());
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_version_is_named_until_it_runs_the_same() {
    let (mut alice, mut bob) = team_of_two().await;
    bob.stop().await;
    bob.run(Config { agent_version: "antiphon/99.0.0".into(), ..config(&bob.dir, "bob") }).await;
    until("alice knows", async || !ailments(&alice, "versions").await.is_empty()).await;
    let found = ailments(&alice, "versions").await;
    assert!(found[0].what.contains("bob") && found[0].severity == Severity::Warning, "{found:?}");
    until("bob knows", async || !ailments(&bob, "versions").await.is_empty()).await;
    bob.stop().await;
    bob.start_again().await;
    until("they run the same", async || ailments(&alice, "versions").await.is_empty()).await;
    bob.stop().await;
    alice.stop().await;
}
