//! Forgetting for good: what was erased is gone from every row and every file, whatever comes later.

use antiphon_core::charter::{Record, Revoke, StewardChange};
use antiphon_core::event::{Event, Provenance};
use antiphon_core::fact::Field;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::value::Value;
use antiphon_store::{Applied, AuthorError, Bring, Cause, Draft, FactFilter, FactView, Outcome, RecallQuery};
use proptest::prelude::*;

use crate::common::{Machine, NOW, alice, charter_runs, grant, join, no_provenance, text};
use crate::sync::check;

/// Words that stand nowhere but in what is erased. The index keeps folded words, and of those only the ends that
/// differ from the word before, so the last letters are looked for, in any case.
const CANARIES: [&str; 5] = ["vqcontentkx", "vqtagkx", "vqdomainkx", "vqmodulekx", "vqagentkx"];

fn secret() -> Draft {
    let edit = text("the password is vqcontentkx")
        .set(Field::Tags, Value::List(vec!["vqtagkx".into()]))
        .set(Field::Domain, "vqdomainkx".into())
        .set(Field::Module, "vqmodulekx".into());
    let provenance = Provenance { agent: Some("vqagentkx".into()), ..no_provenance() };
    Draft::Remember { id: None, edit, provenance, idempotency_key: None }
}

fn erase(fact: FactId) -> Draft {
    Draft::Erase { fact, provenance: no_provenance() }
}

fn edit(fact: FactId, content: &str) -> Draft {
    Draft::Edit { fact, edit: text(content), provenance: no_provenance() }
}

/// Files under the home of a machine in which one of the canaries stands.
fn canaries(machine: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(machine.home.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap().to_ascii_lowercase();
        for canary in CANARIES {
            // Without its first two letters, which every canary shares.
            let needle = &canary.as_bytes()[2..];
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(format!("{canary} in {}", path.display()));
            }
        }
    }
    found
}

fn index(machine: &mut Machine) {
    while machine.db.index_step(100).unwrap() > 0 {}
}

fn view(machine: &Machine, fact: FactId) -> FactView {
    machine.db.reader().fact(fact).unwrap().unwrap()
}

fn nothing_shows(machine: &Machine, fact: FactId) {
    let view = view(machine, fact);
    assert!(view.erased && view.forgotten && !view.incomplete);
    assert_eq!((&view.fact.content, &view.fact.domain, &view.fact.module), (&None, &None, &None));
    assert_eq!((view.fact.tags.len(), view.provenance, view.diverged.len()), (0, no_provenance(), 0));
    let reader = machine.db.reader();
    assert!(reader.sides(fact).unwrap().is_empty());
    assert!(reader.history(fact).unwrap().iter().all(|edit| edit.provenance.is_none() && edit.fields.is_empty()));
    assert!(reader.missing_payloads(100).unwrap().is_empty());
    assert!(reader.missing_after(None, 100).unwrap().is_empty());
    let counts = reader.counts().unwrap();
    assert_eq!(counts.without_payload, 0);
    let query =
        RecallQuery { text: "password vqcontentkx".into(), limit: 10, now: machine.now, ..RecallQuery::default() };
    assert!(reader.recall(&query).unwrap().hits.is_empty());
    let report = reader.verify().unwrap();
    assert!(report.is_good(), "{:?}", report.problems);
}

fn clean(machine: &mut Machine) {
    assert!(machine.db.purge().unwrap());
    assert!(!machine.db.reader().purge_pending().unwrap());
    assert_eq!(canaries(machine), Vec::<String>::new());
}

/// The events of a log as another machine would get them.
fn run(from: &Machine, log: LogId) -> (LogId, NodeId, Vec<Event>) {
    let reader = from.db.reader();
    (log, reader.log_key(&log.store).unwrap().unwrap(), reader.page(log, 0, 512, 1 << 20, None).unwrap())
}

fn apply(to: &mut Machine, (log, node, events): (LogId, NodeId, Vec<Event>)) -> Applied {
    to.db.apply_run(log, node, events, None, NOW).unwrap()
}

