//! Copies of documents on real nodes: made, replaced, proved and dropped.
//!
//! The grace period and the rounds are short here; nothing else differs from a node as people run it.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::time::Duration;

use crate::common::{Machine, config, until_within};
use antiphon_core::address::{Address, Selector};
use antiphon_core::announce::StorageConfig;
use antiphon_core::event::Provenance;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Health, Settings, order};
use antiphon_node::{Config, Handle, NewContent, ReplicationFilter, ReplicationStatus, StorageSettings, Trust};
use tokio::time::{sleep, timeout};

/// Longer than everything here takes.
const PATIENCE_S: u64 = 120;
const GRACE_MS: u64 = 1_500;
const FACTOR: usize = 3;

fn settings() -> Settings {
    Settings { grace_ms: GRACE_MS, reprovide_ms: 4_000, cleanup_ms: 1_000, proof_ms: 1_500, ..Settings::default() }
}

fn careful(dir: &tempfile::TempDir, name: &str, settings: Settings) -> Config {
    // Five nodes in one process are slow to answer now and then; who is stopped closes its connections.
    Config { replication: settings, peer_timeout_ms: 5_000, ..config(dir, name) }
}

async fn until(what: &str, done: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE_S, what, done).await;
}

async fn start_with(name: &'static str, change: impl FnOnce(Config) -> Config) -> Machine {
    Machine::start_in(name, |dir| change(careful(dir, name, settings()))).await
}

async fn start(name: &'static str) -> Machine {
    start_with(name, |config| config).await
}

async fn start_again(machine: &mut Machine) {
    machine.run(careful(&machine.dir, machine.name, settings())).await;
}

async fn id(handle: &Handle) -> NodeId {
    handle.status().await.unwrap().node_id
}

/// Alice founds the team; all know and trust each other.
async fn team(names: &[&'static str]) -> Vec<Machine> {
    let mut machines = Vec::new();
    for name in names {
        let machine = start(name).await;
        if let Some(alice) = machines.first() {
            machine.joins_as(alice, "backend_developer").await;
        }
        machines.push(machine);
    }
    let all: Vec<&Machine> = machines.iter().collect();
    meet(&all).await;
    machines
}

/// Waits until each of these sees all the others, and knows that they offer room.
async fn meet(machines: &[&Machine]) {
    for one in machines {
        for other in machines.iter().filter(|other| other.name != one.name) {
            let listen = other.handle.status().await.unwrap().listen;
            until(&format!("{} sees {}", one.name, other.name), async || {
                let Ok(view) = one.handle.peer(other.name).await else { return false };
                if !view.connected {
                    let _refused = one.handle.handshake(&listen[0]).await;
                }
                view.connected && view.trust == Trust::Verified && view.storage.is_some()
            })
            .await;
        }
    }
}

fn address(path: &str) -> Address {
    Address::new("alice", "backend_developer", "shop", "login", path).unwrap()
}

async fn put(machine: &Machine, path: &str, bytes: &[u8]) -> Hash {
    let new = NewContent {
        address: address(path),
        role: "backend_developer".into(),
        content_type: "text/markdown".into(),
        provenance: Provenance::default(),
    };
    machine.handle.put_content(new, Cursor::new(bytes.to_vec())).await.unwrap().content.root
}

async fn holds(machine: &Machine, root: Hash) -> bool {
    machine.handle.blob(root).await.unwrap().is_some_and(|blob| blob.is_complete())
}

/// Who of these holds it.
async fn holders(machines: &[&Machine], root: Hash) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for machine in machines {
        if holds(machine, root).await {
            found.insert(machine.name);
        }
    }
    found
}

/// Who of these is to hold it.
async fn placed(machines: &[&Machine], root: Hash) -> BTreeSet<&'static str> {
    let mut ids = Vec::new();
    for machine in machines {
        ids.push((id(&machine.handle).await, machine.name));
    }
    let first = order(&root, ids.iter().map(|(node, _)| *node)).into_iter().take(FACTOR);
    first.map(|node| ids.iter().find(|(one, _)| *one == node).unwrap().1).collect()
}

async fn copies(machine: &Machine, root: Hash) -> ReplicationStatus {
    machine.handle.replication_status(root).await.unwrap().unwrap()
}

