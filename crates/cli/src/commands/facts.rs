//! `antiphon facts`: facts one by one.

use antiphon_core::fact::{self, check_content, escape};
use antiphon_server::client::{Client, ClientError};
use antiphon_server::dto::{ActorDto, Change, EditDto, FactDto, FactFilterDto, LEFT_WITH_OTHERS};
use clap::{Args, Subcommand};

use super::edits::{replaced, set_or_clear};
use super::erase::{self, ForgetArgs};
use super::pages::up_to;
use super::remember;
use super::which::{About, Which};
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::render;
use crate::render::time::now_ms;

/// Commands of `facts`. An id may be shortened as long as it is unique.
#[derive(Debug, Subcommand)]
pub(crate) enum FactsCommand {
    /// List facts
    List(ListArgs),
    /// Show one fact with everything known about it, also as it was
    Show(ShowArgs),
    /// Change a fact
    Edit(EditArgs),
    /// Add a line to the text of a fact
    Append(AppendArgs),
    /// Take a fact out of recall, and keep it
    Archive {
        /// Id of the fact, or the beginning of it
        id: String,
    },
    /// Forget a fact
    Forget(ForgetArgs),
    /// Bring back a forgotten fact as it was
    Restore {
        /// Id of the fact, or the beginning of it
        id: String,
    },
    /// Show what became of a fact, change by change
    History {
        /// Id of the fact, or the beginning of it
        id: String,
    },
}

/// Options of `facts list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Most facts to list
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Which facts
    #[command(flatten)]
    pub(crate) which: Which,
    /// Forgotten facts too; what they said is in their history
    #[arg(long)]
    pub(crate) forgotten: bool,
}

/// Options of `facts show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Id of the fact, or the beginning of it
    pub(crate) id: String,
    /// What it said at this time, by the clocks of its authors: 2026-01-31, 2026-01-31T10:30:00Z, or how long ago, as in 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
}

/// Options of `facts append`.
#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    /// Id of the fact, or the beginning of it
    pub(crate) id: String,
    /// The text to add, or `-` to read it from stdin
    pub(crate) text: String,
    /// Write control and bidirectional characters visibly instead of refusing them
    #[arg(long)]
    pub(crate) escape: bool,
}

/// Options of `facts edit`: what is not named stays as it is, and an empty text clears domain, module or source.
#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    /// Id of the fact, or the beginning of it
    pub(crate) id: String,
    /// The new text
    #[arg(long, value_name = "TEXT")]
    pub(crate) content: Option<String>,
    /// The new level: 0-3, project, domain, module, snippet
    #[arg(long)]
    pub(crate) level: Option<String>,
    /// The new domain; an empty text clears it
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// The new module; an empty text clears it
    #[arg(long)]
    pub(crate) module: Option<String>,
    /// A tag; repeatable, and all of them replace the present ones
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Remove all tags
    #[arg(long, conflicts_with = "tags")]
    pub(crate) no_tags: bool,
    /// How sure you are, 0 to 1
    #[arg(long)]
    pub(crate) confidence: Option<f64>,
    /// Where it was taken from; an empty text clears it
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Keep it on this node from now on, or no longer
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) private: Option<bool>,
    /// Mark it as out of date, or no longer
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) stale: Option<bool>,
    /// Take it out of recall, or back in
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) archived: Option<bool>,
    /// Write control and bidirectional characters visibly instead of refusing them
    #[arg(long)]
    pub(crate) escape: bool,
}

/// Runs the command.
pub(crate) async fn run(command: FactsCommand, session: &Session) -> Outcome {
    match command {
        FactsCommand::List(args) => list(args, session).await,
        FactsCommand::Show(args) => show(args, session).await,
        FactsCommand::Edit(args) => edit(args, session).await,
        FactsCommand::Append(args) => append(args, session).await,
        FactsCommand::Archive { id } => {
            let edit = EditDto { archived: Some(true), ..EditDto::default() };
            let written = session.node().await?.edit(&id, &edit).await?;
            session.output.result(&written, |written| match written.outcome.as_str() {
                "written" => {
                    format!(
                        "Archived {}. To have it recalled again: antiphon facts edit {0} --archived false",
                        written.id
                    )
                }
                _ => format!("{} was archived before.", written.id),
            })
        }
        FactsCommand::Forget(args) if args.hard => erase::run(args, session).await,
        FactsCommand::Forget(ForgetArgs { id, .. }) => {
            let written = session.node().await?.forget(&id, &ActorDto::default()).await?;
            session.output.result(&written, |written| match written.outcome.as_str() {
                "written" => format!("Forgot {}. To bring it back: antiphon facts restore {0}", written.id),
                _ => format!("{} was forgotten before.", written.id),
            })
        }
        FactsCommand::Restore { id } => {
            let written = session.node().await?.restore(&id, &ActorDto::default()).await?;
            session.output.result(&written, |written| match written.outcome.as_str() {
                "written" => format!("Restored {}.", written.id),
                _ => format!("{} was not forgotten.", written.id),
            })
        }
        FactsCommand::History { id } => {
            let history = session.node().await?.history(&id).await?;
            session.output.result(&history, render::facts::history)
        }
    }
}