#[test]
fn what_its_author_erases_is_gone_from_every_row_and_file() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.write(secret()).fact.unwrap();
    alice.write(edit(fact, "it is still vqcontentkx"));
    bob.pull(&alice);
    index(&mut alice);
    index(&mut bob);
    assert!(!canaries(&alice).is_empty() && !canaries(&bob).is_empty());
    assert!(fact.is_by(&alice.node()));
    let erased = alice.write(erase(fact));
    assert!(alice.db.reader().purge_pending().unwrap());
    nothing_shows(&alice, fact);
    clean(&mut alice);
    assert_eq!(alice.write(erase(fact)).outcome, Outcome::Unchanged);
    assert_eq!(alice.forget(fact).event, erased.event);
    bob.pull(&alice);
    nothing_shows(&bob, fact);
    clean(&mut bob);
    alice.pull(&bob);
    assert_eq!(alice.db.reader().state_hash().unwrap(), bob.db.reader().state_hash().unwrap());
    nothing_shows(&alice, fact);
}

#[test]
fn nobody_but_its_author_or_a_steward_erases_a_fact() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let mut eve = join(6, "eve", &mut alice, &genome);
    let bobs = bob.remember("bob's own");
    let imported = FactId::of_source("memory-server", "a");
    let provenance = no_provenance();
    bob.write(Draft::Remember { id: Some(imported), edit: text("imported"), provenance, idempotency_key: None });
    eve.pull(&bob);
    let refused = |fact, author| Err(AuthorError::NotYours { fact, author });
    assert_eq!(eve.try_write(erase(bobs)), refused(bobs, Some(bob.node())));
    assert_eq!(bob.try_write(erase(imported)), refused(imported, None));
    assert_eq!(eve.try_write(erase(FactId([1; 16]))), Err(AuthorError::NotFound(FactId([1; 16]))));
    alice.pull(&bob);
    for fact in [bobs, imported] {
        alice.write(erase(fact));
        assert!(view(&alice, fact).erased);
        assert_eq!(alice.try_write(edit(fact, "back")), Err(AuthorError::Erased(fact)));
        let restored = alice.try_write(Draft::Restore { fact, provenance: no_provenance() });
        assert_eq!(restored, Err(AuthorError::Erased(fact)));
    }
    bob.pull(&alice);
    assert!(view(&bob, bobs).erased && view(&bob, imported).erased);
    let again =
        Draft::Remember { id: Some(imported), edit: text("again"), provenance: no_provenance(), idempotency_key: None };
    assert_eq!(bob.write(again).outcome, Outcome::Existed);
    assert_eq!(bob.content(imported), None);
}

#[test]
fn an_erasure_beats_edits_that_have_not_heard_of_it() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.write(secret()).fact.unwrap();
    bob.pull(&alice);
    bob.write(edit(fact, "bob says vqcontentkx too"));
    alice.write(erase(fact));
    bob.write(edit(fact, "bob says vqcontentkx again"));
    clean(&mut alice);
    alice.pull(&bob);
    nothing_shows(&alice, fact);
    assert_eq!(canaries(&alice), Vec::<String>::new());
    bob.pull(&alice);
    nothing_shows(&bob, fact);
    clean(&mut bob);
    alice.pull(&bob);
    assert_eq!(alice.db.reader().state_hash().unwrap(), bob.db.reader().state_hash().unwrap());
}

#[test]
fn the_text_comes_back_by_no_way() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.write(secret()).fact.unwrap();
    let old = run(&alice, alice.shared());
    bob.pull(&alice);
    bob.write(edit(fact, "vqcontentkx by bob"));
    let bobs_old = run(&bob, bob.shared());
    alice.write(erase(fact));
    alice.pull(&bob);
    clean(&mut alice);
    // An old page, an old backup or a bundle hand over the events as they were.
    for (log, node, events) in [old, bobs_old] {
        let applied = apply(&mut alice, (log, node, events.clone()));
        assert_eq!((applied.stored, applied.filled), (0, 0));
        let payload = |event: &Event| Some((log, event.header().seq, event.payload()?.to_vec()));
        let payloads: Vec<_> = events.iter().filter_map(payload).collect();
        assert_eq!(alice.db.fill_payloads(&payloads).unwrap(), 0);
    }
    nothing_shows(&alice, fact);
    assert_eq!(canaries(&alice), Vec::<String>::new());
    // What is derived is derived again.
    let (before, hash) = (view(&alice, fact), alice.db.reader().state_hash().unwrap());
    alice.db.rebuild().unwrap();
    alice.reopen();
    assert_eq!(view(&alice, fact), before);
    assert_eq!(alice.db.reader().state_hash().unwrap(), hash);
    nothing_shows(&alice, fact);
    clean(&mut alice);
}

