//! Catalogues: who may say what about which resource, and how it is found.

use std::collections::BTreeSet;

use antiphon_core::ids::{NodeId, ResourceId, StoreId};
use antiphon_core::resource::notice::{Consider, Plan, Removal, Whole, Window};
use antiphon_core::resource::{Edit, Kind, PER_OWNER_MAX, Resource, Stamp};
use antiphon_core::time::UnixMillis;
use antiphon_store::{
    CONSIDERS_PER_NODE_MAX, GONE_PER_OWNER_MAX, Kept, Resolved, ResourceChange, ResourceFilter, ResourceRow,
};

use crate::common::{Machine, NOW, alice};

fn bob() -> NodeId {
    NodeId([2; 32])
}

fn eve() -> NodeId {
    NodeId([6; 32])
}

fn labels(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|label| (*label).to_owned()).collect()
}

/// The `n`th resource of a node.
fn tool(owner: &NodeId, n: u32, name: &str) -> Resource {
    Resource {
        id: ResourceId::of_owner(owner, NOW, n.to_be_bytes()),
        kind: Kind::Tool,
        name: name.into(),
        description: String::new(),
        address: None,
        capabilities: BTreeSet::new(),
        tags: BTreeSet::new(),
        stamp: Stamp::default().next(NOW),
    }
}

fn renamed(resource: &Resource, name: &str) -> Resource {
    resource.edited(Edit { name: Some(name.into()), ..Edit::default() }, NOW).unwrap()
}

fn removal(resource: &Resource) -> Removal {
    Removal { id: resource.id, stamp: resource.stamp.next(NOW) }
}

impl Machine {
    fn hears(&mut self, from: &NodeId, change: &ResourceChange) -> Kept {
        let now = self.tick();
        self.db.change_resource(from, change, now).unwrap()
    }

    fn hears_of(&mut self, from: &NodeId, resource: &Resource) -> Kept {
        self.hears(from, &ResourceChange::Entry(resource.clone()))
    }

    fn finds(&self, filter: &ResourceFilter) -> Vec<String> {
        let found = self.db.reader().resources(filter, 100).unwrap();
        found.into_iter().map(|row| row.resource.name).collect()
    }

    fn searches(&self, text: &str) -> Vec<String> {
        self.finds(&ResourceFilter { text: text.into(), ..ResourceFilter::default() })
    }

    fn entry(&self, id: ResourceId) -> Option<ResourceRow> {
        self.db.reader().resource(id).unwrap()
    }
}

#[test]
fn the_newest_state_of_an_entry_counts_however_often_and_late_the_others_come() {
    let (mut alice, _) = alice();
    let first = tool(&bob(), 1, "linter");
    let second = renamed(&first, "formatter");
    assert_eq!(alice.hears_of(&bob(), &second), Kept::Kept, "its beginning was missed");
    assert_eq!(alice.hears_of(&bob(), &first), Kept::Old);
    assert_eq!(alice.hears_of(&bob(), &second), Kept::Old, "twice is once");
    assert_eq!(alice.entry(first.id).unwrap().resource, second);
    assert_eq!((alice.searches("linter"), alice.searches("formatter").len()), (Vec::new(), 1));
    alice.reopen();
    assert_eq!(alice.entry(first.id).unwrap().owner, bob());
}

#[test]
fn what_was_taken_away_stays_away_until_its_owner_says_otherwise() {
    let (mut alice, _) = alice();
    let first = tool(&bob(), 1, "linter");
    let gone = ResourceChange::Removal(removal(&first));
    assert_eq!(alice.hears(&bob(), &gone), Kept::Kept, "it came before what it ends");
    assert_eq!((alice.hears_of(&bob(), &first), alice.entry(first.id)), (Kept::Old, None));
    assert_eq!(alice.db.reader().catalogue_gone(&bob()).unwrap(), [removal(&first)]);
    let again = Resource { stamp: removal(&first).stamp.next(NOW), ..first.clone() };
    assert_eq!(alice.hears_of(&bob(), &again), Kept::Kept);
    assert_eq!((alice.hears(&bob(), &gone), alice.searches("linter").len()), (Kept::Old, 1));
}

#[test]
fn eve_cannot_touch_what_is_bobs() {
    let (mut alice, _) = alice();
    let linter = tool(&bob(), 1, "linter");
    assert_eq!(alice.hears_of(&bob(), &linter), Kept::Kept);
    let window = Window { from: UnixMillis(1), until: UnixMillis(2), note: None };
    let changes = [
        ResourceChange::Entry(renamed(&linter, "trojan")),
        ResourceChange::Removal(removal(&linter)),
        ResourceChange::Plan(Plan::new(linter.id, NOW, vec![window])),
        ResourceChange::Consider(Consider {
            id: linter.id,
            at: NOW,
            from: UnixMillis(1),
            until: UnixMillis(2),
            yes: true,
            note: None,
        }),
        ResourceChange::Checked { id: linter.id, held: None },
    ];
    for change in changes {
        assert_eq!(alice.hears(&eve(), &change), Kept::NotTheirs, "{change:?}");
    }
    let row = alice.entry(linter.id).unwrap();
    assert_eq!((row.resource, row.checked), (linter, None));
}