async fn show(args: ShowArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    let fact = match &args.as_of {
        Some(at) => node.fact_at(&args.id, at).await?,
        None => node.fact(&args.id).await?,
    };
    session.output.result(&fact, render::facts::fact)?;
    if args.as_of.is_some() {
        session.output.note("This is what it said then. What became of it: antiphon facts history ID");
    }
    Ok(())
}

async fn append(args: AppendArgs, session: &Session) -> Outcome {
    let text = if args.text == "-" { remember::read_text(std::io::stdin().lock())? } else { args.text };
    let text = if args.escape { escape(&text) } else { text };
    check_content(&text).map_err(|error| Problem::from(fact::Error::from(error)))?;
    let edit = EditDto { append: Some(text), escape: args.escape, ..EditDto::default() };
    let written = session.node().await?.edit(&args.id, &edit).await?;
    session.output.result(&written, |written| format!("Added to {}.", written.id))
}

async fn list(args: ListArgs, session: &Session) -> Outcome {
    let About { level, domain, module, tag, archived } = args.which.about;
    let filter = FactFilterDto {
        level,
        domain,
        module,
        tag,
        author: args.which.author,
        archived: archived.then_some(true),
        forgotten: args.forgotten.then_some(true),
        ..FactFilterDto::default()
    };
    let (facts, more) = collect(&session.node().await?, filter, args.limit).await?;
    session.output.result(&facts, |facts| render::facts::list(facts, now_ms()))?;
    if more {
        session
            .output
            .note(&format!("There are more than {}; --limit N shows more.", render::count(facts.len(), "fact")));
    }
    Ok(())
}

/// Up to `limit` facts, and whether there are more.
///
/// # Errors
/// What the node refuses.
pub(crate) async fn collect(
    node: &Client,
    filter: FactFilterDto,
    limit: usize,
) -> Result<(Vec<FactDto>, bool), ClientError> {
    let page = async |after, limit| {
        let page = node.facts(&FactFilterDto { after, limit: Some(limit), ..filter.clone() }).await?;
        Ok((page.facts, page.next))
    };
    up_to(limit, page).await
}

async fn edit(args: EditArgs, session: &Session) -> Outcome {
    let id = args.id.clone();
    let edit = edit_of(args);
    if edit == (EditDto { escape: edit.escape, ..EditDto::default() }) {
        return Err(Problem::new(Code::Invalid, "the edit changes nothing")
            .why("no field was named")
            .hint(format!("antiphon facts edit {id} --content TEXT"))
            .into());
    }
    let written = session.node().await?.edit(&id, &edit).await?;
    session.output.result(&written, |written| match written.outcome.as_str() {
        "written" if written.left_with_others => format!(
            "Edited {}.\n{LEFT_WITH_OTHERS}. To take it away everywhere: antiphon facts forget {} --hard",
            written.id, written.id
        ),
        "written" => format!("Edited {}.", written.id),
        _ => format!("{} has these values already.", written.id),
    })
}

fn edit_of(args: EditArgs) -> EditDto {
    EditDto {
        content: args.content,
        level: args.level.map(Into::into),
        domain: set_or_clear(args.domain),
        module: set_or_clear(args.module),
        tags: replaced(args.tags, args.no_tags),
        confidence: Change::from_option(args.confidence),
        source: set_or_clear(args.source),
        private: args.private,
        stale: args.stale,
        archived: args.archived,
        escape: args.escape,
        ..EditDto::default()
    }
}
