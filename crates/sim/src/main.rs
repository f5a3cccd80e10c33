//! Runs worlds: `antiphon-sim --seeds 1000 --from 0`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use antiphon_sim::{
    Bounds, Class, Coverage, Drawing, Failure, Feature, Options, Sabotage, Size, Summary, Swarm, Trim, Worlds, run,
    shrink,
};
use clap::{Parser, ValueEnum};

/// Worlds between two lines of progress.
const PROGRESS_SEEDS: u64 = 100;
/// Of so many worlds every class of faults must have met somebody.
const CLASSES_SEEDS: u64 = 200;
/// Of so many worlds, and of each so many more, one process on average must have been killed in the middle of an outbox.
const KILL_POINTS_SEEDS: u64 = 1_000;

/// Simulates teams of Antiphon nodes; every seed is one world.
#[derive(Debug, Parser)]
struct Args {
    /// How many worlds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Worlds at the same time; as many as there are processors unless it is said.
    #[arg(long, alias = "threads")]
    jobs: Option<usize>,
    /// Which worlds the seeds mean.
    #[arg(long, value_enum, default_value_t)]
    worlds: Kind,
    /// The same as `--worlds federation`.
    #[arg(long)]
    federation: bool,
    /// In every world some node comes back with an older disk.
    #[arg(long)]
    forks: bool,
    /// Documents are stored in most worlds whose roles have keys.
    #[arg(long)]
    documents: bool,
    /// Break every node on purpose, to see that it is noticed; an unknown name lists all.
    #[arg(long, value_parser = sabotage)]
    sabotage: Option<Sabotage>,
    /// Go on after a world that failed.
    #[arg(long)]
    keep_going: bool,
    /// Write every step to standard error, and which features were drawn.
    #[arg(long)]
    verbose: bool,
    /// How seeds draw their worlds: 1 a little of everything, as seeds that were kept do; 2 some features and not others.
    /// Mixed worlds draw 2 and all others 1 unless it is said.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
    drawing: Option<u8>,
    /// Features that are off, with commas between them; an unknown name lists all.
    #[arg(long, value_parser = Swarm::parse)]
    without: Option<Swarm>,
    /// What is left out of the plan of a seed, as `--shrink` says it.
    #[arg(long, value_parser = dropped)]
    drop: Option<Trim>,
    /// Members at most.
    #[arg(long)]
    nodes: Option<usize>,
    /// When everything heals at the latest, in milliseconds.
    #[arg(long)]
    calm: Option<u64>,
    /// Changes what happens by chance while a world runs.
    #[arg(long, default_value_t = 0)]
    salt: u64,
    /// Make the first world that fails as small as can be found, print what replays it, and its steps.
    #[arg(long)]
    shrink: bool,
    /// Longest time that is spent on that, in seconds.
    #[arg(long, default_value_t = 120)]
    shrink_seconds: u64,
    /// Most worlds that are tried for that.
    #[arg(long, default_value_t = 1_000)]
    shrink_attempts: u64,
}

/// Which worlds the seeds mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Kind {
    /// Two of five seeds mean a federation, one a world of copies, the others a world of any size.
    #[default]
    Mixed,
    /// Five members to whom everything happens at once.
    Federation,
    /// Any number of members, more of whom are stewards.
    Free,
    /// Members that keep each other's documents.
    Replication,
}

impl Args {
    fn options(&self, seed: u64) -> Options {
        let worlds = match self.worlds {
            _ if self.federation => Worlds::Federation,
            Kind::Mixed => Worlds::Mixed,
            Kind::Federation => Worlds::Federation,
            Kind::Free => Worlds::Free,
            Kind::Replication => Worlds::Replication,
        };
        let mixed = worlds == Worlds::Mixed && !self.forks;
        let drawing = match self.drawing {
            Some(2) => Drawing::Swarm,
            None if mixed => Drawing::Swarm,
            _ => Drawing::Full,
        };
        let trim = Trim {
            off: self.without.unwrap_or_default(),
            nodes: self.nodes.unwrap_or(0),
            calm_ms: self.calm.unwrap_or(0),
            salt: self.salt,
            ..self.drop.unwrap_or_default()
        };
        let Self { verbose, forks, documents, sabotage, .. } = *self;
        Options { seed, verbose, worlds, forks, documents, sabotage, drawing, trim }
    }
}

