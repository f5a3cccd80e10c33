//! How often a member may ask.
//!
//! Every question makes the asked one search. Whoever asks for a person or an agent asks now and then, a few times in a
//! row; whoever asks without end is answered no more until it has been quiet for a while.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;

/// Most questions of one member in a row.
pub const IN_A_ROW_MAX: u64 = 32;
/// How long until a member may ask one more, in milliseconds.
pub const ONE_MORE_MS: u64 = 250;
/// Most members that are counted at the same time: a team has at most 512.
const MEMBERS_MAX: usize = 1_024;

/// What a question comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Rated {
    /// It is answered.
    Fine,
    /// It came too soon.
    TooOften,
}

/// Counts the questions of each member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rates(BTreeMap<NodeId, Asked>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    /// How many count.
    count: u64,
    /// Up to when they were counted down.
    at: UnixMillis,
}

impl Rates {
    /// A member asks.
    pub fn ask(&mut self, member: NodeId, now: UnixMillis) -> Rated {
        if self.0.len() >= MEMBERS_MAX {
            self.0.retain(|_, asked| asked.counted_down(now).count > 0);
        }
        if self.0.len() >= MEMBERS_MAX && !self.0.contains_key(&member) {
            return Rated::TooOften;
        }
        let asked = self.0.entry(member).or_insert(Asked { count: 0, at: now });
        *asked = asked.counted_down(now);
        if asked.count >= IN_A_ROW_MAX {
            return Rated::TooOften;
        }
        asked.count += 1;
        Rated::Fine
    }
}

impl Asked {
    /// What is left of it by `now`. A clock that was put back counts nothing down and holds nobody up for longer.
    fn counted_down(self, now: UnixMillis) -> Self {
        if now < self.at || self.count == 0 {
            return Self { at: now, ..self };
        }
        let steps = now.since(self.at) / ONE_MORE_MS;
        Self { count: self.count.saturating_sub(steps), at: self.at.after(steps.saturating_mul(ONE_MORE_MS)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const EVE: NodeId = NodeId([5; 32]);

    fn fine(rates: &mut Rates, member: NodeId, times: u64, at: u64) -> u64 {
        (0..times).filter(|_| rates.ask(member, UnixMillis(at)) == Rated::Fine).count() as u64
    }

    #[test]
    fn eve_who_asks_without_end_is_held_up_and_alice_is_not() {
        let mut rates = Rates::default();
        assert_eq!(fine(&mut rates, EVE, 1_000, 0), IN_A_ROW_MAX);
        assert_eq!(fine(&mut rates, ALICE, 3, 0), 3);
        assert_eq!(fine(&mut rates, EVE, 10, ONE_MORE_MS - 1), 0);
        assert_eq!(fine(&mut rates, EVE, 10, ONE_MORE_MS), 1);
        assert_eq!(fine(&mut rates, EVE, 10, 3 * ONE_MORE_MS), 2);
        assert_eq!(fine(&mut rates, EVE, 1_000, 1_000_000), IN_A_ROW_MAX);
    }

    #[test]
    fn a_clock_that_is_put_back_holds_nobody_up_for_good() {
        let mut rates = Rates::default();
        assert_eq!(fine(&mut rates, EVE, 100, 1_000_000), IN_A_ROW_MAX);
        assert_eq!(fine(&mut rates, EVE, 1, 5), 0);
        assert_eq!(fine(&mut rates, EVE, 1, 5 + ONE_MORE_MS), 1);
    }

    #[test]
    fn many_members_cost_bounded_memory() {
        let mut rates = Rates::default();
        for n in 0..5_000_u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            let _rated = rates.ask(NodeId(key), UnixMillis(n));
        }
        assert!(rates.0.len() <= MEMBERS_MAX);
        assert_eq!(rates.ask(ALICE, UnixMillis(1_000_000)), Rated::Fine);
    }
}
