//! Laws: order of arrival does not matter, and what is derived can be derived again.

use antiphon_core::charter::Revoke;
use antiphon_core::event::Event;
use antiphon_core::fact::Field;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::value::Value;
use antiphon_store::{Draft, FactFilter, FactView};
use proptest::prelude::*;

use crate::common::{Machine, NOW, alice, charter_runs, join, no_provenance, text};
use crate::sync::check;

/// What one machine does: a kind of draft, which fact, and a value.
type Step = (usize, u8, prop::sample::Index, u8);

fn story() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..3_usize, 0..8_u8, any::<prop::sample::Index>(), 0..4_u8), 1..40)
}

fn act(machines: &mut [Machine], facts: &mut Vec<FactId>, (who, kind, which, value): Step) {
    let others = [(who + 1) % machines.len(), (who + 2) % machines.len()];
    if kind == 7 {
        let (from, to) = (others[usize::from(value) % 2], who);
        let [from, to] = machines.get_disjoint_mut([from, to]).unwrap();
        to.pull(from);
        return;
    }
    let machine = &mut machines[who];
    let content = format!("value {value}");
    if kind == 0 || facts.is_empty() {
        let level = Value::Uint(u64::from(value));
        facts.push(machine.remember_with(text(&content).set(Field::Level, level)));
        return;
    }
    let fact = facts[which.index(facts.len())];
    let edit = match kind {
        1 | 2 => text(&content),
        3 => text(&content).set(Field::Domain, "web".into()),
        4 => text(&content).set(Field::Level, Value::Uint(value.into())),
        5 => return drop(machine.try_write(Draft::Forget { fact, provenance: no_provenance() })),
        _ => return drop(machine.try_write(Draft::Restore { fact, provenance: no_provenance() })),
    };
    // The fact may not have come here yet, or be forgotten; then nothing happens.
    drop(machine.try_write(Draft::Edit { fact, edit, provenance: no_provenance() }));
}

/// The runs of every machine, cut into pieces that end at a signature.
fn pieces(machines: &[Machine]) -> Vec<(LogId, NodeId, Vec<Event>)> {
    let mut pieces = Vec::new();
    for machine in machines {
        let (log, mut after) = (machine.shared(), 0);
        loop {
            let page = machine.db.reader().page(log, after, 2, 1 << 20, None).unwrap();
            let Some(last) = page.last() else { break };
            after = last.header().seq;
            pieces.push((log, machine.node(), page));
        }
    }
    pieces
}

/// Applies pieces in an order that `turns` choose, keeping the order of each log.
fn apply_in_order(to: &mut Machine, pieces: &[(LogId, NodeId, Vec<Event>)], turns: &[prop::sample::Index]) {
    let mut left: Vec<_> = pieces.to_vec();
    for turn in turns.iter().cycle() {
        if left.is_empty() {
            return;
        }
        let log = left[turn.index(left.len())].0;
        let first = left.iter().position(|(other, ..)| *other == log).unwrap();
        let (log, node, events) = left.remove(first);
        let applied = to.db.apply_run(log, node, events, None, NOW).unwrap();
        assert_eq!(applied.quarantined, 0);
    }
}