/// The command that replays a world.
fn replay(options: &Options) -> String {
    let worlds = match options.worlds {
        Worlds::Mixed => "",
        Worlds::Federation => " --worlds federation",
        Worlds::Free => " --worlds free",
        Worlds::Replication => " --worlds replication",
    };
    let drawing = match options.drawing {
        Drawing::Full => 1,
        Drawing::Swarm => 2,
    };
    let forks = if options.forks { " --forks" } else { "" };
    let documents = if options.documents { " --documents" } else { "" };
    let sabotage = options.sabotage.map(|sabotage| format!(" --sabotage {sabotage:?}")).unwrap_or_default();
    let (seed, trim) = (options.seed, options.trim);
    format!(
        "cargo run -p antiphon-sim --release -- --seeds 1 --from {seed}{worlds} --drawing {drawing}{forks}{documents}{sabotage}{trim}"
    )
}

fn dropped(text: &str) -> Result<Trim, String> {
    let mut trim = Trim::default();
    trim.drop_all(text).map(|()| trim)
}

fn sabotage(name: &str) -> Result<Sabotage, String> {
    let found = Sabotage::ALL.into_iter().find(|sabotage| format!("{sabotage:?}") == name);
    found.ok_or_else(|| format!("there are {:?}", Sabotage::ALL))
}

#[derive(Default)]
struct Results {
    total: Summary,
    coverage: Coverage,
    failures: Vec<Failure>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match simulate(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn simulate(args: &Args) -> io::Result<bool> {
    let begun = Instant::now();
    let (next, stop, results) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Results::default()));
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = if args.verbose { 1 } else { args.jobs.unwrap_or(processors).max(1) };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let done = next.fetch_add(1, Ordering::Relaxed);
                    if done >= args.seeds {
                        return;
                    }
                    let seed = args.from.wrapping_add(done);
                    let result = run(args.options(seed));
                    let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match result {
                        Ok(summary) => {
                            results.coverage.add(&summary);
                            results.total = add(&results.total, &summary);
                        }
                        Err(failure) => {
                            stop.store(!args.keep_going, Ordering::Relaxed);
                            results.failures.push(failure);
                        }
                    }
                    if (done + 1).is_multiple_of(PROGRESS_SEEDS) {
                        let line = format!("{} worlds, {:.1} s", done + 1, begun.elapsed().as_secs_f64());
                        // Progress that nobody reads is no reason to stop.
                        let _ = writeln!(io::stderr(), "{line}");
                    }
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.failures.sort_by_key(|failure| failure.seed);
    report(args, &results, begun.elapsed().as_secs_f64())?;
    let idle = report_classes(args, &results.total)? | report_features(args, &results.coverage)?;
    if let Some(failure) = results.failures.first().filter(|_| args.shrink) {
        make_smaller(args, args.options(failure.seed))?;
    }
    Ok(results.failures.is_empty() && !idle)
}

fn report(args: &Args, results: &Results, seconds: f64) -> io::Result<()> {
    let (mut out, total) = (io::stdout().lock(), &results.total);
    for failure in &results.failures {
        writeln!(out, "seed {} FAILED {failure}", failure.seed)?;
        writeln!(out, "  replay: {} --verbose", replay(&args.options(failure.seed)))?;
    }
    let worlds = total.worlds;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = worlds as f64 / seconds.max(0.001);
    writeln!(out, "{worlds} worlds kept every law, {rate:.1} per second")?;
    writeln!(
        out,
        "  {} nodes, {} joins, {} drafts ({} acknowledged, {} refused), {} events taken in",
        total.nodes, total.joined, total.writes, total.acknowledged, total.refused, total.applied
    )?;
    writeln!(
        out,
        "  {} handshakes, {} sessions, {} faults, {} crashes ({} in a write), {} messages hurt, {} attempts of strangers and thieves, {} virtual hours",
        total.handshakes,
        total.sessions,
        total.faults,
        total.crashes,
        total.torn,
        total.hurt,
        total.attempts,
        total.lasted_ms / 3_600_000
    )?;
    writeln!(
        out,
        "  {} records of stewards, {} handshakes out of step, {} seals ({} without a fit key), {} keys wrapped later, {} removals shown, {} premature",
        total.charter,
        total.out_of_step,
        total.sealed,
        total.unsealed,
        total.wrapped_later,
        total.shown_removals,
        total.early_removals
    )
}

