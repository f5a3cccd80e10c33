//! Whether the network can be relied on, and what to rely on while it cannot.
//!
//! Every operation says how it went. A backend that fails three times in a row is not asked any more until a check
//! finds it healthy, so that nobody waits for a timeout each time, and checks come ever more rarely while it stays
//! away, but at once when a member connects. What was written meanwhile is not this machine's business: it stands in
//! the database whatever is decided here.
//!
//! A person can decide instead: `local` leaves the network alone, `kad` asks it however it does.

use std::collections::VecDeque;

use antiphon_core::time::UnixMillis;

use super::{Seen, earlier};

/// Failures one after the other, from which on a backend counts as failed.
pub const FAILURES_MAX: u32 = 3;
/// How long nothing may be heard of a backend that does well before it is checked, in milliseconds.
pub const CHECK_MS: u64 = 30_000;
/// Pause before a backend that failed is checked, in milliseconds; each check in vain doubles it.
pub const RECHECK_MS: u64 = 2_000;
/// Longest such pause, in milliseconds.
pub const RECHECK_MS_MAX: u64 = 60_000;
/// Shortest time between two checks of a backend, whatever gives cause for one, in milliseconds.
pub const AGAIN_MS: u64 = 500;
/// Operations of each backend by which its latency and its failures are judged, the last.
pub const SAMPLES_MAX: usize = 64;
/// A backend of which more than one operation in so many fails does badly.
const FAILING_ONE_IN: usize = 4;
/// Fewer operations than this say nothing about how many fail.
const SAMPLES_MIN: usize = 8;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// This node's database.
    Local,
    /// The network.
    Kad,
}

impl Backend {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Local, Self::Kad];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kad => "kad",
        }
    }
}

/// Who decides which backend is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Choice {
    /// This machine.
    #[default]
    Auto,
    /// A person: the database alone.
    Local,
    /// A person: the network too, whether it does well or not.
    Kad,
}

impl Choice {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Local, Self::Kad];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Local => "local",
            Self::Kad => "kad",
        }
    }

    /// The choice of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.name() == name)
    }
}

/// How a backend does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Its operations succeed.
    Healthy,
    /// The last one failed, or too many of late.
    Degraded,
    /// [`FAILURES_MAX`] failed one after the other, and no check has found it healthy since.
    Failed,
}

impl Status {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// What was asked of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Keep a record.
    Put,
    /// Read a record.
    Get,
    /// Note that this node has something.
    Provide,
    /// Who has something.
    Providers,
    /// Whether it answers at all.
    Check,
}

impl Operation {
    /// Every operation; its position is its place in [`Health::operations`].
    pub const ALL: [Self; 5] = [Self::Put, Self::Get, Self::Provide, Self::Providers, Self::Check];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Provide => "provide",
            Self::Providers => "providers",
            Self::Check => "check",
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Put => 0,
            Self::Get => 1,
            Self::Provide => 2,
            Self::Providers => 3,
            Self::Check => 4,
        }
    }
}

/// How an operation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was done, or it was found that there is nothing, in so many microseconds.
    Done {
        /// How long it took, in microseconds.
        took_us: u64,
    },
    /// The backend could not do it.
    Failed,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// An operation is over.
    Ended {
        /// Of which backend.
        backend: Backend,
        /// Which.
        operation: Operation,
        /// How it went.
        end: End,
    },
    /// Something changed, for which a backend that failed may do well again: a member connected.
    Hope(Backend),
    /// Something changed, for which a backend that does well may do so no more: the last member is gone.
    Doubt(Backend),
    /// A person chose.
    Choose(Choice),
    /// The time that [`Output::WakeAt`] named has come. An early one does no harm.
    Wake,
}

/// What must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Ask this backend whether it does well, and hand in [`Input::Ended`] with [`Operation::Check`].
    Check(Backend),
    /// From now on this backend answers what the database alone cannot.
    Use {
        /// Which.
        backend: Backend,
        /// Why.
        cause: Cause,
    },
    /// Hand in [`Input::Wake`] at this time; replaces the earlier one.
    WakeAt(UnixMillis),
}

/// Why another backend is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A person chose it.
    Chosen,
    /// The network failed.
    Failed,
    /// A check found the network healthy.
    Recovered,
}

/// How often something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How often it was done.
    pub done: u64,
    /// How often it could not be done.
    pub failed: u64,
    /// How long those took that were done, all together, in microseconds.
    pub took_us: u64,
}

/// How long operations take, by the last [`SAMPLES_MAX`], in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// How many it is taken from.
    pub samples: usize,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// Of twenty, nineteen took no longer.
    pub p95_us: u64,
    /// The longest.
    pub longest_us: u64,
}

