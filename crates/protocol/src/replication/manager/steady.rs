//! Time as the machine counts it, which never goes back.
//!
//! A person sets the clock of a machine, or a battery was empty and it was years ahead. What was to be looked at by then
//! would wait for years, and what was shown then would be believed for as long. So the machine counts on from where it was
//! when the clock goes back, and takes a leap ahead for no more than makes everything due. What comes in and goes out is in
//! the time of the clock.

use antiphon_core::time::UnixMillis;

use super::Output;
use super::words::{Evidence, Input, Member};

/// Longest time that passes at once, in milliseconds: longer than anything here waits. Times are kept in seconds that end
/// in 2106, which a clock that leaps again and again would come to otherwise.
const LEAP_MS_MAX: u64 = 400 * 24 * 3_600_000;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Steady {
    /// The time that it was last, as it is counted here.
    last: Option<UnixMillis>,
    /// How much the clock shows less than that, in milliseconds.
    behind: i64,
}

impl Steady {
    /// The clock shows this. Returns the time here, and whether the clock was set.
    pub(super) fn passes(&mut self, clock: UnixMillis) -> (UnixMillis, bool) {
        let now = self.now(clock);
        let behind = now.0.cast_signed().wrapping_sub(clock.0.cast_signed());
        self.last = Some(now);
        (now, std::mem::replace(&mut self.behind, behind) != behind)
    }

    /// The time here when the clock shows this.
    pub(super) fn now(&self, clock: UnixMillis) -> UnixMillis {
        let Some(last) = self.last else { return clock };
        self.inward(clock).clamp(last, last.after(LEAP_MS_MAX))
    }

    const fn inward(&self, clock: UnixMillis) -> UnixMillis {
        UnixMillis(clock.0.saturating_add_signed(self.behind))
    }

    /// What the clock shows at this time.
    pub(super) const fn clock(&self, at: UnixMillis) -> UnixMillis {
        UnixMillis(at.0.saturating_add_signed(self.behind.saturating_neg()))
    }

    /// What was by the clock, and no later than now.
    fn past(&self, at: UnixMillis, clock: UnixMillis) -> UnixMillis {
        if at.0 == 0 { at } else { self.inward(at.min(clock)) }
    }

    /// An input in the time here.
    pub(super) fn input(&self, input: Input, clock: UnixMillis) -> Input {
        match input {
            Input::Members(members) => {
                let member = |member: Member| Member { away_since: self.past(member.away_since, clock), ..member };
                Input::Members(members.into_iter().map(member).collect())
            }
            Input::Known { root, node, evidence, added_at, history } => {
                let evidence = evidence.moved(|at| self.past(at, clock));
                let added_at = added_at.map(|at| self.past(at, clock));
                Input::Known { root, node, evidence, added_at, history }
            }
            other => other,
        }
    }

    /// An output in the time of the clock.
    pub(super) fn output(&self, output: Output) -> Output {
        match output {
            Output::WakeAt(at) => Output::WakeAt(self.clock(at)),
            Output::Note { root, node, evidence, history } => {
                Output::Note { root, node, evidence: self.evidence(evidence), history }
            }
            other => other,
        }
    }

    /// Evidence in the time of the clock.
    pub(super) fn evidence(&self, evidence: Evidence) -> Evidence {
        evidence.moved(|at| self.clock(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_where_the_clock_goes_back_and_leaps_no_further_than_needed() {
        let mut steady = Steady::default();
        let (day, years) = (86_400_000, 86_400_000 * 365 * 70);
        let begin = UnixMillis(1_700_000_000_000);
        assert_eq!(steady.passes(begin), (begin, false));
        assert_eq!(steady.passes(begin.after(day)), (begin.after(day), false));
        // Years ahead, and for a while so.
        let leapt = begin.after(day + LEAP_MS_MAX);
        assert_eq!(steady.passes(begin.after(years)), (leapt, true));
        assert_eq!(steady.passes(begin.after(years + 5)), (leapt.after(5), false));
        assert_eq!(steady.clock(leapt.after(5)), begin.after(years + 5));
        // And back.
        assert_eq!(steady.passes(begin.after(day)), (leapt.after(5), true));
        assert_eq!(steady.passes(begin.after(day + 7)), (leapt.after(12), false));
        assert_eq!(steady.clock(leapt.after(12)), begin.after(day + 7));
        // What was noted while the clock was ahead was no later than now, and what never was stays so.
        assert_eq!(steady.past(begin.after(years), begin.after(day + 7)), leapt.after(12));
        assert_eq!(steady.past(UnixMillis(0), begin), UnixMillis(0));
    }
}