/// Waits until those hold it that are to hold it, nobody else does, and all of these know.
async fn settles(machines: &[&Machine], root: Hash) {
    let expected = placed(machines, root).await;
    let mut seen = BTreeSet::new();
    let settled = async || {
        seen = holders(machines, root).await;
        seen == expected
    };
    if timeout(Duration::from_secs(PATIENCE_S), every(settled)).await.is_err() {
        let mut views = Vec::new();
        for machine in machines {
            views.push((machine.name, machine.handle.replication_status(root).await.unwrap()));
        }
        panic!("{expected:?} are to hold it, {seen:?} do; {views:#?}");
    }
    all_see(machines, root, Health::Healthy).await;
}

async fn all_see(machines: &[&Machine], root: Hash, health: Health) {
    for machine in machines {
        let mut seen = None;
        let sees = async || {
            seen = machine.handle.replication_status(root).await.unwrap();
            seen.as_ref().is_some_and(|status| status.health == health)
        };
        if timeout(Duration::from_secs(PATIENCE_S), every(sees)).await.is_err() {
            panic!("{} does not see that it is {health}: {seen:#?}", machine.name);
        }
    }
}

async fn every(mut done: impl AsyncFnMut() -> bool) {
    while !done().await {
        sleep(Duration::from_millis(50)).await;
    }
}

fn except<'a>(machines: &'a [Machine], names: &BTreeSet<&'static str>) -> Vec<&'a Machine> {
    machines.iter().filter(|machine| !names.contains(machine.name)).collect()
}

fn all(machines: &[Machine]) -> Vec<&Machine> {
    machines.iter().collect()
}

/// Stops those of these names.
async fn stop(machines: &mut [Machine], names: &BTreeSet<&'static str>) {
    for machine in machines.iter_mut().filter(|machine| names.contains(machine.name)) {
        machine.stop().await;
    }
}

const FIVE: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

