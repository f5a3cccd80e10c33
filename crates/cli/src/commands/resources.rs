//! `antiphon resources`: what this machine offers to the team, and what the others offer.

use antiphon_server::dto::{
    NewConsiderDto, NewResourceDto, ResourceEditDto, ResourceFilterDto, ResourcePlanDto, Scalar, WindowDto,
};
use clap::{Args, Subcommand};

use super::edits::{replaced, set_or_clear};
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::render;

/// Commands of `resources`. An id may be shortened as long as it is unique, and a name does as well.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourcesCommand {
    /// Offer a resource of this machine to the team
    Create(CreateArgs),
    /// Change a resource of this machine
    Update(UpdateArgs),
    /// Offer a resource of this machine no longer
    Delete {
        /// Id or name of the resource
        id: String,
    },
    /// List the resources that are known here
    List(ListArgs),
    /// Show one resource, when it can be used, and who means to use it
    Show {
        /// Id or name of the resource
        id: String,
    },
    /// Find resources by words, kind, capability or tag
    Search(SearchArgs),
    /// Show what each machine offers, at a glance
    Offers,
    /// Ask the owner of a resource whether it is there
    Verify {
        /// Id or name of the resource
        id: String,
    },
    /// Say when a resource of this machine can be used, instead of what was said before
    Plan(PlanArgs),
    /// Tell the owner of a resource that it will be used at a time, or not
    Consider(ConsiderArgs),
}

/// Options of `resources create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What it is: tool, dataset, model, service, workflow, storage, compute
    pub(crate) kind: String,
    /// What it is called
    pub(crate) name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Where it is, as https://host/path or ssh:host
    #[arg(long, value_name = "URL")]
    pub(crate) address: Option<String>,
    /// Something that it can do; repeatable
    #[arg(long = "capability", value_name = "LABEL")]
    pub(crate) capabilities: Vec<String>,
    /// Something else to find it by; repeatable
    #[arg(long = "tag", value_name = "LABEL")]
    pub(crate) tags: Vec<String>,
    /// Offering it again with the same key changes nothing while it is there
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

/// Options of `resources update`: what is not named stays as it is, and an empty text clears description or address.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Id or name of the resource
    pub(crate) id: String,
    /// The new kind
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// The new name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What it is for; an empty text clears it
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Where it is; an empty text clears it
    #[arg(long, value_name = "URL")]
    pub(crate) address: Option<String>,
    /// Something that it can do; repeatable, and all of them replace the present ones
    #[arg(long = "capability", value_name = "LABEL")]
    pub(crate) capabilities: Vec<String>,
    /// Remove all capabilities
    #[arg(long, conflicts_with = "capabilities")]
    pub(crate) no_capabilities: bool,
    /// Something else to find it by; repeatable, and all of them replace the present ones
    #[arg(long = "tag", value_name = "LABEL")]
    pub(crate) tags: Vec<String>,
    /// Remove all tags
    #[arg(long, conflicts_with = "tags")]
    pub(crate) no_tags: bool,
}

/// What a resource must be to be listed or found.
#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// Only of this kind: tool, dataset, model, service, workflow, storage, compute
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Only with this capability
    #[arg(long, value_name = "LABEL")]
    pub(crate) capability: Option<String>,
    /// Only with this tag
    #[arg(long, value_name = "LABEL")]
    pub(crate) tag: Option<String>,
}

/// Options of `resources list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// What it must be.
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    /// Only of this machine: its name, its peer id, or the beginning of one
    #[arg(long, value_name = "PEER")]
    pub(crate) owner: Option<String>,
    /// Most resources to list
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Go on after this id
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
}

/// Options of `resources search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Words that must all occur
    pub(crate) words: Vec<String>,
    /// What it must be.
    #[command(flatten)]
    pub(crate) fit: FitArgs,
    /// Ask every machine that is connected, too
    #[arg(long)]
    pub(crate) peers: bool,
    /// Most resources to find
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
}

/// Options of `resources plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Id or name of the resource
    pub(crate) id: String,
    /// A time in which it can be used, and if you like a note after a comma; repeatable. As
    /// 2026-01-31T10:00:00Z..2026-01-31T12:00:00Z,"one card"
    #[arg(long = "window", value_name = "FROM..UNTIL", required_unless_present = "never")]
    pub(crate) windows: Vec<String>,
    /// It cannot be used for the time being
    #[arg(long, conflicts_with = "windows")]
    pub(crate) never: bool,
}

/// Options of `resources consider`.
#[derive(Debug, Args)]
pub(crate) struct ConsiderArgs {
    /// Id or name of the resource
    pub(crate) id: String,
    /// When the use begins, as 2026-01-31T10:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// When it ends
    #[arg(long, value_name = "TIME")]
    pub(crate) until: String,
    /// Yes
    #[arg(long, required_unless_present = "no", conflicts_with = "no")]
    pub(crate) yes: bool,
    /// No
    #[arg(long)]
    pub(crate) no: bool,
    /// What else there is to say
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// To whom to say it, if the resource is this machine's own
    #[arg(long, value_name = "PEER")]
    pub(crate) peer: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: ResourcesCommand, session: &Session) -> Outcome {
    match command {
        ResourcesCommand::Create(args) => create(args, session).await,
        ResourcesCommand::Update(args) => update(args, session).await,
        ResourcesCommand::Delete { id } => {
            let told = session.node().await?.delete_resource(&id).await?;
            session.output.result(&told, |told| render::resources::told("Deleted", told))
        }
        ResourcesCommand::List(args) => list(args, session).await,
        ResourcesCommand::Show { id } => {
            let detail = session.node().await?.resource(&id).await?;
            session.output.result(&detail, render::resources::detail)
        }
        ResourcesCommand::Search(args) => search(args, session).await,
        ResourcesCommand::Offers => {
            let offers = session.node().await?.offers().await?.offers;
            session.output.result(&offers, |offers| render::resources::offers(offers))
        }
        ResourcesCommand::Verify { id } => verify(&id, session).await,
        ResourcesCommand::Plan(args) => plan(args, session).await,
        ResourcesCommand::Consider(args) => consider(args, session).await,
    }
}