/// Says what faults met somebody. Returns whether one never did that should have.
fn report_classes(args: &Args, total: &Summary) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let (worlds, copies) = (total.federations, total.copies);
    writeln!(out, "  {worlds} worlds of five members to whom everything happened at once; in all worlds")?;
    let (of_copies, others): (Vec<Class>, Vec<Class>) = Class::ALL.into_iter().partition(|class| class.is_of_copies());
    for class in others {
        writeln!(out, "  {:>9} {class}", total.exercised.count(class))?;
    }
    let (missing, moved) = (total.missing_bytes, total.moved_bytes);
    writeln!(out, "  {copies} worlds of copies, for which {moved} bytes moved where {missing} were missing")?;
    for class in of_copies {
        writeln!(out, "  {:>9} {class}", total.exercised.count(class))?;
    }
    let enough = |worlds: u64| worlds > 0 && total.worlds >= CLASSES_SEEDS;
    let mut idle = if enough(worlds) { total.exercised.missing() } else { Vec::new() };
    idle.extend(if enough(total.swarms) { total.exercised.missing_of_swarms() } else { Vec::new() });
    idle.extend(if enough(copies) { total.exercised.missing_of_copies() } else { Vec::new() });
    for class in &idle {
        writeln!(out, "NEVER HAPPENED in {} worlds, so nothing is proved about it: {class}", args.seeds)?;
    }
    let (killed, wanted) = (total.exercised.count(Class::KillPoint), total.worlds - copies);
    let spared = worlds > 0 && total.worlds >= KILL_POINTS_SEEDS && killed < wanted;
    if spared {
        writeln!(out, "ONLY {killed} processes were killed in the middle of an outbox, {wanted} must be")?;
    }
    Ok(!idle.is_empty() || spared)
}

/// Says which features were drawn and met. Returns whether one never did that should have.
fn report_features(args: &Args, coverage: &Coverage) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    if coverage.worlds() == 0 {
        return Ok(false);
    }
    writeln!(
        out,
        "  {} worlds with some features and not others; drawn, and met somebody, in so many",
        coverage.worlds()
    )?;
    for feature in Feature::ALL {
        let (drawn, met) = coverage.count(feature);
        writeln!(out, "  {drawn:>9} {met:>7} {feature}")?;
    }
    if let Some((one, other, worlds)) = coverage.rarest() {
        writeln!(out, "  of {} pairs {one} and {other} met least, in {worlds} worlds", coverage.pairs())?;
    }
    let missing = coverage.missing();
    for what in &missing {
        writeln!(out, "NEVER HAPPENED in {} worlds, so nothing is proved about it: {what}", args.seeds)?;
    }
    Ok(!missing.is_empty())
}

/// Makes a failing world smaller, and shows its steps.
fn make_smaller(args: &Args, options: Options) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let bounds =
        Bounds { attempts: args.shrink_attempts, time: Duration::from_secs(args.shrink_seconds), ..Bounds::default() };
    let shrunk = match shrink(options, bounds) {
        Ok(shrunk) => shrunk,
        Err(nothing) => return writeln!(out, "  {nothing}"),
    };
    let words = |size: &Size| {
        let Size { nodes, features, things, calm_ms } = size;
        format!("{nodes} members, {features} features, {things} faults and acts, {calm_ms} ms")
    };
    writeln!(out, "  made smaller in {} worlds: {}", shrunk.attempts, shrunk.failure)?;
    writeln!(out, "  from {} to {}", words(&shrunk.before), words(&shrunk.after))?;
    writeln!(out, "  replay: {} --verbose", replay(&shrunk.options))?;
    // Its steps go to standard error, as those of any world do.
    let _failed_again = run(Options { verbose: true, ..shrunk.options });
    Ok(())
}

fn add(a: &Summary, b: &Summary) -> Summary {
    Summary {
        worlds: a.worlds + b.worlds,
        trace: a.trace ^ b.trace,
        steps: a.steps + b.steps,
        lasted_ms: a.lasted_ms + b.lasted_ms,
        nodes: a.nodes + b.nodes,
        writes: a.writes + b.writes,
        acknowledged: a.acknowledged + b.acknowledged,
        refused: a.refused + b.refused,
        applied: a.applied + b.applied,
        handshakes: a.handshakes + b.handshakes,
        joined: a.joined + b.joined,
        sessions: a.sessions + b.sessions,
        faults: a.faults + b.faults,
        crashes: a.crashes + b.crashes,
        torn: a.torn + b.torn,
        hurt: a.hurt + b.hurt,
        attempts: a.attempts + b.attempts,
        out_of_step: a.out_of_step + b.out_of_step,
        charter: a.charter + b.charter,
        sealed: a.sealed + b.sealed,
        unsealed: a.unsealed + b.unsealed,
        wrapped_later: a.wrapped_later + b.wrapped_later,
        early_removals: a.early_removals + b.early_removals,
        shown_removals: a.shown_removals + b.shown_removals,
        federations: a.federations + b.federations,
        copies: a.copies + b.copies,
        swarms: a.swarms + b.swarms,
        swarm: None,
        missing_bytes: a.missing_bytes + b.missing_bytes,
        moved_bytes: a.moved_bytes + b.moved_bytes,
        exercised: a.exercised.and(&b.exercised),
    }
}
