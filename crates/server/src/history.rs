//! What the figures of this node were, for plots.
//!
//! A figure says little without the one before it: a lag of 40 is news after an hour of nothing and none while it falls
//! from 4,000. Whoever runs a monitoring system has that from `/metrics`; most people run none. So a task looks at a few
//! figures every [`FINE_STEP_MS`] and keeps them for [`FINE_SPAN_MS`], and every [`COARSE_STEP_MS`] for
//! [`COARSE_SPAN_MS`].
//!
//! Everything is in memory and bounded: at most [`PEERS_MAX`] members have a line of their own, and a line takes at most
//! 40 KiB. A restart begins anew, which a plot shows as it shows every time without samples: as a gap.
//!
//! What is counted (recalls, writes) is kept as the running count, and becomes a rate only when it is read, so that the
//! fine and the coarse samples tell the same.

mod figures;
mod ring;
mod sampler;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;

pub(crate) use figures::{Kind, Metric};
use ring::Ring;
pub(crate) use ring::Sample;
pub(crate) use sampler::run;

/// How often the figures are looked at, in milliseconds.
pub(crate) const FINE_STEP_MS: u64 = 10_000;
/// How long all samples are kept, in milliseconds: an hour.
pub(crate) const FINE_SPAN_MS: u64 = 60 * 60 * 1_000;
/// How far apart the samples are that are kept for longer, in milliseconds: five minutes.
pub(crate) const COARSE_STEP_MS: u64 = 5 * 60 * 1_000;
/// How long these are kept, in milliseconds: a week.
pub(crate) const COARSE_SPAN_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Most members with a line of their own.
pub(crate) const PEERS_MAX: usize = 64;

/// What was done at the doors since the node started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    recalls: AtomicU64,
    writes: AtomicU64,
}

impl Counts {
    /// Somebody recalled something.
    pub(crate) fn recalled(&self) {
        self.recalls.fetch_add(1, Ordering::Relaxed);
    }

    /// So many facts were remembered.
    pub(crate) fn remembered(&self, facts: usize) {
        self.writes.fetch_add(u64::try_from(facts).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How often somebody recalled something.
    pub(crate) fn recalls(&self) -> u64 {
        self.recalls.load(Ordering::Relaxed)
    }

    /// How many facts were remembered.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

/// The samples of every figure.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Kept>);

/// The samples of one figure.
#[derive(Debug)]
struct Series {
    fine: Ring,
    coarse: Ring,
}

#[derive(Debug, Default)]
struct Kept {
    node: BTreeMap<Metric, Series>,
    /// How far each member is behind, with the name it had last.
    peers: BTreeMap<NodeId, (String, Series)>,
}

/// What was found when the figures were looked at. What is not known is left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Look {
    /// Figures of the node.
    pub(crate) node: Vec<(Metric, u64)>,
    /// How many events each member lacks.
    pub(crate) lag: Vec<(NodeId, String, u64)>,
}

/// One line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The member it is about, with its name.
    pub(crate) peer: Option<(NodeId, String)>,
    /// Its points, the oldest first.
    pub(crate) points: Vec<Sample>,
}

impl Series {
    fn new() -> Self {
        Self { fine: Ring::new(FINE_STEP_MS, FINE_SPAN_MS), coarse: Ring::new(COARSE_STEP_MS, COARSE_SPAN_MS) }
    }

    fn push(&mut self, sample: Sample) {
        self.fine.push(sample);
        // The clock of the task ticks a little early or late.
        if self.coarse.last().is_none_or(|last| !last.is_within(COARSE_STEP_MS - FINE_STEP_MS / 2, sample)) {
            self.coarse.push(sample);
        }
    }

    /// The samples since a time: all of them where they are kept, and what is kept for longer before that.
    fn since(&self, since: UnixMillis) -> Vec<Sample> {
        let fine: Vec<Sample> = self.fine.iter().collect();
        let first = fine.first().map(|sample| sample.at);
        let older = self.coarse.iter().filter(|sample| first.is_none_or(|first| sample.at < first));
        older.chain(fine.iter().copied()).filter(|sample| sample.at >= since).collect()
    }
}

impl History {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Samples are whole whenever the lock is let go of.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was found at a time.
    pub(crate) fn keep(&self, at: UnixMillis, look: Look) {
        let mut kept = self.kept();
        for (metric, value) in look.node {
            kept.node.entry(metric).or_insert_with(Series::new).push(Sample { at, value: real(value) });
        }
        for (peer, name, value) in look.lag {
            kept.make_room(peer, at);
            if kept.peers.contains_key(&peer) || kept.peers.len() < PEERS_MAX {
                let (known, series) = kept.peers.entry(peer).or_insert_with(|| (String::new(), Series::new()));
                *known = name;
                series.push(Sample { at, value: real(value) });
            }
        }
    }