#[test]
fn a_catalogue_without_end_fills_only_its_owners_places() {
    let (mut alice, _) = alice();
    for n in 0..u32::try_from(PER_OWNER_MAX).unwrap() {
        assert_eq!(alice.hears_of(&eve(), &tool(&eve(), n, "junk")), Kept::Kept);
    }
    let more = tool(&eve(), 1_000_000, "junk");
    assert_eq!(alice.hears_of(&eve(), &more), Kept::Full);
    assert_eq!(alice.hears_of(&eve(), &renamed(&tool(&eve(), 0, "junk"), "better")), Kept::Kept, "a change fits");
    assert_eq!(alice.hears_of(&bob(), &tool(&bob(), 1, "linter")), Kept::Kept);
    for n in 0..u32::try_from(GONE_PER_OWNER_MAX).unwrap() + 5 {
        let gone = ResourceChange::Removal(removal(&tool(&eve(), n, "junk")));
        assert!(matches!(alice.hears(&eve(), &gone), Kept::Kept | Kept::Old));
    }
    assert!(alice.db.reader().catalogue_gone(&eve()).unwrap().len() <= GONE_PER_OWNER_MAX);
    assert!(alice.db.reader().resource_owners().unwrap().contains(&(bob(), 1)));
}

#[test]
fn entries_are_found_by_all_words_the_name_first() {
    let (mut alice, _) = alice();
    let own = alice.node();
    let mut gpu = tool(&own, 1, "gpu box");
    (gpu.kind, gpu.capabilities, gpu.tags) = (Kind::Compute, labels(&["CUDA", "training"]), labels(&["lab"]));
    let mut notes = tool(&bob(), 2, "notes");
    notes.description = "How to train on the gpu box.".into();
    let mut linter = tool(&bob(), 3, "linter");
    linter.capabilities = labels(&["rust"]);
    for (owner, resource) in [(own, &gpu), (bob(), &notes), (bob(), &linter)] {
        assert_eq!(alice.hears_of(&owner, resource), Kept::Kept);
    }
    assert_eq!(alice.searches("gpu"), ["gpu box", "notes"]);
    assert_eq!(alice.searches("training gpu"), ["gpu box", "notes"], "also as another form of the word");
    assert_eq!(alice.searches("gpu linter"), [""; 0]);
    assert_eq!(alice.searches("compute"), ["gpu box"]);
    assert_eq!(alice.searches("?!"), [""; 0]);
    assert_eq!(alice.searches("").len(), 3);
    let none = ResourceFilter::default;
    assert_eq!(alice.finds(&ResourceFilter { capability: Some("cuda".into()), ..none() }), ["gpu box"]);
    assert_eq!(alice.finds(&ResourceFilter { tag: Some("cuda".into()), ..none() }), [""; 0], "it is no tag");
    assert_eq!(alice.finds(&ResourceFilter { tag: Some("lab".into()), text: "box".into(), ..none() }), ["gpu box"]);
    assert_eq!(alice.finds(&ResourceFilter { kind: Some(Kind::Tool), ..none() }).len(), 2);
    assert_eq!(alice.finds(&ResourceFilter { owner: Some(bob()), text: "gpu".into(), ..none() }), ["notes"]);
    let first = alice.db.reader().resources(&none(), 1).unwrap().remove(0).resource.id;
    assert_eq!(alice.finds(&ResourceFilter { after: Some(first), ..none() }).len(), 2);
    let summary = alice.db.reader().catalogue_summary(&bob()).unwrap();
    assert_eq!((summary.total(), summary.kinds[&Kind::Tool], summary.capabilities), (2, 2, labels(&["rust"])));
}

#[test]
fn an_entry_is_named_by_its_name_or_the_beginning_of_its_id() {
    let (mut alice, _) = alice();
    let (first, second) = (tool(&bob(), 1, "linter"), tool(&eve(), 2, "gpu"));
    assert_eq!((alice.hears_of(&bob(), &first), alice.hears_of(&eve(), &second)), (Kept::Kept, Kept::Kept));
    let resolve = |text: &str| alice.db.reader().resolve_resource(text).unwrap();
    assert_eq!(resolve("linter"), Resolved::One(first.id));
    assert_eq!(resolve(&second.id.to_string().to_lowercase()), Resolved::One(second.id));
    assert!(matches!(resolve(&first.id.to_string()[..10]), Resolved::Ambiguous(_)), "both of one moment");
    assert_eq!(resolve("lint"), Resolved::None);
}