#[tokio::test(flavor = "multi_thread")]
async fn three_of_five_hold_what_one_stored_and_a_lost_one_is_replaced_and_trimmed_when_it_is_back() {
    let mut machines = team(&FIVE).await;
    let root = put(&machines[1], "plan", &vec![7; 600_000]).await;
    settles(&all(&machines), root).await;
    // Who gave a copy up tells nobody; that it is gone shows when it is asked again.
    until("alice counts the three", async || copies(&machines[0], root).await.actual == 3).await;
    let status = copies(&machines[0], root).await;
    assert_eq!((status.target, status.document), (3, Some((address("plan"), 1))));
    // Not the founder, so that there is somebody to come back to.
    let lost: BTreeSet<_> =
        placed(&all(&machines), root).await.into_iter().filter(|one| *one != "alice").take(1).collect();
    stop(&mut machines, &lost).await;
    settles(&except(&machines, &lost), root).await;
    for machine in machines.iter_mut().filter(|machine| lost.contains(machine.name)) {
        start_again(machine).await;
    }
    meet(&all(&machines)).await;
    settles(&all(&machines), root).await;
    let metrics = machines[0].handle.replication_metrics().await.unwrap();
    assert_eq!((metrics.total_keys, metrics.health.healthy), (1, 1));
    assert_eq!(metrics.settings.factor, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lost_copies_are_made_again_by_the_third() {
    let mut machines = team(&FIVE).await;
    let root = put(&machines[1], "plan", &vec![7; 300_000]).await;
    settles(&all(&machines), root).await;
    let lost: BTreeSet<_> = placed(&all(&machines), root).await.into_iter().take(2).collect();
    stop(&mut machines, &lost).await;
    let left = except(&machines, &lost);
    let seen = copies(left[0], root).await;
    assert!(seen.providers.iter().filter(|holder| holder.evidence.is_some_and(|shown| shown.holds())).count() >= 1);
    settles(&left, root).await;
    assert_eq!(holders(&left, root).await.len(), 3, "three are left, and all of them hold it");
    let page = left[0].handle.replication_list(ReplicationFilter { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!((page.replicas.len(), page.next, page.health.healthy), (1, None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_holders_are_lost_it_is_said_who_had_it_last() {
    let mut machines = team(&FIVE).await;
    let root = put(&machines[1], "plan", &vec![7; 100_000]).await;
    settles(&all(&machines), root).await;
    let lost = placed(&all(&machines), root).await;
    stop(&mut machines, &lost).await;
    let left = except(&machines, &lost);
    all_see(&left, root, Health::Critical).await;
    for machine in &left {
        let status = copies(machine, root).await;
        assert_eq!((status.actual, status.healthy), (0, 0));
        let last = status.last_holder().unwrap();
        assert!(lost.contains(last.name.as_str()) && !last.connected, "{status:?}");
        let worst = ReplicationFilter { health: Some(Health::Critical), limit: 10, after: None };
        assert_eq!(machine.handle.replication_list(worst).await.unwrap().replicas.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_takes_nothing_and_the_next_one_does() {
    let mut machines = team(&["alice", "bob", "carol"]).await;
    let small = |config: Config| Config { storage: StorageSettings { offer: true, quota_bytes: 1_000 }, ..config };
    let dave = start_with("dave", small).await;
    dave.joins_as(&machines[0], "backend_developer").await;
    machines.push(dave);
    meet(&all(&machines)).await;
    // One that dave would be among the first to hold.
    let mut n = 0;
    let root = loop {
        let root = put(&machines[1], &format!("plan-{n}"), &vec![7; 50_000]).await;
        n += 1;
        if placed(&all(&machines), root).await.contains("dave") {
            break root;
        }
    };
    let others: Vec<&Machine> = machines.iter().filter(|machine| machine.name != "dave").collect();
    until("the others hold it", async || holders(&others, root).await.len() == 3).await;
    all_see(&all(&machines), root, Health::Healthy).await;
    assert!(!holds(&machines[3], root).await);
    // What its own agents store asks for no room that is for others, and it may be one of those that are to hold it.
    let own = put(&machines[3], "own", &vec![9; 40_000]).await;
    settles(&all(&machines), own).await;
}

/// What one told another of the room that it has for copies.
async fn said_by(of: &Machine, at: &Machine) -> StorageConfig {
    at.handle.peer(of.name).await.unwrap().storage.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_frees_the_space_of_all() {
    let machines = team(&["alice", "bob", "carol", "dave"]).await;
    let root = put(&machines[1], "plan", &vec![7; 600_000]).await;
    settles(&all(&machines), root).await;
    let (bob, placed) = (&machines[1], placed(&all(&machines), root).await);
    let holder = machines.iter().find(|one| one.name != bob.name && placed.contains(one.name)).unwrap();
    until("bob is told what a holder keeps for others and what room is left", async || {
        let said = said_by(holder, bob).await;
        said.used_bytes >= 600_000 && said.free_bytes() == said.quota_bytes - said.used_bytes
    })
    .await;
    bob.handle.remove_content(&address("plan"), Provenance::default()).await.unwrap();
    for machine in &machines {
        until(&format!("{} has dropped it", machine.name), async || {
            let none = machine.handle.blob(root).await.unwrap().is_none();
            let file = machine.dir.path().join("home/content").join(root.to_string());
            none && !file.exists() && machine.handle.replication_status(root).await.unwrap().is_none()
        })
        .await;
        until("it counts nothing", async || machine.handle.storage_offer().await.unwrap().used_bytes == 0).await;
    }
    until("bob is told", async || said_by(holder, bob).await.used_bytes == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_later_takes_exactly_what_it_is_first_for() {
    let mut machines = team(&["alice", "bob", "carol", "dave"]).await;
    let mut roots = Vec::new();
    for n in 0..8 {
        roots.push(put(&machines[1], &format!("plan-{n}"), &vec![n; 20_000]).await);
    }
    for root in &roots {
        settles(&all(&machines), *root).await;
    }
    let erin = start("erin").await;
    erin.joins_as(&machines[0], "backend_developer").await;
    machines.push(erin);
    meet(&all(&machines)).await;
    for root in &roots {
        settles(&all(&machines), *root).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_is_found_by_proof_and_made_whole_again() {
    let machines = team(&["alice", "bob", "carol"]).await;
    let root = put(&machines[1], "plan", &vec![7; 600_000]).await;
    settles(&all(&machines), root).await;
    // The disk of bob loses all of it.
    let file = machines[1].dir.path().join("home/content").join(root.to_string());
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, vec![0; good.len()]).unwrap();
    until("it is what it was", async || std::fs::read(&file).unwrap() == good && holds(&machines[1], root).await).await;
    all_see(&all(&machines), root, Health::Healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_a_restart_interrupts_is_finished() {
    let mut machines = team(&["alice", "bob", "carol"]).await;
    let bytes: Vec<u8> = (0..24_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let root = put(&machines[1], "plan", &bytes).await;
    until("carol has begun to fetch it", async || machines[2].handle.blob(root).await.unwrap().is_some()).await;
    machines[2].stop().await;
    start_again(&mut machines[2]).await;
    meet(&all(&machines)).await;
    settles(&all(&machines), root).await;
    let found = machines[2].handle.content(&address("plan"), Selector::Latest).await.unwrap();
    assert!(found.held.whole);
}
