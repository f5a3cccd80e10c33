//! Missing payloads, and who has signed that it holds what.

use antiphon_core::custody::{GAPS_MAX, Gap, Holding};
use antiphon_core::fact::Field;
use antiphon_core::genome::Genome;
use antiphon_core::ids::FactId;
use antiphon_core::log::LogId;
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_store::{Draft, Filled, KeptReceipt};

use crate::common::{Machine, NOW, alice, join, no_provenance, text};

/// Facts of alice's, every second one about wages, which bob is not to have.
fn wages(count: usize) -> (Machine, Machine, Genome, Vec<FactId>) {
    let (mut alice, genome) = alice();
    let fact = |n: usize| {
        let domain = if n.is_multiple_of(2) { "wages" } else { "build" };
        let edit = text(&format!("fact {n}")).set(Field::Domain, domain.into());
        Draft::Remember { id: None, edit, provenance: no_provenance(), idempotency_key: None }
    };
    let drafts: Vec<Draft> = (0..count).map(fact).collect();
    let (now, random) = (alice.tick(), alice.random());
    let written = alice.db.author(&drafts, now, random).unwrap();
    let facts = written.into_iter().map(|done| done.unwrap().fact.unwrap()).collect();
    let mut bob = join(2, "bob", &mut alice, &genome);
    alice.db.update_peer(&bob.node(), |peer| peer.except_domains = vec!["wages".into()]).unwrap();
    bob.pull(&alice);
    (alice, bob, genome, facts)
}

fn missing(machine: &Machine) -> Vec<(LogId, u64)> {
    machine.db.reader().missing_after(None, usize::MAX).unwrap()
}

/// What `from` gives `to` of what it lacks.
fn given(from: &Machine, to: &Machine, log: LogId) -> (u64, Vec<(u64, Vec<u8>)>) {
    let seqs: Vec<u64> = missing(to).iter().map(|(_, seq)| *seq).collect();
    from.db.reader().payloads(log, &seqs, 1 << 20, &to.node()).unwrap()
}

#[test]
fn a_member_gets_texts_once_it_may_have_them() {
    let (mut alice, mut bob, _, facts) = wages(10);
    let log = alice.shared();
    assert_eq!(missing(&bob).len(), 5);
    let last = missing(&bob)[4].1;
    assert_eq!(given(&alice, &bob, log), (last, Vec::new()), "he may not have them yet");
    alice.db.update_peer(&bob.node(), |peer| peer.except_domains.clear()).unwrap();
    let (through, items) = given(&alice, &bob, log);
    assert_eq!((through, items.len()), (last, 5));
    assert_eq!(bob.db.fill_wanted(log, items.clone()).unwrap(), Filled { filled: 5, fits: true });
    assert_eq!((missing(&bob), bob.content(facts[0]).as_deref()), (Vec::new(), Some("fact 0")));
    assert_eq!(bob.db.fill_wanted(log, items).unwrap(), Filled { filled: 0, fits: true }, "twice is once");
    assert!(bob.db.reader().verify().unwrap().problems.is_empty());
}

#[test]
fn what_is_missing_is_named_page_by_page_in_order() {
    let (alice, bob, _, _) = wages(21);
    let all = missing(&bob);
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = bob.db.reader().missing_after(after, 4).unwrap();
        after = page.last().copied();
        pages.extend(page.iter().copied());
        if page.len() < 4 {
            break;
        }
    }
    assert_eq!((pages.len(), &pages), (11, &all));
    assert!(all.is_sorted() && all.iter().all(|(log, _)| *log == alice.shared()));
}

#[test]
fn texts_come_in_pieces_and_say_how_far() {
    let (mut alice, bob, _, _) = wages(10);
    alice.db.update_peer(&bob.node(), |peer| peer.except_domains.clear()).unwrap();
    let seqs: Vec<u64> = missing(&bob).iter().map(|(_, seq)| *seq).collect();
    let (through, items) = alice.db.reader().payloads(alice.shared(), &seqs, 1, &bob.node()).unwrap();
    assert_eq!((through, items.len(), items[0].0), (seqs[0], 1, seqs[0]));
}

#[test]
fn a_text_that_the_header_does_not_name_is_not_kept() {
    let (mut alice, mut bob, _, _) = wages(10);
    alice.db.update_peer(&bob.node(), |peer| peer.except_domains.clear()).unwrap();
    let log = alice.shared();
    let (_, mut items) = given(&alice, &bob, log);
    items[1].1 = items[0].1.clone();
    assert_eq!(bob.db.fill_wanted(log, items).unwrap(), Filled { filled: 4, fits: false });
    let unknown = vec![(9_999, b"no such event".to_vec())];
    assert_eq!(bob.db.fill_wanted(log, unknown).unwrap(), Filled { filled: 0, fits: true });
    assert_eq!(missing(&bob).len(), 1);
}

#[test]
fn nobody_is_given_what_is_private() {
    let (mut alice, bob, _, _) = wages(2);
    let secret = alice.remember_with(text("my own").set(Field::Private, Value::Bool(true)));
    let local = alice.db.reader().fact_entries(secret).unwrap()[0].clone();
    assert_eq!(local.log.stream, antiphon_core::log::Stream::Local);
    let read = alice.db.reader().payloads(local.log, &[local.seq], 1 << 20, &bob.node()).unwrap();
    assert_eq!(read, (local.seq, Vec::new()));
}