/// What is known of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How it does.
    pub status: Status,
    /// When it was last heard of, by a check or by any other operation.
    pub last_check: Option<UnixMillis>,
    /// Failures since the node started.
    pub errors: u64,
    /// Failures one after the other, up to now.
    pub consecutive_failures: u32,
    /// How long operations take.
    pub latency: Latency,
    /// How often what was asked, in the order of [`Operation::ALL`].
    pub operations: [Tally; 5],
}

/// Whether a backend is being checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checking {
    /// It is checked at this time.
    Due(UnixMillis),
    /// It is being checked.
    Running {
        /// Something changed meanwhile, so it is repeated soon, whatever it finds: it may have been too early.
        again: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Gauge {
    failed: bool,
    last_check: Option<UnixMillis>,
    errors: u64,
    consecutive: u32,
    /// How long the last operations took; none for those that failed.
    recent: VecDeque<Option<u64>>,
    operations: [Tally; 5],
    checking: Checking,
    /// When the last check began.
    checked_at: Option<UnixMillis>,
    /// Pause before the next check, while it fails.
    pause_ms: u64,
}

impl Gauge {
    const fn new(now: UnixMillis) -> Self {
        Self {
            failed: false,
            last_check: None,
            errors: 0,
            consecutive: 0,
            recent: VecDeque::new(),
            operations: [Tally { done: 0, failed: 0, took_us: 0 }; 5],
            checking: Checking::Due(now),
            checked_at: None,
            pause_ms: RECHECK_MS,
        }
    }

    fn health(&self) -> Health {
        Health {
            status: self.status(),
            last_check: self.last_check,
            errors: self.errors,
            consecutive_failures: self.consecutive,
            latency: self.latency(),
            operations: self.operations,
        }
    }

    fn status(&self) -> Status {
        let failing = self.recent.iter().filter(|sample| sample.is_none()).count();
        let badly = self.recent.len() >= SAMPLES_MIN && failing * FAILING_ONE_IN > self.recent.len();
        match (self.failed, self.consecutive > 0 || badly) {
            (true, _) => Status::Failed,
            (false, true) => Status::Degraded,
            (false, false) => Status::Healthy,
        }
    }

    fn latency(&self) -> Latency {
        let mut took: Vec<u64> = self.recent.iter().flatten().copied().collect();
        took.sort_unstable();
        let at = |per_cent: usize| took.get((took.len() * per_cent).div_ceil(100).saturating_sub(1)).copied();
        Latency {
            samples: took.len(),
            p50_us: at(50).unwrap_or_default(),
            p95_us: at(95).unwrap_or_default(),
            longest_us: at(100).unwrap_or_default(),
        }
    }

    fn ended(&mut self, operation: Operation, end: End, now: UnixMillis) {
        self.last_check = Some(now);
        let tally = &mut self.operations[operation.place()];
        let sample = match end {
            End::Done { took_us } => {
                tally.done += 1;
                tally.took_us = tally.took_us.saturating_add(took_us);
                self.consecutive = 0;
                Some(took_us)
            }
            End::Failed => {
                tally.failed += 1;
                self.errors += 1;
                self.consecutive = self.consecutive.saturating_add(1);
                self.failed |= self.consecutive >= FAILURES_MAX;
                None
            }
        };
        let healed = self.failed && operation == Operation::Check && sample.is_some();
        if healed {
            // What failed before says nothing about what begins now.
            (self.failed, self.pause_ms) = (false, RECHECK_MS);
            self.recent.clear();
        }
        self.recent.push_back(sample);
        if self.recent.len() > SAMPLES_MAX {
            self.recent.pop_front();
        }
        self.schedule(operation, sample.is_some(), now);
    }

    /// When the next check is due after an operation.
    fn schedule(&mut self, operation: Operation, done: bool, now: UnixMillis) {
        let again = match (operation, self.checking) {
            (Operation::Check, Checking::Running { again }) => again,
            // Another one was asked for already, or is under way.
            (Operation::Check, Checking::Due(_)) | (_, Checking::Running { .. }) => return,
            (_, Checking::Due(at)) => {
                let next = match (done, self.failed) {
                    (true, false) => now.after(CHECK_MS),
                    // It answers after all: that is worth a check.
                    (true, true) => self.soon(now).min(at),
                    (false, _) => now.after(self.pause_ms).min(at),
                };
                self.checking = Checking::Due(next);
                return;
            }
        };
        let next = if again {
            self.soon(now)
        } else if done {
            self.pause_ms = RECHECK_MS;
            now.after(CHECK_MS)
        } else {
            let pause = self.pause_ms;
            self.pause_ms = (pause * 2).min(RECHECK_MS_MAX);
            now.after(pause)
        };
        self.checking = Checking::Due(next);
    }

    /// As soon as a check may follow the last.
    fn soon(&self, now: UnixMillis) -> UnixMillis {
        self.checked_at.map_or(now, |at| at.after(AGAIN_MS).max(now))
    }

    fn hope(&mut self, now: UnixMillis) {
        if self.consecutive == 0 && !self.failed {
            return;
        }
        self.pause_ms = RECHECK_MS;
        self.check_soon(now);
    }

    fn doubt(&mut self, now: UnixMillis) {
        if !self.failed {
            self.check_soon(now);
        }
    }

    fn check_soon(&mut self, now: UnixMillis) {
        match &mut self.checking {
            Checking::Running { again } => *again = true,
            Checking::Due(at) => {
                let at = *at;
                self.checking = Checking::Due(self.soon(now).min(at));
            }
        }
    }

    fn set_back(&mut self, back: u64) {
        if let Checking::Due(at) = &mut self.checking {
            *at = earlier(*at, back);
        }
        self.checked_at = self.checked_at.map(|at| earlier(at, back));
    }
}

/// The machine that decides who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hybrid {
    choice: Choice,
    local: Gauge,
    kad: Gauge,
    /// What was last said to be used.
    using: Backend,
    asked: Option<UnixMillis>,
    seen: Seen,
}

