//! `antiphon demo`: five nodes on this machine, and the whole story.

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::{self, StepReport};
use crate::document::interrupted;
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::output::Output;
use crate::render;

/// What a shell shows for a command that was interrupted.
const INTERRUPTED: u8 = 130;

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the homes of the nodes, to look at what they hold
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Runs the command.
pub(crate) async fn run(args: DemoArgs, output: Output) -> Outcome {
    let told = |step: &StepReport| {
        if !output.json {
            // Nobody who reads is a reason to stop telling, not to leave the nodes alone.
            let _ = output.text(&render::demo::step(step));
        }
    };
    let mut ended = signal(SignalKind::terminate())
        .map_err(|error| Problem::new(Code::Failed, "signals cannot be received").why(error.to_string()))?;
    let report = tokio::select! {
        report = demo::run(args.keep, told) => report?,
        // What was begun is dropped here, and every node with it.
        () = interrupted() => return Err(Stop::Exit(INTERRUPTED)),
        _ = ended.recv() => return Err(Stop::Exit(INTERRUPTED)),
    };
    output.result(&report, render::demo::end)?;
    if report.ok { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}