async fn create(args: CreateArgs, session: &Session) -> Outcome {
    let CreateArgs { kind, name, description, address, capabilities, tags, idempotency_key } = args;
    let resource = NewResourceDto { kind, name, description, address, capabilities, tags, idempotency_key };
    let told = session.node().await?.create_resource(&resource).await?;
    session.output.result(&told, |told| render::resources::told("Offered", told))
}

async fn update(args: UpdateArgs, session: &Session) -> Outcome {
    let id = args.id.clone();
    let edit = edit_of(args);
    if edit == ResourceEditDto::default() {
        return Err(Problem::new(Code::Invalid, "the update changes nothing")
            .why("no value was named")
            .hint(format!("antiphon resources update {id} --description TEXT"))
            .into());
    }
    let told = session.node().await?.update_resource(&id, &edit).await?;
    session.output.result(&told, |told| render::resources::told("Updated", told))
}

fn edit_of(args: UpdateArgs) -> ResourceEditDto {
    ResourceEditDto {
        kind: args.kind,
        name: args.name,
        description: set_or_clear(args.description),
        address: set_or_clear(args.address),
        capabilities: replaced(args.capabilities, args.no_capabilities),
        tags: replaced(args.tags, args.no_tags),
    }
}

fn filter_of(fit: FitArgs, limit: usize) -> ResourceFilterDto {
    let FitArgs { kind, capability, tag } = fit;
    ResourceFilterDto { kind, capability, tag, limit: Some(limit), ..ResourceFilterDto::default() }
}

async fn list(args: ListArgs, session: &Session) -> Outcome {
    let ListArgs { fit, owner, limit, after } = args;
    let filter = ResourceFilterDto { owner, after, ..filter_of(fit, limit) };
    let page = session.node().await?.resources(&filter).await?;
    session.output.result(&page.resources, |resources| render::resources::list(resources))?;
    if let Some(next) = page.next {
        session.output.note(&format!("There are more: antiphon resources list --after {next}"));
    }
    Ok(())
}

async fn search(args: SearchArgs, session: &Session) -> Outcome {
    let SearchArgs { words, fit, peers, limit } = args;
    let text = Some(words.join(" ")).filter(|text| !text.is_empty());
    let filter = ResourceFilterDto { text, peers: Some(peers), ..filter_of(fit, limit) };
    let search = session.node().await?.search_resources(&filter).await?;
    session.output.result(&search, render::resources::search)
}

/// Ends well if the owner stands by the resource or has changed it, with 3 if it is gone, with 5 without an answer.
async fn verify(id: &str, session: &Session) -> Outcome {
    let verified = session.node().await?.verify_resource(id).await?;
    session.output.result(&verified, render::resources::verified)?;
    match verified.verdict.as_str() {
        "gone" => Err(Stop::Exit(Code::NotFound.exit())),
        "unanswered" => Err(Stop::Exit(Code::Unreachable.exit())),
        _ => Ok(()),
    }
}

async fn plan(args: PlanArgs, session: &Session) -> Outcome {
    let windows = args.windows.iter().map(|text| window_of(text)).collect::<Result<_, _>>()?;
    let told = session.node().await?.plan_resource(&args.id, &ResourcePlanDto { windows, at: None }).await?;
    session.output.result(&told, |told| render::resources::told("Planned", told))
}

fn window_of(text: &str) -> Result<WindowDto, Problem> {
    let (span, note) = text.split_once(',').map_or((text, None), |(span, note)| (span, Some(note.trim().to_owned())));
    let wrong = || {
        Problem::new(Code::Invalid, format!("{text:?} is no window"))
            .hint("write it as 2026-01-31T10:00:00Z..2026-01-31T12:00:00Z, and a note after a comma")
    };
    let (from, until) = span.split_once("..").ok_or_else(wrong)?;
    Ok(WindowDto { from: Scalar::from(from.trim()), until: Scalar::from(until.trim()), note })
}

async fn consider(args: ConsiderArgs, session: &Session) -> Outcome {
    let ConsiderArgs { id, from, until, yes, no: _, note, peer } = args;
    let consider = NewConsiderDto { from: Scalar(from), until: Scalar(until), yes, note, peer };
    let told = session.node().await?.consider_resource(&id, &consider).await?;
    session.output.result(&told, |told| render::resources::told("Noted for", told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_two_ends_and_maybe_a_note() {
        let window = window_of("2026-01-31T10:00:00Z .. 2026-01-31T12:00:00Z, one card, or two").unwrap();
        assert_eq!(window.from, Scalar::from("2026-01-31T10:00:00Z"));
        assert_eq!(window.note.as_deref(), Some("one card, or two"));
        assert_eq!(window_of("1..2").unwrap().note, None);
        assert!(window_of("2026-01-31").is_err());
    }
}
