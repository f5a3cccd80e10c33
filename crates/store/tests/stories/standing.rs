//! What stands between what is held and what counts.

use antiphon_core::fact::{Field, Level};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::value::Value;
use antiphon_store::Domains;

use crate::common::{Machine, alice, join, text};

fn shared(machine: &Machine) -> LogId {
    LogId::new(machine.db.own().unwrap().store, Stream::Shared)
}

#[test]
fn what_came_without_its_text_is_received_and_named_as_missing() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let kept = alice.remember_with(text("for few").set(Field::Domain, "pay".into()));
    let except = Domains { except: vec!["pay".into()], ..Domains::default() };
    alice.db.set_peer_domains(&bob.node(), except).unwrap();
    bob.pull(&alice);
    let log = shared(&alice);
    let standings = bob.db.reader().standings().unwrap();
    let standing = standings.iter().find(|standing| standing.log == log).unwrap();
    assert_eq!((standing.missing, standing.waiting, standing.applied()), (1, 0, standing.received));
    let entries = bob.db.reader().fact_entries(kept).unwrap();
    assert_eq!(entries.len(), 1);
    assert!(entries[0].stands && !entries[0].payload && entries[0].cause.is_none(), "{entries:?}");
    assert_eq!((entries[0].log, entries[0].author.name.as_str()), (log, "alice"));
    assert!(!bob.db.reader().is_erased(kept).unwrap());
}

#[test]
fn the_next_page_follows_a_changed_policy() {
    let (mut alice, genome) = alice();
    let bob = join(2, "bob", &mut alice, &genome);
    let domain = |name: &str| text(name).set(Field::Domain, name.into());
    for name in ["web", "pay", "ops"] {
        alice.remember_with(domain(name));
    }
    alice.remember("of no domain");
    let texts = |alice: &Machine| {
        let page = alice.db.reader().page(shared(alice), 1, 512, 1 << 20, Some(&bob.node())).unwrap();
        page.iter().map(|event| event.payload().is_some()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&alice), [true, true, true, true]);
    let set = |alice: &mut Machine, only: &[&str], except: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        alice.db.set_peer_domains(&bob.node(), Domains { only: list(only), except: list(except) }).unwrap();
    };
    set(&mut alice, &["web"], &[]);
    assert_eq!(texts(&alice), [true, false, false, false]);
    set(&mut alice, &[], &["pay"]);
    assert_eq!(texts(&alice), [true, false, true, true]);
    set(&mut alice, &[], &[]);
    assert_eq!(texts(&alice), [true, true, true, true]);
}

#[test]
fn a_fact_that_became_private_is_sent_to_nobody_any_more() {
    let (mut alice, genome) = alice();
    let bob = join(2, "bob", &mut alice, &genome);
    let fact = alice.remember("shared for a while");
    alice.edit(fact, Field::Private, Value::Bool(true));
    let other = alice.remember("lowered later");
    alice.edit(other, Field::Level, Value::Uint(Level::Module.number()));
    let page = alice.db.reader().page(shared(&alice), 1, 512, 1 << 20, Some(&bob.node())).unwrap();
    let about = |event: &&antiphon_core::event::Event| [fact, other].map(Some).contains(&event.header().subject.fact());
    let texts: Vec<_> = page.iter().filter(about).filter_map(|event| event.payload()).collect();
    assert_eq!(texts, Vec::<&[u8]>::new());
}

#[test]
fn whoever_wrote_a_text_gets_it_back_though_it_became_private() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let carol = join(3, "carol", &mut alice, &genome);
    let (log, fact) = (shared(&bob), bob.remember("shared for a while"));
    alice.pull(&bob);
    alice.edit(fact, Field::Private, Value::Bool(true));
    for (peer, given) in [(bob.node(), 1), (carol.node(), 0)] {
        let reader = alice.db.reader();
        let page = reader.page(log, 1, 512, 1 << 20, Some(&peer)).unwrap();
        assert_eq!(page.iter().filter(|event| event.payload().is_some()).count(), given);
        assert_eq!(reader.payloads(log, &[2], 1 << 20, &peer).unwrap().1.len(), given);
    }
}