#[test]
fn a_restored_home_erases_again_as_soon_as_it_hears() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.write(secret()).fact.unwrap();
    bob.pull(&alice);
    let copy = tempfile::tempdir().unwrap();
    assert!(bob.db.purge().unwrap());
    std::fs::copy(bob.home.path().join("antiphon.db"), copy.path().join("antiphon.db")).unwrap();
    let wal = bob.home.path().join("antiphon.db-wal");
    std::fs::copy(wal, copy.path().join("antiphon.db-wal")).unwrap();
    alice.write(erase(fact));
    bob.pull(&alice);
    clean(&mut bob);
    let mut bob = Machine::at(2, copy);
    assert!(bob.content(fact).is_some());
    bob.pull(&alice);
    nothing_shows(&bob, fact);
    clean(&mut bob);
}

#[test]
fn an_erasure_waits_until_its_author_is_known_as_a_steward() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let mut carol = join(3, "carol", &mut alice, &genome);
    let fact = alice.write(secret()).fact.unwrap();
    carol.pull(&alice);
    bob.pull(&alice);
    alice.write(Draft::Record(Record::StewardChange(StewardChange { node: bob.node(), add: true })));
    bob.pull(&alice);
    bob.write(erase(fact));
    let applied = apply(&mut carol, run(&bob, bob.shared()));
    assert_eq!(applied.quarantined, 1);
    let waiting = carol.db.reader().quarantined(10).unwrap();
    assert_eq!(waiting.iter().map(|event| event.cause).collect::<Vec<_>>(), [Cause::NotAllowed]);
    assert_eq!(waiting[0].cause.name(), "auth");
    assert!(!view(&carol, fact).erased);
    carol.pull(&alice);
    assert!(carol.db.reader().quarantined(10).unwrap().is_empty());
    nothing_shows(&carol, fact);
    clean(&mut carol);
    // Whoever was a steward once keeps this right: nobody can tell for certain what came first.
    alice.pull(&bob);
    alice.write(Draft::Record(Record::StewardChange(StewardChange { node: bob.node(), add: false })));
    let other = alice.remember("another");
    bob.pull(&alice);
    bob.write(erase(other));
    alice.pull(&bob);
    assert!(view(&alice, other).erased);
}

#[test]
fn an_erasure_that_stops_counting_erases_nothing_that_comes_later() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let mut carol = join(3, "carol", &mut alice, &genome);
    let fact = bob.remember("bob's");
    carol.pull(&bob);
    alice.pull(&bob);
    bob.write(erase(fact));
    carol.pull(&bob);
    assert!(view(&carol, fact).erased);
    let gaps = |machine: &Machine| machine.db.reader().custody(NOW).unwrap().unwrap().gaps;
    assert_eq!(gaps(&carol), [], "nobody is to hold what is erased");
    // Alice never saw the erasure, so her cut lies before it.
    let revoke =
        Revoke { node: bob.node(), reason: "left".into(), compromised: false, cuts: Vec::new(), role_keys: Vec::new() };
    alice.write(Draft::Revoke(revoke));
    carol.pull(&alice);
    let now = view(&carol, fact);
    assert!(!now.erased && !now.forgotten && now.incomplete);
    // The text, and who erased it for which reason.
    assert_eq!(carol.db.reader().missing_payloads(10).unwrap().len(), 2);
    assert_eq!(gaps(&carol).iter().map(|gap| (gap.first, gap.last)).collect::<Vec<_>>(), [(2, 3)]);
    let (log, _, events) = run(&alice, bob.shared());
    let text = events.iter().find(|event| event.header().subject.fact() == Some(fact)).unwrap();
    let payload = (log, text.header().seq, text.payload().unwrap().to_vec());
    assert_eq!(carol.db.fill_payloads(&[payload]).unwrap(), 1);
    assert_eq!(carol.content(fact).as_deref(), Some("bob's"));
    check(&carol);
}