#[test]
fn bob_signs_for_texts_only_that_he_has() {
    let (alice, bob, _, facts) = wages(6);
    let custody = bob.db.reader().custody(NOW).unwrap().unwrap();
    let signed = custody.sign(bob.key.as_ref());
    let read = signed.verify(&bob.db.own().unwrap().team).unwrap();
    assert_eq!((read.node, &read.heads), (bob.node(), &bob.db.reader().clock().unwrap()));
    let holding = |fact: FactId| {
        let entry = alice.db.reader().fact_entries(fact).unwrap()[0].clone();
        read.holding(&entry.log, entry.seq)
    };
    assert_eq!((holding(facts[0]), holding(facts[1])), (Holding::Header, Holding::Whole));
    assert_eq!(read.gaps.len(), 3);
    let next = read.heads[&alice.shared()].seq + 1;
    assert_eq!(read.holding(&alice.shared(), next), Holding::Not);
}

#[test]
fn whoever_lacks_more_than_can_be_named_claims_less() {
    let gaps = GAPS_MAX + 10;
    let (alice, bob, _, _) = wages(2 * gaps);
    let custody = bob.db.reader().custody(NOW).unwrap().unwrap();
    let missing = missing(&bob);
    assert_eq!((missing.len(), custody.gaps.len()), (gaps, GAPS_MAX));
    let first_omitted = missing[GAPS_MAX].1;
    let head = custody.heads[&alice.shared()];
    assert_eq!(head.seq, first_omitted - 1);
    assert_eq!(alice.db.reader().header_hash_at(alice.shared(), head.seq).unwrap(), Some(head.hash));
    for (log, seq) in missing {
        assert_ne!(custody.holding(&log, seq), Holding::Whole, "{seq}");
    }
    let last = custody.gaps[GAPS_MAX - 1];
    assert_eq!(last, Gap { log: alice.shared(), first: last.first, last: last.first });
    assert!(custody.sign(bob.key.as_ref()).verify(&bob.db.own().unwrap().team).is_ok());
}

fn receipt(of: &Machine, at: u64) -> KeptReceipt {
    let custody = of.db.reader().custody(UnixMillis(at)).unwrap().unwrap();
    KeptReceipt { node: of.node(), at: UnixMillis(at), receipt: custody.sign(of.key.as_ref()) }
}

#[test]
fn the_newest_receipt_of_each_member_is_kept_and_handed_on_to_whoever_lacks_it() {
    let (mut alice, bob, genome, _) = wages(2);
    let carol = join(3, "carol", &mut alice, &genome);
    assert_eq!(alice.db.put_receipts(&[receipt(&bob, 5), receipt(&carol, 7)]).unwrap(), 2);
    assert_eq!(alice.db.put_receipts(&[receipt(&bob, 4), receipt(&bob, 5)]).unwrap(), 0);
    assert_eq!(alice.db.put_receipts(&[receipt(&bob, 6)]).unwrap(), 1);
    let reader = alice.db.reader();
    let kept: Vec<_> = reader.receipts().unwrap();
    assert!(kept.contains(&receipt(&bob, 6)) && kept.contains(&receipt(&carol, 7)) && kept.len() == 2);
    // Bob is not told what he signed himself.
    let list = reader.receipt_list(&reader.membership().unwrap(), &bob.node()).unwrap();
    assert_eq!(list, [(carol.node(), UnixMillis(7))]);
    let lacked = |theirs: &[_], most| reader.receipts_lacked(&list, theirs, most, 1 << 20).unwrap();
    assert_eq!(lacked(&[], 8), [receipt(&carol, 7).receipt]);
    assert_eq!(lacked(&[(carol.node(), UnixMillis(6))], 8), [receipt(&carol, 7).receipt]);
    assert!(lacked(&[(carol.node(), UnixMillis(7))], 8).is_empty() && lacked(&[], 0).is_empty());
}

#[test]
fn receipts_of_whoever_is_no_member_are_not_handed_on() {
    let (mut alice, bob, _, _) = wages(2);
    let stranger = Machine::new(9);
    let forged = KeptReceipt { node: stranger.node(), ..receipt(&bob, 5) };
    alice.db.put_receipts(&[forged]).unwrap();
    let reader = alice.db.reader();
    assert!(reader.receipt_list(&reader.membership().unwrap(), &bob.node()).unwrap().is_empty());
}

#[test]
fn what_was_erased_is_neither_wanted_nor_owed_nor_taken_back() {
    let (mut alice, mut bob, _, facts) = wages(4);
    alice.db.update_peer(&bob.node(), |peer| peer.except_domains.clear()).unwrap();
    let log = alice.shared();
    let (_, items) = given(&alice, &bob, log);
    assert_eq!(items.len(), 2);
    alice.write(Draft::Erase { fact: facts[0], provenance: no_provenance() });
    bob.pull(&alice);
    assert_eq!(missing(&bob).len(), 1, "the other one is wanted still");
    let custody = bob.db.reader().custody(NOW).unwrap().unwrap();
    assert_eq!((custody.gaps.len(), custody.holding(&log, items[0].0)), (1, Holding::Whole));
    assert_eq!(bob.db.fill_wanted(log, items).unwrap(), Filled { filled: 1, fits: true });
    assert_eq!((missing(&bob), bob.content(facts[0])), (Vec::new(), None));
}
