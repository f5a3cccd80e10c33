//! `antiphon outbox`: what waits for machines that cannot be reached, and what became of it.

use std::time::Duration;

use antiphon_server::client::Client;
use antiphon_server::dto::{OutboxFilterDto, OutboxItemDto, OutboxItemsDto, OutboxStatsDto};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::output;
use crate::render;

/// How often a watched outbox is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Commands of `outbox`.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List what waits, and what was refused or given up
    List(ListArgs),
    /// Show one item
    Show {
        /// Its number, as list shows it
        id: String,
    },
    /// Try again now; what was refused, damaged or given up waits again
    Retry(RetryArgs),
    /// Drop an item: it will not be delivered
    Drop(DropArgs),
    /// Show which requests wait, and how long
    Levels,
    /// Show how much waits for whom, and what was counted since the start
    Stats {
        /// Follow it until nothing waits any more
        #[arg(long)]
        watch: bool,
    },
}

/// Options of `outbox list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only what is for this machine: its name, its peer id, or the beginning of it
    #[arg(long, value_name = "PEER")]
    pub(crate) peer: Option<String>,
    /// Only what matters this much: critical or moderate
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<String>,
    /// Most items
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
    /// Only items after this one
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// Follow deliveries until nothing waits any more, then list what is left
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Options of `outbox retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// One item
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) id: Option<String>,
    /// Every machine that something waits for
    #[arg(long)]
    pub(crate) all: bool,
}

/// Options of `outbox drop`.
#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    /// Its number, as list shows it
    pub(crate) id: String,
    /// Do not ask whether you are sure
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What `outbox drop` prints.
#[derive(Debug, Serialize)]
struct Dropped {
    dropped: OutboxItemDto,
}

/// Runs the command.
pub(crate) async fn run(command: OutboxCommand, session: &Session) -> Outcome {
    let node = session.node().await?;
    match command {
        OutboxCommand::List(args) => list(args, &node, session).await,
        OutboxCommand::Show { id } => {
            let item = node.outbox_item(&id).await?;
            session.output.result(&item, render::outbox::item)
        }
        OutboxCommand::Retry(args) => {
            let retried = node.retry_outbox(args.id.as_deref()).await?;
            session.output.result(&retried, render::outbox::retried)
        }
        OutboxCommand::Drop(args) => {
            if !args.yes {
                confirm(&node.outbox_item(&args.id).await?, session)?;
            }
            let dropped = Dropped { dropped: node.drop_outbox(&args.id).await? };
            session.output.result(&dropped, |dropped| render::outbox::dropped(&dropped.dropped))
        }
        OutboxCommand::Levels => {
            let levels = node.outbox_levels().await?;
            session.output.result(&levels, render::outbox::levels)
        }
        OutboxCommand::Stats { watch: false } => {
            let stats = node.outbox_stats().await?;
            session.output.result(&stats, render::outbox::stats)
        }
        OutboxCommand::Stats { watch: true } => {
            let last = watch(&node, session).await?;
            if session.output.json { Ok(()) } else { session.output.text(&render::outbox::stats(&last)) }
        }
    }
}

async fn list(args: ListArgs, node: &Client, session: &Session) -> Outcome {
    let ListArgs { peer, level, limit, after, watch: watching } = args;
    if watching {
        watch(node, session).await?;
    }
    let items: OutboxItemsDto = node.outbox(&OutboxFilterDto { peer, level, limit, after }).await?;
    session.output.result(&items, render::outbox::items)
}

/// Asks a person; a script must say so itself.
fn confirm(item: &OutboxItemDto, session: &Session) -> Outcome {
    let undone = |what: &str| Problem::new(Code::Undecided, what.to_owned());
    if !output::is_interactive() {
        return Err(undone("what is dropped is never delivered, and nobody is here to be asked")
            .hint(format!("antiphon outbox drop {} --yes", item.id))
            .into());
    }
    session.output.note(&render::outbox::item(item));
    if output::agrees("Drop it?") {
        return Ok(());
    }
    let hint = format!("to try it again now: antiphon outbox retry {}", item.id);
    Err(undone("nothing was dropped").hint(hint).into())
}

/// Follows the outbox until nothing waits: as a bar for a person, else a line for each change.
async fn watch(node: &Client, session: &Session) -> Outcome<OutboxStatsDto> {
    let (bar, mut progress) = (bar(session), Progress::default());
    let mut said = String::new();
    loop {
        let stats = node.outbox_stats().await?;
        progress.note(stats.pending);
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(render::outbox::watched(&stats));
        let words = render::outbox::waiting(&stats);
        if session.output.json {
            session.output.json(&stats)?;
        } else if bar.is_hidden() && said != words {
            session.output.text(&words)?;
        }
        if stats.pending == 0 {
            bar.finish_and_clear();
            return Ok(stats);
        }
        said = words;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn bar(session: &Session) -> ProgressBar {
    if session.output.json || !output::is_shown() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    // The template is a constant; a bar that could not read it would look like the default one.
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} done  {wide_msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// How far a watched outbox has come. What is enqueued meanwhile makes the way longer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    total: u64,
    done: u64,
}

impl Progress {
    fn note(&mut self, pending: u64) {
        let before = self.total - self.done;
        match pending.checked_sub(before) {
            Some(more) => self.total = self.total.saturating_add(more),
            None => self.done += before - pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_grows_with_what_comes_and_never_goes_back() {
        let mut progress = Progress::default();
        let mut seen = Vec::new();
        for pending in [3, 1, 4, 0, 0] {
            progress.note(pending);
            seen.push((progress.done, progress.total));
        }
        assert_eq!(seen, [(0, 3), (2, 3), (2, 6), (6, 6), (6, 6)]);
    }
}
