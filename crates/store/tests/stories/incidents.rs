//! Incidents: reported on one machine, followed on all.

use crate::common::{Machine, NOW, alice, join, no_provenance, verified};
use crate::sync::twin;
use antiphon_core::charter::{Cut, Revoke};
use antiphon_core::event::{Action, Event, Header, Payload, Provenance, Subject};
use antiphon_core::ids::{EventId, Hash, IncidentId};
use antiphon_core::incident::{Error, Field, IncidentEdit, KillChainPhase, Severity, Status};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::time::Hlc;
use antiphon_core::value::Value;
use antiphon_core::vclock::VClock;
use antiphon_store::{AuthorError, Bring, Cause, Draft, IncidentFilter, IncidentView, Outcome, Resolved};

fn titled(title: &str) -> IncidentEdit {
    IncidentEdit::new().set(Field::Title, title.into())
}

fn status(status: Status) -> IncidentEdit {
    IncidentEdit::new().set(Field::Status, Value::Uint(status.number()))
}

fn severity(severity: Severity) -> IncidentEdit {
    IncidentEdit::new().set(Field::Severity, Value::Uint(severity.number()))
}

fn report(machine: &mut Machine, edit: IncidentEdit) -> IncidentId {
    let draft = Draft::ReportIncident { id: None, edit, provenance: no_provenance() };
    machine.write(draft).incident.unwrap()
}

fn update(machine: &mut Machine, incident: IncidentId, edit: IncidentEdit) -> Outcome {
    machine.write(Draft::UpdateIncident { incident, edit, provenance: no_provenance() }).outcome
}

fn show(machine: &Machine, id: IncidentId) -> IncidentView {
    machine.db.reader().incident(id).unwrap().unwrap()
}

fn check(machine: &Machine) {
    let report = machine.db.reader().verify().unwrap();
    assert!(report.is_good(), "{report:?}");
}

fn check_alike(a: &Machine, b: &Machine) {
    check(a);
    check(b);
    assert_eq!(a.db.reader().state_hash().unwrap(), b.db.reader().state_hash().unwrap());
    let all = |machine: &Machine| machine.db.reader().incidents(&IncidentFilter::default(), 100, None).unwrap();
    assert_eq!(all(a), all(b));
}

/// Alice and bob, who both know of one incident that alice reported.
fn two_who_know() -> (Machine, Machine, IncidentId) {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let id = report(&mut alice, titled("a shell where none should be"));
    bob.pull(&alice);
    alice.pull(&bob);
    check_alike(&alice, &bob);
    (alice, bob, id)
}

#[test]
fn an_incident_is_shown_on_every_machine_with_who_reported_it() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let techniques = ["T1059".to_owned(), "T1059.001".to_owned()];
    let edit = titled("a shell where none should be")
        .set(Field::Description, "seen on\ntwo hosts".into())
        .set(Field::EventCount, Value::Uint(12))
        .set(Field::CorrelationRule, "shell-after-upload".into())
        .set(Field::KillChainPhase, Value::Uint(KillChainPhase::Exploitation.number()))
        .set(Field::MitreMapping, Value::texts(&techniques));
    let provenance = Provenance { agent: Some("claude".into()), ..no_provenance() };
    let written = alice.write(Draft::ReportIncident { id: None, edit, provenance });
    let id = written.incident.unwrap();
    assert_eq!((written.fact, written.log.stream, written.outcome), (None, Stream::Shared, Outcome::Written));
    let applied = bob.pull(&alice);
    assert_eq!(applied.iter().map(|one| (one.facts, one.quarantined, one.deferred)).max(), Some((0, 0, 0)));
    let shown = show(&bob, id);
    assert_eq!(shown.incident.title.as_deref(), Some("a shell where none should be"));
    assert_eq!((shown.incident.status, shown.incident.severity), (Status::Open, Severity::Medium));
    assert_eq!(shown.incident.kill_chain_phase, Some(KillChainPhase::Exploitation));
    assert_eq!((shown.incident.event_count, shown.incident.mitre_mapping.as_slice()), (12, techniques.as_slice()));
    assert_eq!((shown.reporter.node, shown.reporter.name.as_str()), (alice.node(), "alice"));
    assert_eq!((shown.provenance.agent.as_deref(), shown.incident.created_at), (Some("claude"), id.time()));
    assert!(shown.diverged.is_empty() && !shown.incomplete);
    // Whoever works on it later did not report it.
    assert_eq!(update(&mut bob, id, titled("a web shell")), Outcome::Written);
    alice.pull(&bob);
    assert_eq!(
        (show(&alice, id).reporter.node, show(&alice, id).incident.title.as_deref()),
        (alice.node(), Some("a web shell"))
    );
    check_alike(&alice, &bob);
}