fn facts(machine: &Machine) -> Vec<FactView> {
    let filter = FactFilter { include_archived: true, include_forgotten: true, ..FactFilter::default() };
    machine.db.reader().facts(&filter, 10_000, None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_does_not_matter(
        steps in story(),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let (mut alice, genome) = alice();
        let bob = join(2, "bob", &mut alice, &genome);
        let carol = join(3, "carol", &mut alice, &genome);
        let mut machines = [alice, bob, carol];
        let mut known = Vec::new();
        for step in steps {
            act(&mut machines, &mut known, step);
        }
        let pieces = pieces(&machines);
        let charter = charter_runs(&machines[0]);
        let [mut dan, mut eve] = [4, 5].map(|n| {
            let mut machine = Machine::new(n);
            let identity = machine.identity("reader");
            machine.db.adopt_team(&identity, &genome, charter.clone(), NOW, [n; 32]).unwrap();
            machine
        });
        for (log, node, events) in pieces.clone() {
            dan.db.apply_run(log, node, events, None, NOW).unwrap();
        }
        apply_in_order(&mut eve, &pieces, &turns);
        // Only what both hold is compared: each also has the opening of its own log.
        prop_assert_eq!(facts(&dan), facts(&eve));
        let (from_dan, from_eve) = (dan.shared(), eve.shared());
        let opening = |of: &Machine, log| of.db.reader().page(log, 0, 1, 1 << 20, None).unwrap();
        let (dans, eves) = (opening(&dan, from_dan), opening(&eve, from_eve));
        dan.db.apply_run(from_eve, eve.node(), eves, None, NOW).unwrap();
        eve.db.apply_run(from_dan, dan.node(), dans, None, NOW).unwrap();
        prop_assert_eq!(dan.db.reader().state_hash().unwrap(), eve.db.reader().state_hash().unwrap());
        check(&eve);
        for machine in machines.iter_mut().chain([&mut eve]) {
            rebuilds_to_the_same(machine);
        }
    }
}

/// Every row of every projection, as text.
fn dump(machine: &Machine) -> Vec<String> {
    let conn = rusqlite::Connection::open(machine.home.path().join("antiphon.db")).unwrap();
    let mut rows = Vec::new();
    for table in ["logs", "events", "edits", "facts", "quarantine", "forks", "genes"] {
        let mut query = conn
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3"))
            .unwrap_or_else(|_| conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap());
        let columns = query.column_count();
        let found = query.query_map([], |row| {
            (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n)).collect::<Result<Vec<_>, _>>()
        });
        rows.extend(found.unwrap().map(|row| format!("{table} {:?}", row.unwrap())));
    }
    rows
}

fn rebuilds_to_the_same(machine: &mut Machine) {
    let (before, hash) = (dump(machine), machine.db.reader().state_hash().unwrap());
    machine.db.rebuild().unwrap();
    assert_eq!(dump(machine), before);
    assert_eq!(machine.db.reader().state_hash().unwrap(), hash);
    check(machine);
}

#[test]
fn dropping_and_rebuilding_the_projections_changes_nothing_even_after_a_cut() {
    let (mut alice, genome) = alice();
    let mut eve = join(3, "eve", &mut alice, &genome);
    let mut bob = join(2, "bob", &mut alice, &genome);
    let good = eve.remember("good");
    bob.pull(&eve);
    bob.edit(good, Field::Domain, "web".into());
    alice.pull(&eve);
    eve.edit(good, Field::Content, "bad".into());
    let eves = eve.remember("hers");
    bob.pull(&eve);
    bob.edit(eves, Field::Domain, "hers".into());
    rebuilds_to_the_same(&mut bob);
    alice.write(Draft::Revoke(Revoke {
        node: eve.node(),
        reason: "x".into(),
        compromised: true,
        cuts: vec![],
        role_keys: Vec::new(),
    }));
    bob.pull(&alice);
    assert_eq!(bob.content(good).as_deref(), Some("good"));
    rebuilds_to_the_same(&mut bob);
    alice.pull(&bob);
    let log = eve.shared();
    let rest = eve.db.reader().page(log, alice.db.reader().clock().unwrap()[&log].seq, 9, 1 << 20, None).unwrap();
    alice.db.apply_run(log, eve.node(), rest, None, NOW).unwrap();
    assert_eq!(alice.db.reader().state_hash().unwrap(), bob.db.reader().state_hash().unwrap());
    rebuilds_to_the_same(&mut alice);
    assert!(
        alice
            .db
            .reader()
            .clock()
            .unwrap()
            .iter()
            .all(|(log, head)| log.stream != Stream::Local && *head != Head::EMPTY)
    );
}
