//! `antiphon recall`: finds facts by words and filters, also as they were, and what members keep to themselves.

use antiphon_server::dto::{AskedMemberDto, RecallRequestDto};
use clap::Args;

use super::which::{About, Which};
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::render;

/// Options of `recall`.
#[derive(Debug, Args)]
pub(crate) struct RecallArgs {
    /// Words to look for; without any the newest facts that pass the filters are shown
    pub(crate) query: Option<String>,
    /// Most facts to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,
    /// Which facts
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only first written on this node, whoever changed it since; a store id too
    #[arg(long, value_name = "PEER|STORE")]
    pub(crate) origin: Option<String>,
    /// Only last changed at this time or later: 2026-01-31, 2026-01-31T10:30:00Z, or how long ago, as in 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only last changed before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only from this kind of source: human, agent, tool, web, import
    #[arg(long, value_name = "KIND")]
    pub(crate) source_kind: Option<String>,
    /// Only what was changed on several machines at once and is not settled
    #[arg(long)]
    pub(crate) diverged: bool,
    /// Without facts that are out of date
    #[arg(long)]
    pub(crate) fresh: bool,
    /// What facts said at this time, by the clocks of their authors
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Show how each score came about
    #[arg(long)]
    pub(crate) explain: bool,
    /// Ask connected members too, for what they keep to themselves and show to whoever asks
    #[arg(long, conflicts_with = "as_of")]
    pub(crate) peers: bool,
}

impl RecallArgs {
    /// Whether there is anything to look for: words, or a filter that is enough without any.
    fn asks(&self) -> bool {
        let about = &self.which.about;
        let filters = [&self.query, &about.level, &about.domain, &about.module, &about.tag, &self.which.author];
        let others = [&self.origin, &self.since, &self.until, &self.source_kind, &self.as_of];
        self.diverged || filters.into_iter().chain(others).any(Option::is_some)
    }
}

/// Runs the command.
pub(crate) async fn run(args: RecallArgs, session: &Session) -> Outcome {
    if !args.asks() {
        return Err(Problem::new(Code::Invalid, "nothing was asked")
            .why("there are neither words to look for nor a filter")
            .hint("antiphon recall WORDS, or a filter: antiphon recall --tag TAG")
            .into());
    }
    let About { level, domain, module, tag, archived } = args.which.about;
    let request = RecallRequestDto {
        query: args.query.unwrap_or_default(),
        limit: Some(args.limit),
        level: level.map(Into::into),
        domain,
        module,
        tag,
        author: args.which.author,
        origin: args.origin,
        since: args.since.map(Into::into),
        until: args.until.map(Into::into),
        source_kind: args.source_kind,
        diverged: args.diverged.then_some(true),
        archived: archived.then_some(true),
        stale: args.fresh.then_some(false),
        as_of: args.as_of.map(Into::into),
        explain: args.explain.then_some(true),
        peers: args.peers.then_some(true),
    };
    let answer = session.node().await?.recall(&request).await?;
    session.output.result(&answer.hits, |hits| render::recall::hits(hits, render::time::now_ms()))?;
    if answer.index_behind {
        session.output.note("The search index is still reading received facts; ask again in a moment for the rest.");
    }
    if answer.cut {
        session.output.note("There is more than is looked through for one question; narrow it down to see the rest.");
    }
    if let Some(as_of) = &answer.as_of {
        session.output.note(&format!("This is what was said as of {}.", render::time::minute(as_of)));
    }
    if args.peers && answer.asked.is_empty() {
        session.output.note("No member was asked: none is connected that could have it.");
    }
    answer.asked.iter().for_each(|member: &AskedMemberDto| session.output.note(&render::recall::asked(member)));
    Ok(())
}