#[test]
fn an_update_that_changes_nothing_writes_nothing_and_an_unfit_one_is_refused() {
    let (mut alice, _) = alice();
    let id = report(&mut alice, titled("one").set(Field::Description, "what is known".into()));
    assert_eq!(update(&mut alice, id, status(Status::Contained)), Outcome::Written);
    assert_eq!(update(&mut alice, id, status(Status::Contained)), Outcome::Unchanged);
    assert_eq!(update(&mut alice, id, IncidentEdit::new().clear(Field::Description)), Outcome::Written);
    assert_eq!(
        (show(&alice, id).incident.description, alice.db.reader().incident_history(id).unwrap().len()),
        (None, 3)
    );
    let mut refused = |draft| alice.try_write(draft).unwrap_err();
    let nobody = IncidentId([7; 16]);
    let to = |incident, edit| Draft::UpdateIncident { incident, edit, provenance: no_provenance() };
    assert_eq!(refused(to(nobody, status(Status::Closed))), AuthorError::IncidentNotFound(nobody));
    assert_eq!(refused(to(id, IncidentEdit::new())), AuthorError::Incident(Error::Nothing));
    assert_eq!(refused(to(id, IncidentEdit::new().clear(Field::Title))), AuthorError::Incident(Error::NoTitle));
    let untitled = Draft::ReportIncident { id: None, edit: status(Status::Open), provenance: no_provenance() };
    assert_eq!(refused(untitled), AuthorError::Incident(Error::NoTitle));
    check(&alice);
}

#[test]
fn the_same_incident_reported_twice_is_one() {
    let (mut alice, _) = alice();
    let id = IncidentId([3; 16]);
    let again = || Draft::ReportIncident { id: Some(id), edit: titled("imported"), provenance: no_provenance() };
    assert_eq!(alice.write(again()).outcome, Outcome::Written);
    assert_eq!(alice.write(again()).outcome, Outcome::Existed);
    assert_eq!(alice.db.reader().counts().unwrap().incidents, 1);
    assert_eq!(alice.db.reader().counts().unwrap().facts, 0);
}

#[test]
fn concurrent_updates_of_different_fields_merge_by_themselves() {
    let (mut alice, mut bob, id) = two_who_know();
    update(&mut alice, id, status(Status::Investigating));
    update(&mut bob, id, severity(Severity::Critical));
    bob.pull(&alice);
    alice.pull(&bob);
    let shown = show(&alice, id);
    assert_eq!((shown.incident.status, shown.incident.severity), (Status::Investigating, Severity::Critical));
    assert!(shown.diverged.is_empty());
    check_alike(&alice, &bob);
}

#[test]
fn concurrent_updates_of_one_field_are_both_kept_until_somebody_settles_them() {
    let (mut alice, mut bob, id) = two_who_know();
    update(&mut alice, id, status(Status::Resolved));
    update(&mut bob, id, status(Status::Contained));
    bob.pull(&alice);
    alice.pull(&bob);
    check_alike(&alice, &bob);
    let shown = show(&alice, id);
    let sides: Vec<_> = shown.diverged.iter().map(|side| (side.field, side.value.clone().flatten().unwrap())).collect();
    let value = |status: Status| Value::Uint(status.number());
    assert_eq!(sides.len(), 2);
    assert_eq!(sides[0], (Field::Status, value(shown.incident.status)), "the shown one comes first");
    assert!(sides.contains(&(Field::Status, value(Status::Resolved))));
    assert!(sides.contains(&(Field::Status, value(Status::Contained))));
    let diverged = IncidentFilter { diverged: true, ..IncidentFilter::default() };
    assert_eq!(bob.db.reader().incidents(&diverged, 10, None).unwrap().len(), 1);
    // Saying again what is shown settles it, because it has seen both.
    assert_eq!(update(&mut bob, id, status(shown.incident.status)), Outcome::Written);
    alice.pull(&bob);
    assert!(show(&alice, id).diverged.is_empty());
    check_alike(&alice, &bob);
}

