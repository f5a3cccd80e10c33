use proptest::prelude::*;

use super::notice::{Consider, Plan, Removal, Verify, WINDOWS_MAX, Whole, Window};
use super::question::{Answer, Question, Summary};
use super::*;
use crate::cbor;
use crate::ids::NodeId;

const NOW: UnixMillis = UnixMillis(1_760_000_000_000);

fn alice() -> NodeId {
    NodeId([1; 32])
}

fn labels(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|label| (*label).to_owned()).collect()
}

fn gpu() -> Resource {
    Resource {
        id: ResourceId::of_owner(&alice(), NOW, [7; 4]),
        kind: Kind::Compute,
        name: "gpu box".into(),
        description: "Two cards.\nAsk first.".into(),
        address: Some("ssh://gpu.lan:22".into()),
        capabilities: labels(&["cuda", "training"]),
        tags: labels(&["lab"]),
        stamp: Stamp::default().next(NOW),
    }
}

fn plan() -> Plan {
    let window = |from: u64, note: Option<&str>| Window {
        from: UnixMillis(from),
        until: UnixMillis(from + 10),
        note: note.map(str::to_owned),
    };
    Plan::new(gpu().id, NOW, vec![window(30, None), window(10, Some("one card"))])
}

fn consider() -> Consider {
    let (from, until) = (UnixMillis(10), UnixMillis(20));
    Consider { id: gpu().id, at: NOW, from, until, yes: true, note: Some("for the nightly run".into()) }
}

