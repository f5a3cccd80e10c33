//! Making a failing world smaller: features, faults, what people do, members and time are left out as long as the same
//! law breaks (Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, TSE 2002).
//!
//! A smaller world is another world: whatever is left out shifts what happens by chance. So a candidate that breaks
//! nothing is tried once more with other chances before it is given up, and what is found is a smaller world that breaks
//! the same law, not necessarily for the same reason.

use std::time::{Duration, Instant};

use crate::failure::{Failure, Law};
use crate::options::Options;
use crate::plan_trim::NODES_MIN;
use crate::swarm::{Feature, Swarm};
use crate::trim::{Kind, PLACES_MAX, Trim};
use crate::world::{planned, run};

/// How much may be tried.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most worlds.
    pub attempts: u64,
    /// Longest time.
    pub time: Duration,
    /// How often a candidate is tried with other chances.
    pub salts: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { attempts: 1_000, time: Duration::from_secs(120), salts: 2 }
    }
}

/// How large a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Members.
    pub nodes: usize,
    /// Features that were drawn and are on.
    pub features: u32,
    /// Faults, and things that people do, but for what they hand in for others.
    pub things: usize,
    /// When everything heals, in milliseconds.
    pub calm_ms: u64,
}

/// A smaller world that breaks the same law.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What replays it.
    pub options: Options,
    /// How it fails.
    pub failure: Failure,
    /// How large the world of the seed is.
    pub before: Size,
    /// How large this one is.
    pub after: Size,
    /// Worlds that were tried.
    pub attempts: u64,
}

/// How large the world of these options is.
pub fn size(options: Options) -> Size {
    let plan = planned(options);
    let things = Kind::ALL.into_iter().map(|kind| kept(&options.trim, kind, full(options).count(kind))).sum();
    let features = plan.swarm.map_or(0, Swarm::len);
    Size { nodes: plan.nodes, features, things, calm_ms: plan.calm_at }
}

/// The plan from which things are left out by their places.
fn full(options: Options) -> crate::plan::Plan {
    planned(Options { trim: Trim { off: options.trim.off, ..Trim::default() }, ..options })
}

fn kept(trim: &Trim, kind: Kind, count: usize) -> usize {
    (0..count).filter(|place| !trim.drops(kind, *place)).count()
}

/// Looks for a smaller world than that of `options` that breaks the same law.
///
/// # Errors
/// When the world of `options` keeps every law.
pub fn shrink(options: Options, bounds: Bounds) -> Result<Shrunk, NothingBreaks> {
    let options = Options { verbose: false, ..options };
    let failure = run(options).err().ok_or(NothingBreaks)?;
    let mut search = Search { best: options, failure, bounds, attempts: 1, until: Instant::now() + bounds.time };
    loop {
        let before = search.best.trim;
        search.features();
        search.members();
        search.time();
        for kind in [Kind::Hand, Kind::Fault, Kind::Act, Kind::Seal, Kind::Removal, Kind::Write] {
            search.things(kind);
        }
        if search.best.trim == before || search.is_over() {
            break;
        }
    }
    let Search { best, failure, attempts, .. } = search;
    Ok(Shrunk { options: best, failure, before: size(options), after: size(best), attempts })
}

/// There is nothing to make smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the world keeps every law, so there is nothing to make smaller")]
pub struct NothingBreaks;

struct Search {
    best: Options,
    failure: Failure,
    bounds: Bounds,
    attempts: u64,
    until: Instant,
}

impl Search {
    fn is_over(&self) -> bool {
        self.attempts >= self.bounds.attempts || Instant::now() >= self.until
    }

    /// Takes a candidate if it breaks the same law, by these chances or others.
    fn takes(&mut self, trim: Trim) -> bool {
        for salt in 0..=self.bounds.salts {
            if self.is_over() {
                return false;
            }
            self.attempts += 1;
            let salt = if salt == 0 { trim.salt } else { self.attempts };
            let options = Options { trim: Trim { salt, ..trim }, ..self.best };
            if let Err(failure) = run(options)
                && self.is_same(failure.law)
            {
                (self.best, self.failure) = (options, failure);
                return true;
            }
        }
        false
    }

    fn is_same(&self, law: Law) -> bool {
        law == self.failure.law
    }

    /// Switches features off, half of them first.
    fn features(&mut self) {
        let trim = self.best.trim;
        let on: Vec<Feature> = match planned(self.best).swarm {
            Some(swarm) => swarm.features().collect(),
            None => Feature::ALL.into_iter().filter(|feature| !trim.is_off(*feature)).collect(),
        };
        self.minimize(&on, |trim, feature| trim.off.insert(*feature));
    }

    /// Leaves things of a kind out, half of them first.
    fn things(&mut self, kind: Kind) {
        let count = if kind == Kind::Hand { PLACES_MAX } else { full(self.best).count(kind) };
        let trim = self.best.trim;
        let here: Vec<usize> = (0..count.min(PLACES_MAX)).filter(|place| !trim.drops(kind, *place)).collect();
        self.minimize(&here, |trim, place| trim.drop(kind, *place));
    }

    /// Delta debugging: what is left is such that nothing of it can be left out alone, unless the bounds are met.
    fn minimize<T: Copy>(&mut self, all: &[T], leave_out: impl Fn(&mut Trim, &T)) {
        let (mut left, mut parts) = (all.to_vec(), 1);
        while !left.is_empty() && !self.is_over() {
            let len = left.len().div_ceil(parts);
            let mut kept = Vec::new();
            let mut shrunk = false;
            for chunk in left.chunks(len) {
                let mut trim = self.best.trim;
                chunk.iter().for_each(|one| leave_out(&mut trim, one));
                if self.takes(trim) {
                    shrunk = true;
                } else {
                    kept.extend_from_slice(chunk);
                }
            }
            left = kept;
            if len == 1 && !shrunk {
                return;
            }
            parts = if len == 1 { left.len().max(1) } else { (2 * parts).min(left.len().max(1)) };
        }
    }

    /// As few members as possible.
    fn members(&mut self) {
        let nodes = planned(self.best).nodes;
        for fewer in NODES_MIN..nodes {
            if self.takes(Trim { nodes: fewer, ..self.best.trim }) || self.is_over() {
                return;
            }
        }
    }

    /// As short as possible, to a tenth.
    fn time(&mut self) {
        let (mut low, mut high) = (1_000, planned(self.best).calm_at);
        while high > low + high / 10 && !self.is_over() {
            let middle = u64::midpoint(low, high);
            if self.takes(Trim { calm_ms: middle, ..self.best.trim }) {
                high = middle;
            } else {
                low = middle;
            }
        }
    }
}