    /// The lines of one figure since a time. Where samples are missing, two points are further apart than
    /// [`gap_ms`] allows.
    pub(crate) fn lines(&self, metric: Metric, since: UnixMillis) -> Vec<Line> {
        let kept = self.kept();
        if metric == Metric::Lag {
            let lines = kept
                .peers
                .iter()
                .map(|(peer, (name, series))| Line { peer: Some((*peer, name.clone())), points: series.since(since) });
            return lines.filter(|line| !line.points.is_empty()).collect();
        }
        let samples = kept.node.get(&metric).map(|series| series.since(since)).unwrap_or_default();
        let points = if metric.kind() == Kind::Rate { rates(&samples) } else { samples };
        if points.is_empty() { Vec::new() } else { vec![Line { peer: None, points }] }
    }
}

impl Kept {
    /// Forgets the member that was heard of least lately, if that is long ago and somebody new needs its place.
    fn make_room(&mut self, peer: NodeId, now: UnixMillis) {
        if self.peers.contains_key(&peer) || self.peers.len() < PEERS_MAX {
            return;
        }
        let last = |series: &Series| series.fine.last().map_or(UnixMillis(0), |sample| sample.at);
        let oldest = self.peers.iter().min_by_key(|(_, (_, series))| last(series));
        let gone = oldest.filter(|(_, (_, series))| now.0.saturating_sub(last(series).0) > FINE_SPAN_MS);
        if let Some(gone) = gone.map(|(peer, _)| *peer) {
            self.peers.remove(&gone);
        }
    }
}

/// How far apart two points may be that a line connects, in milliseconds: two steps and a half, so that one sample may
/// be late. `newest` is the time of the later one, as seen from `now`.
pub(crate) fn gap_ms(newest: UnixMillis, now: UnixMillis) -> u64 {
    let step = if now.0.saturating_sub(newest.0) > FINE_SPAN_MS { COARSE_STEP_MS } else { FINE_STEP_MS };
    step * 5 / 2
}

/// Running counts as counts per minute. A count that is smaller than the one before began anew.
fn rates(samples: &[Sample]) -> Vec<Sample> {
    let pairs = samples.iter().zip(samples.iter().skip(1));
    let grown = pairs.filter(|(one, next)| next.value >= one.value && next.at > one.at);
    grown
        .map(|(one, next)| Sample { at: next.at, value: (next.value - one.value) * 60_000.0 / span(one.at, next.at) })
        .collect()
}

fn span(from: UnixMillis, to: UnixMillis) -> f64 {
    real(to.0.saturating_sub(from.0))
}

#[expect(clippy::cast_precision_loss, reason = "a plot shows three digits, and a float holds fifteen")]
fn real(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(START + ms)
    }

    fn look(facts: u64) -> Look {
        Look { node: vec![(Metric::Facts, facts), (Metric::Recalls, facts * 6)], lag: Vec::new() }
    }

    fn peer(n: u8) -> NodeId {
        NodeId([n; 32])
    }

    #[test]
    fn an_hour_is_kept_whole_and_a_week_every_five_minutes() {
        let history = History::default();
        let week_and_a_bit = COARSE_SPAN_MS / FINE_STEP_MS + 1_000;
        for n in 0..week_and_a_bit {
            history.keep(at(n * FINE_STEP_MS), look(n));
        }
        let line = history.lines(Metric::Facts, UnixMillis(0)).remove(0);
        let (last, span) = (line.points.last().unwrap(), line.points.len() as u64);
        assert_eq!((last.at, last.value), (at((week_and_a_bit - 1) * FINE_STEP_MS), (week_and_a_bit - 1) as f64));
        assert!(span <= FINE_SPAN_MS / FINE_STEP_MS + COARSE_SPAN_MS / COARSE_STEP_MS, "{span}");
        assert!(line.points.is_sorted_by(|one, next| one.at < next.at));
        let first = last.at.0 - line.points[0].at.0;
        assert!((COARSE_SPAN_MS - FINE_SPAN_MS..=COARSE_SPAN_MS).contains(&first), "{first}");
        let hour = history.lines(Metric::Facts, UnixMillis(last.at.0 - FINE_SPAN_MS / 2)).remove(0).points;
        assert!(hour.windows(2).all(|pair| pair[1].at.0 - pair[0].at.0 == FINE_STEP_MS) && hour.len() == 181);
    }

    #[test]
    fn what_is_counted_reads_as_a_rate() {
        let history = History::default();
        for n in 0..4 {
            history.keep(at(n * FINE_STEP_MS), look(n));
        }
        // It began anew.
        history.keep(at(4 * FINE_STEP_MS), look(0));
        history.keep(at(5 * FINE_STEP_MS), look(1));
        let points = history.lines(Metric::Recalls, UnixMillis(0)).remove(0).points;
        assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [36.0; 4]);
        assert!(!points.iter().any(|point| point.at == at(4 * FINE_STEP_MS)));
    }

    #[test]
    fn a_clock_that_goes_back_leaves_no_line_that_goes_back() {
        let history = History::default();
        for ms in [0, 60_000, 120_000, 30_000, 90_000] {
            history.keep(at(ms), look(1));
        }
        let points = history.lines(Metric::Facts, UnixMillis(0)).remove(0).points;
        assert_eq!(points.iter().map(|point| point.at).collect::<Vec<_>>(), [at(0), at(30_000), at(90_000)]);
    }

    #[test]
    fn so_many_members_have_a_line_and_one_that_is_gone_makes_room() {
        let history = History::default();
        let behind = |peers: std::ops::Range<u8>| Look {
            lag: peers.map(|n| (peer(n), format!("m{n}"), u64::from(n))).collect(),
            ..Look::default()
        };
        history.keep(at(0), behind(0..70));
        assert_eq!(history.lines(Metric::Lag, UnixMillis(0)).len(), PEERS_MAX);
        history.keep(at(FINE_SPAN_MS + 1), behind(1..64));
        history.keep(at(FINE_SPAN_MS + 2), behind(69..70));
        let lines = history.lines(Metric::Lag, UnixMillis(0));
        let named: Vec<&str> = lines.iter().filter_map(|line| Some(line.peer.as_ref()?.1.as_str())).collect();
        assert!(named.len() == PEERS_MAX && named.contains(&"m69") && !named.contains(&"m0"), "{named:?}");
    }

    #[test]
    fn a_gap_is_longer_than_a_late_sample() {
        assert_eq!(gap_ms(at(0), at(1)), 25_000);
        assert_eq!(gap_ms(at(0), at(FINE_SPAN_MS + 1)), 750_000);
    }
}