fn revoke(alice: &mut Machine, eve: &Machine, cuts: Vec<Cut>) {
    let revoke = Revoke { node: eve.node(), reason: "x".into(), compromised: true, cuts, role_keys: Vec::new() };
    alice.write(Draft::Revoke(revoke));
}

#[test]
fn a_cut_takes_back_what_was_written_beyond_it() {
    let (mut alice, genome) = alice();
    let mut eve = join(3, "eve", &mut alice, &genome);
    let id = report(&mut alice, titled("a shell").set(Field::Severity, Value::Uint(Severity::High.number())));
    eve.pull(&alice);
    let log = eve.shared();
    let head = eve.db.reader().clock().unwrap()[&log];
    update(&mut eve, id, status(Status::Closed));
    let own = report(&mut eve, titled("alice did it"));
    alice.pull(&eve);
    assert_eq!(show(&alice, id).incident.status, Status::Closed);
    assert!(alice.db.reader().incident(own).unwrap().is_some());
    revoke(&mut alice, &eve, vec![Cut { log, head }]);
    assert_eq!((show(&alice, id).incident.status, show(&alice, id).incident.severity), (Status::Open, Severity::High));
    assert_eq!(alice.db.reader().incident(own).unwrap(), None);
    let causes: Vec<Cause> = alice.db.reader().quarantined(10).unwrap().iter().map(|one| one.cause).collect();
    assert_eq!(causes, [Cause::BeyondCut; 2]);
    check(&alice);
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.pull(&alice);
    alice.pull(&bob);
    check_alike(&alice, &bob);
}

#[test]
fn a_fork_takes_incidents_back_and_a_new_store_reports_them_again() {
    let (mut alice, mut bob, id) = two_who_know();
    let mut twin = twin(&bob);
    update(&mut twin, id, severity(Severity::Info));
    alice.pull(&twin);
    let own = report(&mut bob, titled("beyond the fork"));
    update(&mut bob, own, status(Status::Investigating));
    update(&mut bob, id, status(Status::Contained));
    let (log, key) = (bob.shared(), bob.node());
    let other = twin.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
    let head = bob.db.reader().clock().unwrap()[&log];
    assert!(bob.db.note_sent(log, head).unwrap());
    assert!(bob.db.apply_run(log, key, other, None, NOW).unwrap().fork.is_some());
    assert_eq!(bob.db.reader().incident(own).unwrap(), None);
    assert_eq!(show(&bob, id).incident.status, Status::Open);
    let (now, random) = (bob.tick(), bob.random());
    let opened = bob.db.write_again(true, now, random).unwrap().opened.unwrap();
    let next = LogId::new(opened.store, Stream::Shared);
    for log in [log, next] {
        let page = bob.db.reader().page(log, 0, 512, 1 << 20, None).unwrap();
        let _ = alice.db.apply_run(log, key, page, None, NOW).unwrap();
    }
    for machine in [&alice, &bob] {
        assert_eq!(
            (show(machine, own).incident.status, show(machine, own).reporter.name.as_str()),
            (Status::Investigating, "bob")
        );
        let shown = show(machine, id).incident;
        assert_eq!((shown.status, shown.severity), (Status::Contained, Severity::Info), "both branches are said again");
        check(machine);
    }
}

#[test]
fn rebuilding_gives_the_same_incidents() {
    let (mut alice, mut bob, id) = two_who_know();
    update(&mut alice, id, status(Status::Resolved));
    update(&mut bob, id, status(Status::Contained));
    bob.pull(&alice);
    let (before, hash) = (show(&bob, id), bob.db.reader().state_hash().unwrap());
    bob.db.rebuild().unwrap();
    assert_eq!((show(&bob, id), bob.db.reader().state_hash().unwrap()), (before, hash));
    bob.reopen();
    assert_eq!(show(&bob, id).diverged.len(), 2);
    check(&bob);
}