impl Hybrid {
    /// Nothing is known of either backend; the first [`Input::Wake`] checks both.
    pub const fn new(choice: Choice, now: UnixMillis) -> Self {
        let using = match choice {
            Choice::Local => Backend::Local,
            Choice::Auto | Choice::Kad => Backend::Kad,
        };
        Self { choice, local: Gauge::new(now), kad: Gauge::new(now), using, asked: None, seen: Seen(now) }
    }

    /// What a person chose.
    pub const fn choice(&self) -> Choice {
        self.choice
    }

    /// Who answers what the database alone cannot.
    pub const fn using(&self) -> Backend {
        self.using
    }

    /// What is known of a backend.
    pub fn health(&self, backend: Backend) -> Health {
        match backend {
            Backend::Local => self.local.health(),
            Backend::Kad => self.kad.health(),
        }
    }

    /// What must be done after `input` happened.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let back = self.seen.tick(now);
        if back > 0 {
            self.local.set_back(back);
            self.kad.set_back(back);
            self.asked = None;
        }
        let mut out = Vec::new();
        match input {
            Input::Ended { backend, operation, end } => self.gauge(backend).ended(operation, end, now),
            Input::Hope(backend) => self.gauge(backend).hope(now),
            Input::Doubt(backend) => self.gauge(backend).doubt(now),
            Input::Choose(choice) => self.choice = choice,
            Input::Wake => self.asked = None,
        }
        self.choose(input, &mut out);
        self.check(now, &mut out);
        out
    }

    const fn gauge(&mut self, backend: Backend) -> &mut Gauge {
        match backend {
            Backend::Local => &mut self.local,
            Backend::Kad => &mut self.kad,
        }
    }

    fn choose(&mut self, input: Input, out: &mut Vec<Output>) {
        let backend = match self.choice {
            Choice::Local => Backend::Local,
            Choice::Auto if self.kad.failed => Backend::Local,
            Choice::Auto | Choice::Kad => Backend::Kad,
        };
        if backend == self.using {
            return;
        }
        self.using = backend;
        let cause = match (input, backend) {
            (Input::Choose(_), _) => Cause::Chosen,
            (_, Backend::Local) => Cause::Failed,
            (_, Backend::Kad) => Cause::Recovered,
        };
        out.push(Output::Use { backend, cause });
    }

    /// Begins the checks that are due. A network that a person wants left alone is.
    fn check(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let mut next: Option<UnixMillis> = None;
        for backend in Backend::ALL {
            if backend == Backend::Kad && self.choice == Choice::Local {
                continue;
            }
            let gauge = self.gauge(backend);
            match gauge.checking {
                Checking::Due(at) if at <= now => {
                    gauge.checking = Checking::Running { again: false };
                    gauge.checked_at = Some(now);
                    out.push(Output::Check(backend));
                }
                Checking::Due(at) => next = Some(next.map_or(at, |next| next.min(at))),
                Checking::Running { .. } => {}
            }
        }
        if let Some(at) = next.filter(|at| self.asked.is_none_or(|asked| asked > *at)) {
            self.asked = Some(at);
            out.push(Output::WakeAt(at));
        }
    }
}