#[test]
fn local_copies_and_other_branches_go_as_well() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    // A fact that was local first and published later stands in two logs.
    let draft = |level: u64| {
        let Draft::Remember { edit, provenance, .. } = secret() else { unreachable!() };
        Draft::Remember {
            id: None,
            edit: edit.set(Field::Level, Value::Uint(level)),
            provenance,
            idempotency_key: None,
        }
    };
    let fact = alice.write(draft(2)).fact.unwrap();
    alice.edit(fact, Field::Level, Value::Uint(1));
    let local = alice.write(draft(3)).fact.unwrap();
    assert_eq!(view(&alice, local).stream, Stream::Local);
    bob.pull(&alice);
    alice.write(erase(fact));
    let erased = alice.write(erase(local));
    assert_eq!(erased.log.stream, Stream::Local);
    nothing_shows(&alice, fact);
    nothing_shows(&alice, local);
    assert!(alice.db.reader().erasure(local).unwrap().unwrap().members.is_empty());
    clean(&mut alice);
    bob.pull(&alice);
    clean(&mut bob);
}

#[test]
fn the_branch_that_is_kept_as_evidence_holds_no_erased_text() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.write(secret()).fact.unwrap();
    let mut eve = join(6, "eve", &mut alice, &genome);
    eve.pull(&alice);
    bob.pull(&alice);
    // Eve copies her home and writes two branches.
    let copy = tempfile::tempdir().unwrap();
    assert!(eve.db.purge().unwrap());
    for name in ["antiphon.db", "antiphon.db-wal"] {
        std::fs::copy(eve.home.path().join(name), copy.path().join(name)).unwrap();
    }
    let mut twin = Machine::at(6, copy);
    eve.write(edit(fact, "one vqcontentkx"));
    twin.now = twin.now.after(10);
    twin.write(edit(fact, "two vqcontentkx"));
    let (one, two) = (run(&eve, eve.shared()), run(&twin, twin.shared()));
    apply(&mut bob, one.clone());
    assert!(apply(&mut bob, two.clone()).fork.is_some());
    alice.write(erase(fact));
    bob.pull(&alice);
    clean(&mut bob);
    // And one that comes after the erasure is kept without its text.
    apply(&mut alice, one);
    assert!(apply(&mut alice, two).fork.is_some());
    clean(&mut alice);
    nothing_shows(&alice, fact);
}

#[test]
fn a_copy_of_a_former_team_is_cleaned_too() {
    let (mut alice, _) = alice();
    let fact = alice.write(secret()).fact.unwrap();
    let (bob, genome) = crate::common::founder(2, "bob");
    let mut bob = bob;
    bob.write(grant(alice.node(), "alice"));
    let (identity, random, charter) = (alice.identity("alice"), alice.random(), charter_runs(&bob));
    let identity = antiphon_store::Identity { nonce: [77; 16], ..identity };
    alice.db.move_to_team(&identity, &genome, charter, Bring::Shared, NOW, random).unwrap();
    index(&mut alice);
    assert!(canaries(&alice).iter().any(|found| found.contains("antiphon-")));
    alice.write(erase(fact));
    clean(&mut alice);
    nothing_shows(&alice, fact);
}

/// A client repeats what it said before its node moved to another team, where others would now be shown it.
#[test]
fn what_was_forgotten_before_a_move_is_not_brought_back_by_its_key() {
    let (mut alice, _) = alice();
    let keyed = |key: &str| Draft::Remember {
        id: None,
        edit: text(&format!("said as {key}")),
        provenance: no_provenance(),
        idempotency_key: Some(key.into()),
    };
    let mut said = |key: &str| alice.write(keyed(key)).fact.unwrap();
    let (stays, forgotten, erased) = (said("stays"), said("forgotten"), said("erased"));
    alice.forget(forgotten);
    alice.write(erase(erased));
    let (mut bob, genome) = crate::common::founder(2, "bob");
    bob.write(grant(alice.node(), "alice"));
    let (identity, random, charter) = (alice.identity("alice"), alice.random(), charter_runs(&bob));
    let identity = antiphon_store::Identity { nonce: [77; 16], ..identity };
    alice.db.move_to_team(&identity, &genome, charter, Bring::Shared, NOW, random).unwrap();
    assert_eq!(alice.try_write(keyed("forgotten")), Err(AuthorError::Erased(forgotten)));
    assert_eq!(alice.try_write(keyed("erased")), Err(AuthorError::Erased(erased)));
    let again = alice.write(keyed("stays"));
    assert_eq!((again.outcome, again.fact), (Outcome::Existed, Some(stays)));
    assert_eq!(alice.db.reader().counts().unwrap().facts, 1);
}

