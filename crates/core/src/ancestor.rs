//! Common ancestors: what a field said before it was changed on several machines at once.
//!
//! Who settles a divergence wants to see what each side changed, and for that one needs the text both began with. The
//! last edit by the clock before the older side will not do: clocks differ, and one side may never have seen it. So the
//! ancestor follows from versions alone. It is the edit of that field which every side had seen, and which no other
//! such edit had seen. The sides agree on it wherever it is computed, because versions travel in the headers.
//!
//! Limits: where the sides began with a divergence, each having seen both edits, there are several such edits, and
//! the one that was shown comes first. Where one side had seen nothing at all of the field there is none.

use crate::frontier::Edit;
use crate::vclock::Order;

/// The edits of any of `fields` that every one of `sides` had seen and that no other such edit had seen; of several,
/// the shown one comes first. Empty without sides.
pub fn ancestors<'a>(fields: u64, sides: &[&Edit], history: impl IntoIterator<Item = &'a Edit>) -> Vec<&'a Edit> {
    if sides.is_empty() {
        return Vec::new();
    }
    let seen_by_all = |edit: &&Edit| sides.iter().all(|side| seen(edit, side));
    let sets = |edit: &&Edit| edit.fields & fields != 0;
    let common: Vec<&Edit> = history.into_iter().filter(sets).filter(seen_by_all).collect();
    let last = |edit: &&&Edit| !common.iter().any(|other| seen(edit, other));
    let mut last: Vec<&Edit> = common.iter().filter(last).copied().collect();
    last.sort_by(|a, b| b.rank(a));
    last
}

/// Whether `later` had seen `edit`, and is another one.
fn seen(edit: &Edit, later: &Edit) -> bool {
    edit.version.compare(&later.version) == Order::Before
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frontier::tests::{history, merge_all};
    use crate::ids::{Hash, StoreId};
    use crate::time::Hlc;
    use crate::vclock::VClock;

    proptest! {
        #[test]
        fn an_ancestor_was_seen_by_all_sides_and_is_the_last_such_edit(edits in history(), bit in 0..3_u8) {
            let frontier = merge_all(&edits);
            let sides = frontier.standing(bit);
            let found = ancestors(1 << bit, &sides, &edits);
            let common = |edit: &Edit| edit.fields >> bit & 1 == 1 && sides.iter().all(|side| seen(edit, side));
            for ancestor in &found {
                prop_assert!(common(ancestor));
                prop_assert!(!edits.iter().any(|edit| common(edit) && seen(ancestor, edit)));
            }
            // None is missing: whatever all had seen is an ancestor or was seen by one.
            for edit in edits.iter().filter(|edit| !sides.is_empty() && common(edit)) {
                prop_assert!(found.iter().any(|ancestor| ancestor.hash == edit.hash || seen(edit, ancestor)));
            }
        }

        #[test]
        fn ancestors_do_not_depend_on_the_order_of_arrival(edits in history(), bit in 0..3_u8) {
            let frontier = merge_all(&edits);
            let sides = frontier.standing(bit);
            prop_assert_eq!(ancestors(1 << bit, &sides, &edits), ancestors(1 << bit, &sides, edits.iter().rev()));
        }
    }

    fn edit(n: u8, hlc: u64, store: u8, seen: &[&Edit]) -> Edit {
        let mut version = VClock::new();
        seen.iter().for_each(|edit| version.merge(&edit.version).unwrap());
        version.increment(StoreId([store; 16])).unwrap();
        Edit::new(Hash([n; 32]), Hlc(hlc), StoreId([store; 16]), version, 1)
    }

    #[test]
    fn the_sides_of_a_divergence_began_with_the_last_edit_both_had_seen() {
        let first = edit(1, 1, 1, &[]);
        let second = edit(2, 2, 2, &[&first]);
        let alice = edit(3, 3, 1, &[&second]);
        // Bob's clock is far behind, which changes nothing.
        let bob = edit(4, 1, 2, &[&second]);
        let all = [&first, &second, &alice, &bob];
        assert_eq!(ancestors(1, &[&alice, &bob], all), [&second]);
        assert_eq!(ancestors(2, &[&alice, &bob], all), [&first; 0], "nobody touched that field");
        // Eve had seen the first edit alone.
        let eve = edit(5, 9, 3, &[&first]);
        assert_eq!(ancestors(1, &[&alice, &bob, &eve], [&first, &second, &alice, &bob, &eve]), [&first]);
        // Somebody wrote under the same id without having seen anything.
        let import = edit(6, 9, 4, &[]);
        assert_eq!(ancestors(1, &[&alice, &import], [&first, &second, &alice, &import]), [&first; 0]);
    }

    #[test]
    fn two_resolutions_of_one_divergence_began_with_both_its_sides() {
        let first = edit(1, 1, 1, &[]);
        let (alice, bob) = (edit(2, 5, 1, &[&first]), edit(3, 6, 2, &[&first]));
        let (by_alice, by_bob) = (edit(4, 7, 1, &[&alice, &bob]), edit(5, 8, 2, &[&alice, &bob]));
        let all = [&first, &alice, &bob, &by_alice, &by_bob];
        assert_eq!(ancestors(1, &[&by_alice, &by_bob], all), [&bob, &alice], "the shown one first");
    }
}
