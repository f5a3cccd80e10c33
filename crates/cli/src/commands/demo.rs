//! `antiphon demo`: five nodes on this machine, and the whole story.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::{self, StepReport};
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::output::{self, Output};
use crate::render;

/// What a shell shows for a command that was interrupted.
const INTERRUPTED: u8 = 130;
/// How often a terminal shows that a step is under way.
const TICK: Duration = Duration::from_millis(100);

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the homes of the nodes, to look at what they hold
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Which step is under way, on a terminal; nothing elsewhere.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} … {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Runs the command.
pub(crate) async fn run(args: DemoArgs, output: Output) -> Outcome {
    let (bar, columns) = (progress(), output::columns());
    let begun = |name| bar.set_message(name);
    let told = |step: &StepReport| {
        if !output.json {
            // Nobody who reads is a reason to stop telling, not to leave the nodes alone.
            let _ = bar.suspend(|| output.text(&render::demo::step(step, columns)));
        }
    };
    // Before anything is begun: a signal that nobody listens for ends this program, and not what it started.
    let listen = |kind| {
        signal(kind).map_err(|error| Problem::new(Code::Failed, "signals cannot be received").why(error.to_string()))
    };
    let (mut interrupted, mut ended) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let report = tokio::select! {
        report = demo::run(args.keep, begun, told) => report?,
        // What was begun is dropped here, and every node with it.
        _ = interrupted.recv() => return Err(Stop::Exit(INTERRUPTED)),
        _ = ended.recv() => return Err(Stop::Exit(INTERRUPTED)),
    };
    bar.finish_and_clear();
    output.result(&report, render::demo::end)?;
    if report.ok { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}