#[test]
fn a_reader_in_the_way_is_waited_for_and_a_crash_forgets_nothing() {
    let (mut alice, _) = alice();
    let fact = alice.write(secret()).fact.unwrap();
    index(&mut alice);
    let reader = rusqlite::Connection::open(alice.home.path().join("antiphon.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM facts;").unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM facts", [], |row| row.get(0)).unwrap();
    alice.write(erase(fact));
    assert!(!alice.db.purge().unwrap());
    assert!(alice.db.reader().purge_pending().unwrap());
    // Writes go on meanwhile.
    alice.remember("something else");
    assert!(!alice.db.purge().unwrap());
    // The process dies and starts anew.
    alice.reopen();
    assert!(alice.db.reader().purge_pending().unwrap());
    reader.execute_batch("COMMIT").unwrap();
    clean(&mut alice);
}

#[test]
fn stale_copies_in_the_gaps_of_pages_go_as_well() {
    let (mut alice, _) = alice();
    let mut facts = Vec::new();
    for n in 0..400 {
        let filler = "x ".repeat(20 + n * 37 % 200);
        facts.push(alice.remember(&format!("vqcontentkx {n} {filler}")));
        if n % 3 == 0 {
            alice.edit(facts[n / 2], Field::Domain, format!("domain {} {n}", "long ".repeat(20)).as_str().into());
        }
    }
    index(&mut alice);
    for fact in &facts {
        alice.write(erase(*fact));
    }
    clean(&mut alice);
    let all = FactFilter { include_forgotten: true, ..FactFilter::default() };
    assert!(alice.db.reader().facts(&all, 1_000, None).unwrap().iter().all(|view| view.erased));
    assert_eq!(alice.db.reader().counts().unwrap().erased, 400);
}

/// What one of three machines does: which, what, to which fact.
type Step = (usize, u8, prop::sample::Index);

fn act(machines: &mut [Machine], facts: &mut Vec<FactId>, (who, kind, which): Step) {
    if kind == 0 {
        let (from, to) = ((who + 1) % machines.len(), who);
        let [from, to] = machines.get_disjoint_mut([from, to]).unwrap();
        to.pull(from);
        return;
    }
    let machine = &mut machines[who];
    if kind == 1 || facts.is_empty() {
        facts.push(machine.remember("vqcontentkx"));
        return;
    }
    let fact = facts[which.index(facts.len())];
    let provenance = no_provenance();
    // The fact may not have come here yet, be gone, or be somebody else's; then nothing happens.
    drop(machine.try_write(match kind {
        2 | 3 => edit(fact, &format!("vqcontentkx by {who}")),
        4 => Draft::Forget { fact, provenance },
        5 => Draft::Restore { fact, provenance },
        _ => erase(fact),
    }));
}

fn rows(machine: &Machine) -> Vec<FactView> {
    let filter = FactFilter { include_archived: true, include_forgotten: true, ..FactFilter::default() };
    machine.db.reader().facts(&filter, 10_000, None).unwrap()
}

/// Every payload of a fact that is held.
fn payloads(machine: &Machine, fact: FactId) -> usize {
    machine.db.reader().history(fact).unwrap().iter().filter(|edit| edit.provenance.is_some()).count()
}

type Piece = (LogId, NodeId, Vec<Event>);

/// The runs of every machine, cut into pieces that end at a signature.
fn pieces(machines: &[Machine]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for machine in machines {
        let mut after = 0;
        loop {
            let page = machine.db.reader().page(machine.shared(), after, 2, 1 << 20, None).unwrap();
            let Some(last) = page.last() else { break };
            after = last.header().seq;
            pieces.push((machine.shared(), machine.node(), page));
        }
    }
    pieces
}

/// Hands over pieces, and the charter among them, in an order that `turns` choose; that of each log stays.
fn deliver(to: &mut Machine, mut pieces: Vec<Piece>, charter: Piece, turns: &[prop::sample::Index]) {
    let mut charter = Some(charter);
    for turn in turns.iter().cycle() {
        if pieces.is_empty() {
            break;
        }
        let at = turn.index(pieces.len() + usize::from(charter.is_some()));
        if at == pieces.len() {
            apply(to, charter.take().unwrap());
            continue;
        }
        let log = pieces[at].0;
        let first = pieces.iter().position(|(other, ..)| *other == log).unwrap();
        let piece = pieces.remove(first);
        apply(to, piece);
    }
    if let Some(charter) = charter {
        apply(to, charter);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn erasing_does_not_depend_on_the_order_of_arrival(
        steps in prop::collection::vec((0..3_usize, 0..8_u8, any::<prop::sample::Index>()), 1..40),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let (mut alice, genome) = alice();
        let bob = join(2, "bob", &mut alice, &genome);
        let carol = join(3, "carol", &mut alice, &genome);
        let early = charter_runs(&alice);
        alice.write(Draft::Record(Record::StewardChange(StewardChange { node: bob.node(), add: true })));
        let mut machines = [alice, bob, carol];
        {
            let [alice, bob] = machines.get_disjoint_mut([0, 1]).unwrap();
            bob.pull(alice);
        }
        let mut facts = Vec::new();
        for step in steps {
            act(&mut machines, &mut facts, step);
        }
        let charter = run(&machines[0], machines[0].charter());
        let pieces = pieces(&machines);
        let [mut dan, mut eve] = [4, 5].map(|n| {
            let mut machine = Machine::new(n);
            let identity = machine.identity("reader");
            machine.db.adopt_team(&identity, &genome, early.clone(), NOW, [n; 32]).unwrap();
            machine
        });
        // Dan hears of the second steward first, eve in the middle of it all.
        apply(&mut dan, charter.clone());
        for piece in pieces.clone() {
            apply(&mut dan, piece);
        }
        deliver(&mut eve, pieces, charter, &turns);
        prop_assert_eq!(rows(&dan), rows(&eve));
        let (to_dan, to_eve) = (run(&eve, eve.shared()), run(&dan, dan.shared()));
        apply(&mut dan, to_dan);
        apply(&mut eve, to_eve);
        prop_assert_eq!(dan.db.reader().state_hash().unwrap(), eve.db.reader().state_hash().unwrap());
        for machine in [&mut dan, &mut eve] {
            for view in rows(machine).iter().filter(|view| view.erased) {
                prop_assert_eq!(payloads(machine, view.fact.id), 0);
                prop_assert!(view.fact.content.is_none() && view.diverged.is_empty());
            }
            let before = rows(machine);
            machine.db.rebuild().unwrap();
            prop_assert_eq!(before, rows(machine));
            check(machine);
            prop_assert!(machine.db.purge().unwrap());
            let left = rows(machine).iter().any(|view| !view.erased);
            prop_assert!(left || canaries(machine).is_empty());
        }
    }
}

#[test]
fn a_page_after_an_erasure_carries_headers_and_its_reader_misses_nothing() {
    let (mut alice, genome) = alice();
    let fact = alice.write(secret()).fact.unwrap();
    alice.write(erase(fact));
    let mut bob = join(2, "bob", &mut alice, &genome);
    let events = alice.db.reader().page(alice.shared(), 0, 512, 1 << 20, Some(&bob.node())).unwrap();
    let about: Vec<bool> = events
        .iter()
        .filter(|event| event.header().subject.fact() == Some(fact))
        .map(|event| event.payload().is_some())
        .collect();
    assert_eq!(about, [false, false]);
    bob.pull(&alice);
    nothing_shows(&bob, fact);
    assert!(!bob.db.reader().purge_pending().unwrap());
    assert_eq!(bob.db.reader().clock().unwrap().get(&alice.shared()).unwrap().seq, events.len() as u64);
    assert_ne!(Head::EMPTY.seq, events.len() as u64);
}