#[test]
fn an_owner_says_whether_it_stands_by_an_entry() {
    let (mut alice, _) = alice();
    let linter = tool(&bob(), 1, "linter");
    let says = |held| ResourceChange::Checked { id: linter.id, held };
    assert_eq!(alice.hears(&bob(), &says(None)), Kept::Old);
    assert_eq!(alice.hears_of(&bob(), &linter), Kept::Kept);
    assert_eq!(alice.entry(linter.id).unwrap().checked, None);
    for held in [Some(linter.stamp), None] {
        assert_eq!(alice.hears(&bob(), &says(held)), Kept::Kept);
        assert_eq!(alice.entry(linter.id).unwrap().checked.unwrap().held, held);
    }
}

#[test]
fn plans_and_planned_uses_are_kept_with_the_entry_and_no_longer() {
    let (mut alice, _) = alice();
    let own = alice.node();
    let linter = tool(&bob(), 1, "linter");
    let plan = |at: u64, from: u64| {
        let window = Window { from: UnixMillis(from), until: UnixMillis(from + 5), note: Some("half".into()) };
        ResourceChange::Plan(Plan::new(linter.id, UnixMillis(at), vec![window]))
    };
    assert_eq!(alice.hears(&bob(), &plan(2, 20)), Kept::Kept, "it may overtake the entry");
    assert_eq!(alice.hears(&bob(), &plan(1, 10)), Kept::Old);
    assert_eq!(alice.db.reader().resource_plan(linter.id).unwrap().unwrap().windows[0].from, UnixMillis(20));
    let using = |at: u64, from: u64, yes: bool| {
        let (from, until) = (UnixMillis(from), UnixMillis(from + 5));
        ResourceChange::Consider(Consider { id: linter.id, at: UnixMillis(at), from, until, yes, note: None })
    };
    assert_eq!(alice.hears(&own, &using(1, 20, true)), Kept::Unknown);
    assert_eq!(alice.hears_of(&bob(), &linter), Kept::Kept);
    assert_eq!(alice.hears(&own, &using(1, 20, true)), Kept::Kept);
    assert_eq!(alice.hears(&bob(), &using(2, 20, false)), Kept::Kept);
    assert_eq!(alice.hears(&bob(), &using(1, 20, true)), Kept::Old);
    let said = alice.db.reader().resource_considers(linter.id).unwrap();
    let said: Vec<_> = said.iter().map(|said| (said.node, said.consider.yes)).collect();
    assert_eq!(said, [(own, true), (bob(), false)]);
    for n in 0..2 * CONSIDERS_PER_NODE_MAX as u64 {
        assert!(matches!(alice.hears(&bob(), &using(10 + n, 100 + n, true)), Kept::Kept));
    }
    assert_eq!(alice.db.reader().resource_considers(linter.id).unwrap().len(), CONSIDERS_PER_NODE_MAX + 1);
    assert_eq!(alice.hears(&bob(), &ResourceChange::Removal(removal(&linter))), Kept::Kept);
    assert_eq!(alice.db.reader().resource_plan(linter.id).unwrap(), None);
    assert!(alice.db.reader().resource_considers(linter.id).unwrap().is_empty());
    assert_eq!(alice.hears(&bob(), &plan(3, 30)), Kept::Old, "it is about something that is gone");
    assert_eq!(alice.db.reader().resource_plan(linter.id).unwrap(), None);
}

#[test]
fn what_an_owner_no_longer_knows_of_goes_when_it_tells_its_whole_catalogue() {
    let (mut alice, _) = alice();
    let (kept, lost, others) = (tool(&bob(), 1, "linter"), tool(&bob(), 2, "lost"), tool(&eve(), 3, "gpu"));
    for (owner, resource) in [(bob(), &kept), (bob(), &lost), (eve(), &others)] {
        assert_eq!(alice.hears_of(&owner, resource), Kept::Kept);
    }
    let mut later = tool(&bob(), 4, "later");
    later.stamp.at = NOW.after(9);
    assert_eq!(alice.hears_of(&bob(), &later), Kept::Kept);
    let whole = ResourceChange::Whole(Whole { at: NOW.after(5), ids: [kept.id].into() });
    assert_eq!((alice.hears(&bob(), &whole), alice.hears(&bob(), &whole)), (Kept::Kept, Kept::Kept));
    let mut names = alice.finds(&ResourceFilter::default());
    names.sort();
    assert_eq!(names, ["gpu", "later", "linter"]);
    assert_eq!(alice.hears_of(&bob(), &lost), Kept::Old, "it stays away");
    assert_eq!(alice.searches("lost"), [""; 0]);
}

#[test]
fn a_member_is_told_the_catalogue_once_for_each_of_its_databases() {
    let (mut alice, _) = alice();
    let (old, new) = (StoreId([1; 16]), StoreId([2; 16]));
    assert_eq!(alice.db.reader().catalogue_told(&bob()).unwrap(), None);
    for store in [old, new] {
        alice.db.note_catalogue_told(&bob(), &store, NOW).unwrap();
        assert_eq!(alice.db.reader().catalogue_told(&bob()).unwrap(), Some(store));
    }
    alice.db.tell_catalogue_again(&bob()).unwrap();
    assert_eq!(alice.db.reader().catalogue_told(&bob()).unwrap(), None);
}