#[test]
fn an_id_names_its_owner_and_nobody_else() {
    let id = gpu().id;
    assert!(id.is_of(&alice()) && !id.is_of(&NodeId([6; 32])));
    for byte in 0..16 {
        let mut other = id;
        other.0[byte] ^= 1;
        assert!(!other.is_of(&alice()), "byte {byte}");
    }
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn whatever_is_said_is_read_back_the_same() {
    assert_eq!(Resource::decode(&gpu().encode()), Ok(gpu()));
    let bare = Resource { description: String::new(), address: None, tags: BTreeSet::new(), ..gpu() };
    assert_eq!(Resource::decode(&bare.encode()), Ok(bare.clone()));
    let removal = Removal { id: gpu().id, stamp: gpu().stamp.next(NOW) };
    assert_eq!(Removal::decode(&removal.encode()), Ok(removal));
    let answer = |held| Verify::Answer { id: gpu().id, held };
    for verify in [Verify::Ask { id: gpu().id }, answer(None), answer(Some(gpu().stamp))] {
        assert_eq!(Verify::decode(&verify.encode()), Ok(verify));
    }
    assert_eq!(Plan::decode(&plan().encode()), Ok(plan()));
    let whole = Whole { at: NOW, ids: [gpu().id, ResourceId([9; 16])].into() };
    assert_eq!(Whole::decode(&whole.encode()), Ok(whole));
    assert_eq!(Consider::decode(&consider().encode()), Ok(consider()));
    let question = Question { text: "gpu".into(), kind: Some(Kind::Compute), limit: 20, ..Question::default() };
    assert_eq!(Question::decode(&question.encode()), Ok(question));
    let found = vec![gpu(), bare];
    let answer = Answer { summary: Summary::of(&found), found };
    assert_eq!((answer.summary.total(), answer.summary.capabilities.len()), (2, 2));
    assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
}

#[test]
fn a_change_sets_what_it_names_and_moves_the_stamp() {
    let edit = Edit { name: Some("gpu tower".into()), address: Some(None), ..Edit::default() };
    let new = gpu().edited(edit.clone(), NOW).unwrap();
    assert_eq!((new.name.as_str(), new.address.as_deref(), new.stamp.version), ("gpu tower", None, 2));
    assert!(new.stamp > gpu().stamp, "also within one millisecond");
    assert_eq!(new.edited(edit, NOW), Err(Error::Nothing));
    let behind = gpu().edited(Edit { kind: Some(Kind::Tool), ..Edit::default() }, UnixMillis(5)).unwrap();
    assert!(behind.stamp > gpu().stamp, "also when the clock went back");
}

#[test]
fn a_restored_owner_that_counts_again_is_still_the_newer_one() {
    let before = Stamp { at: NOW, version: 9 };
    assert!(Stamp { at: NOW.after(60_000), version: 4 } > before);
}

#[test]
fn what_is_unfit_is_refused_at_both_ends() {
    let check = |change: fn(&mut Resource), good: bool| {
        let mut resource = gpu();
        change(&mut resource);
        assert_eq!(resource.check().is_ok(), good, "{resource:?}");
        assert_eq!(Resource::decode(&resource.encode()).is_ok(), good, "{resource:?}");
    };
    check(|it| it.name = "n".repeat(NAME_BYTES_MAX), true);
    check(|it| it.name = "n".repeat(NAME_BYTES_MAX + 1), false);
    check(|it| it.name = " ".into(), false);
    check(|it| it.name = "two\nlines".into(), false);
    check(|it| it.description = "d".repeat(DESCRIPTION_BYTES_MAX + 1), false);
    check(|it| it.description = "\u{1b}[31mred".into(), false);
    check(|it| it.description = "access \u{202E}level".into(), false);
    check(|it| it.address = Some("https://host/path?q=1".into()), true);
    check(|it| it.address = Some("mailto:bob".into()), true);
    check(|it| it.address = Some("no scheme".into()), false);
    check(|it| it.address = Some("https://a b".into()), false);
    check(|it| it.address = Some("://host".into()), false);
    check(|it| it.address = Some("1http://host".into()), false);
    check(|it| it.address = Some("https:".into()), false);
    check(|it| it.address = Some(format!("x:{}", "y".repeat(ADDRESS_BYTES_MAX))), false);
    check(|it| it.tags = (0..LABELS_MAX).map(|n| format!("tag-{n:02}")).collect(), true);
    check(|it| it.tags = (0..=LABELS_MAX).map(|n| format!("tag-{n:02}")).collect(), false);
    check(|it| it.capabilities = [String::new()].into(), false);
    check(|it| it.capabilities = ["c".repeat(LABEL_BYTES_MAX + 1)].into(), false);
    check(|it| it.stamp.at = UnixMillis(u64::MAX), false);
}

#[test]
fn plans_and_uses_are_bounded_and_in_order() {
    let check = |change: fn(&mut Plan)| {
        let mut bad = plan();
        change(&mut bad);
        assert!(Plan::decode(&bad.encode()).is_err(), "{bad:?}");
    };
    check(|bad| bad.windows.reverse());
    check(|bad| bad.windows[0].until = bad.windows[0].from);
    check(|bad| bad.windows[1].until = UnixMillis(u64::MAX));
    check(|bad| bad.windows[0].note = Some("a\nb".into()));
    check(|bad| bad.windows = vec![bad.windows[0].clone(); WINDOWS_MAX + 1]);
    check(|bad| bad.at = UnixMillis(u64::MAX));
    assert!(Plan::decode(&Plan { windows: Vec::new(), ..plan() }.encode()).is_ok(), "never is a plan too");
    let backwards = Consider { from: UnixMillis(20), until: UnixMillis(10), ..consider() };
    assert!(Consider::decode(&backwards.encode()).is_err());
    let many = |count: u32| (0..count).map(|n| ResourceId::of_owner(&alice(), NOW, n.to_be_bytes())).collect();
    let whole = |count| Whole { at: NOW, ids: many(count) };
    assert!(Whole::decode(&whole(1_000).encode()).is_ok() && Whole::decode(&whole(1_001).encode()).is_err());
    assert!(Whole::decode(&Whole { at: UnixMillis(u64::MAX), ..whole(1) }.encode()).is_err());
    let none = Question::default();
    assert!(none.check().is_err() && Question::decode(&none.encode()).is_err(), "a limit of 0");
}

#[test]
fn keys_are_neither_missing_nor_added() {
    let mut more = gpu().encode();
    more[0] += 1;
    more.extend([8, 0]);
    assert!(Resource::decode(&more).is_err());
    let mut trailing = gpu().encode();
    trailing.push(0);
    assert!(Resource::decode(&trailing).is_err());
    let unsorted = cbor::encode(|out| {
        cbor::array(out, 2);
        cbor::text(out, "b");
        cbor::text(out, "a");
    });
    assert!(cbor::decode(&unsorted, |input| wire::read_labels(input, 2)).is_err());
}

fn read_all(bytes: &[u8]) {
    // Whatever reads, reads to exactly these bytes.
    let same = |encoded: Option<Vec<u8>>| assert!(encoded.is_none_or(|encoded| encoded == bytes), "{bytes:02x?}");
    same(Resource::decode(bytes).ok().map(|value| value.encode()));
    same(Removal::decode(bytes).ok().map(|value| value.encode()));
    same(Verify::decode(bytes).ok().map(|value| value.encode()));
    same(Whole::decode(bytes).ok().map(|value| value.encode()));
    same(Plan::decode(bytes).ok().map(|value| value.encode()));
    same(Consider::decode(bytes).ok().map(|value| value.encode()));
    same(Question::decode(bytes).ok().map(|value| value.encode()));
    same(Answer::decode(bytes).ok().map(|value| value.encode()));
}

proptest! {
    #[test]
    fn nothing_a_peer_sends_is_read_two_ways(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn nor_is_what_eve_changed_a_little(at in any::<prop::sample::Index>(), bit in 0_u8..8, which in 0_usize..5) {
        let answer = Answer { summary: Summary::of(&[gpu()]), found: vec![gpu()] };
        let held = Verify::Answer { id: gpu().id, held: Some(gpu().stamp) };
        let all = [gpu().encode(), plan().encode(), consider().encode(), answer.encode(), held.encode()];
        let mut bytes = all[which].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        read_all(&bytes);
        read_all(&bytes[..at]);
    }
}