#[test]
fn incidents_move_along_when_what_is_shared_is_brought() {
    for (bring, comes) in [(Bring::Shared, true), (Bring::None, false)] {
        let (mut alice, genome) = alice();
        let (mut bob, _) = crate::common::founder(2, "bob");
        let id = report(&mut bob, titled("an old one"));
        update(&mut bob, id, status(Status::Closed));
        alice.write(crate::common::grant(bob.node(), "bob"));
        let identity = antiphon_store::Identity { nonce: [77; 16], ..bob.identity("bob") };
        let (charter, random) = (crate::common::charter_runs(&alice), bob.random());
        bob.db.move_to_team(&identity, &genome, charter, bring, NOW, random).unwrap();
        assert_eq!(bob.db.reader().incident(id).unwrap().is_some(), comes);
        alice.pull(&bob);
        bob.pull(&alice);
        check_alike(&alice, &bob);
        if comes {
            let shown = show(&alice, id);
            assert_eq!((shown.incident.status, shown.incident.created_at), (Status::Closed, id.time()));
        }
    }
}

#[test]
fn incidents_are_listed_newest_first_page_by_page_and_filtered() {
    let (mut alice, _) = alice();
    for n in 0..5_u64 {
        let edit = titled(&format!("incident {n}")).set(Field::Severity, Value::Uint(n % 2));
        report(&mut alice, edit.set(Field::Status, Value::Uint(n % 3)));
    }
    let list = |filter: &IncidentFilter, limit, after| -> Vec<IncidentId> {
        alice.db.reader().incidents(filter, limit, after).unwrap().iter().map(|view| view.incident.id).collect()
    };
    let every = IncidentFilter::default();
    let all = list(&every, 10, None);
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted_by(|a, b| a > b));
    assert_eq!(list(&every, 2, Some(all[1])), all[2..4]);
    assert_eq!(list(&IncidentFilter { severity: Some(Severity::Low), ..every }, 10, None).len(), 2);
    assert_eq!(list(&IncidentFilter { status: Some(Status::Contained), ..every }, 10, None), [all[2]]);
    let text = all[0].to_string();
    let reader = alice.db.reader();
    assert_eq!(reader.resolve_incident(&text.to_lowercase()).unwrap(), Resolved::One(all[0]));
    assert!(matches!(reader.resolve_incident(&text[..4]).unwrap(), Resolved::Ambiguous(ids) if ids.len() == 5));
    assert_eq!(reader.resolve_incident("7ZZZZZ").unwrap(), Resolved::None);
    assert_eq!(reader.resolve_fact(&text).unwrap(), Resolved::None, "an incident is no fact");
}

/// An event of eve's shared log that no honest node would write, signed by her all the same.
fn made_up(eve: &Machine, head: Head, change: impl FnOnce(&mut Header)) -> Event {
    let log = eve.shared();
    let fields = IncidentEdit::new().set(Field::Title, "made up".into());
    let payload = Payload { salt: [1; 16], provenance: no_provenance(), fields: fields.values() };
    let payload = payload.encode(Stream::Shared).unwrap();
    let mut header = Header {
        team: eve.db.own().unwrap().team,
        id: EventId([9; 16]),
        store: log.store,
        stream: Stream::Shared,
        seq: head.seq + 1,
        prev: head.hash,
        hlc: Hlc(1),
        action: Action::Set,
        subject: Subject::Incident(IncidentId([5; 16])),
        version: [(log.store, 1)].into_iter().collect::<VClock>(),
        fields: fields.bits(),
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    change(&mut header);
    let mut event = Event::author(header, payload).unwrap();
    event.sign(eve.key.as_ref());
    event
}

#[test]
fn malformed_incidents_are_kept_with_their_cause_and_harm_no_other() {
    let (mut alice, genome) = alice();
    let eve = join(3, "eve", &mut alice, &genome);
    alice.pull(&eve);
    let log = eve.shared();
    type Change = fn(&mut Header);
    let bad: [(Change, Cause); 5] = [
        (|header| header.version = VClock::new(), Cause::Malformed),
        (|header| header.action = Action::Forget, Cause::Malformed),
        (|header| header.action = Action::Unknown(99), Cause::UnknownAction),
        (|header| header.subject = Subject::Unknown { kind: 99, id: vec![1] }, Cause::UnknownType),
        (|header| header.subject = Subject::Role("king".into()), Cause::Malformed),
    ];
    let take = |alice: &mut Machine, event: Event| {
        let head = alice.db.reader().clock().unwrap()[&log];
        let events = verified(alice, log, eve.node(), head, vec![event]);
        let now = alice.tick();
        alice.db.apply_run(log, eve.node(), events, None, now).unwrap()
    };
    for (change, cause) in bad {
        let head = alice.db.reader().clock().unwrap()[&log];
        let applied = take(&mut alice, made_up(&eve, head, change));
        assert_eq!(applied.quarantined + applied.deferred, 1, "{cause:?}");
        assert_eq!(alice.db.reader().quarantined(10).unwrap().last().unwrap().cause, cause);
        assert_eq!(alice.db.reader().incidents(&IncidentFilter::default(), 10, None).unwrap(), []);
    }
    let head = alice.db.reader().clock().unwrap()[&log];
    assert_eq!(take(&mut alice, made_up(&eve, head, |_| {})).quarantined, 0);
    assert_eq!(show(&alice, IncidentId([5; 16])).reporter.name, "eve");
    // A payload that does not keep to its header: the header counts, the values are not known.
    let head = alice.db.reader().clock().unwrap()[&log];
    let applied = take(
        &mut alice,
        made_up(&eve, head, |header| {
            header.fields = Field::Status.mask();
            header.version = [(header.store, 2)].into_iter().collect();
        }),
    );
    assert_eq!(applied.quarantined, 1);
    let shown = show(&alice, IncidentId([5; 16]));
    assert_eq!((shown.incident.title.as_deref(), shown.incomplete), (Some("made up"), true));
    check(&alice);
    alice.db.rebuild().unwrap();
    assert_eq!(show(&alice, IncidentId([5; 16])), shown);
    check(&alice);
}

#[test]
fn an_incident_of_a_local_log_does_not_count() {
    let (mut alice, _) = alice();
    let own = alice.db.own().unwrap().store;
    let log = LogId::new(own, Stream::Local);
    let head = alice.db.reader().logs().unwrap().into_iter().find(|view| view.log == log).unwrap().head;
    let event = made_up(&alice, head, |header| header.stream = Stream::Local);
    let (node, now) = (alice.node(), alice.tick());
    let applied = alice.db.apply_run(log, node, verified(&alice, log, node, head, vec![event]), None, now).unwrap();
    assert_eq!((applied.deferred, alice.db.reader().counts().unwrap().incidents), (1, 0));
    check(&alice);
}

#[test]
fn a_text_that_comes_later_completes_the_incident() {
    let (mut alice, mut bob, _) = two_who_know();
    let id = report(&mut alice, titled("late"));
    let log = alice.shared();
    let head = bob.db.reader().clock().unwrap()[&log];
    let page = alice.db.reader().page(log, head.seq, 512, 1 << 20, None).unwrap();
    let bare = page.iter().cloned().map(Event::without_payload).collect();
    let (node, now) = (alice.node(), bob.tick());
    let events = verified(&bob, log, node, head, bare);
    let _applied = bob.db.apply_run(log, node, events, None, now).unwrap();
    assert_eq!((show(&bob, id).incident.title, show(&bob, id).incomplete), (None, true));
    assert_eq!(bob.db.reader().state_hash().unwrap(), alice.db.reader().state_hash().unwrap());
    let payloads: Vec<_> =
        page.iter().map(|event| (log, event.header().seq, event.payload().unwrap().to_vec())).collect();
    assert_eq!(bob.db.fill_payloads(&payloads).unwrap(), 1);
    check_alike(&alice, &bob);
}
