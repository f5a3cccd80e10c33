//! `antiphon content`: documents that are encrypted for roles and found by their address.

use std::path::{Path, PathBuf};

use antiphon_server::client::ClientError;
use antiphon_server::dto::{ContentAskDto, ContentFilterDto, ContentRemoveDto, NewContentDto, Scalar};
use clap::{Args, Subcommand};
use tokio::io::AsyncRead;

use crate::daemon::Session;
use crate::document::{Part, Progress, STREAM, interrupted};
use crate::outcome::{Code, Outcome, Problem, Stop, file_problem};
use crate::output;
use crate::render;

/// Commands of `content`. An address reads `ucxl://AGENT/ROLE/PROJECT/TASK/PATH`; an older version is chosen with
/// `ucxl://AGENT/ROLE/PROJECT/TASK/*~1/PATH`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContentCommand {
    /// Store a document, encrypted for a role and for those that may read it
    Put(PutArgs),
    /// Read a document
    Get(GetArgs),
    /// List documents
    Ls(LsArgs),
    /// Find documents by agent, role, project, task, type or time
    Search(SearchArgs),
    /// Show one document: who can read it, who stored it, and what of it is here
    Status {
        /// Its address
        address: String,
    },
    /// List the versions of a document
    Versions {
        /// Its address
        address: String,
    },
    /// Show which machines hold a document
    Providers {
        /// Its address
        address: String,
    },
    /// Tell the team's hash table of a document again
    Announce {
        /// Its address
        address: String,
    },
    /// Remove a document for the whole team
    Rm {
        /// Its address
        address: String,
    },
    /// Free what nobody needs any more on this machine
    Gc {
        /// Only show it, each with its reason
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what was done with documents since the node started
    Metrics {
        /// First drop what is too old from the cache
        #[arg(long)]
        cleanup: bool,
    },
}

/// Options of `content put`.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// Where to store it: ucxl://AGENT/ROLE/PROJECT/TASK/PATH
    address: String,
    /// The document; - for stdin
    file: PathBuf,
    /// The role it is for; this node must hold it
    #[arg(long = "as", value_name = "ROLE")]
    role: String,
    /// What it is, as in text/markdown
    #[arg(long = "type", value_name = "TYPE")]
    content_type: Option<String>,
}

/// Options of `content get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Its address, with a selector for an older version
    address: String,
    /// Where to write it instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// As it is stored: a file for the age command
    #[arg(long)]
    ciphertext: bool,
}

/// Options of `content ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Only what was stored for this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Most documents
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Go on where the page before ended
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
}

/// Options of `content search`: what fits all of it is found. The word `any` fits everything.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// The agent in the address
    #[arg(long)]
    agent: Option<String>,
    /// The role in the address
    #[arg(long)]
    role: Option<String>,
    /// The project in the address
    #[arg(long)]
    project: Option<String>,
    /// The task in the address
    #[arg(long)]
    task: Option<String>,
    /// The path in the address, or the beginning of it
    #[arg(long)]
    path: Option<String>,
    /// The role it was stored for
    #[arg(long = "as", value_name = "ROLE")]
    creator_role: Option<String>,
    /// What it is, as in text/markdown
    #[arg(long = "type", value_name = "TYPE")]
    content_type: Option<String>,
    /// Stored at or after this time, as in 2026-01-31
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Stored before this time
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// Most documents
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Go on where the page before ended
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: ContentCommand, session: &Session) -> Outcome {
    let output = session.output;
    let ask = |address| ContentAskDto { address, ciphertext: None };
    match command {
        ContentCommand::Put(args) => put(args, session).await,
        ContentCommand::Get(args) => get(args, session).await,
        ContentCommand::Ls(LsArgs { role, limit, after }) => {
            list(ContentFilterDto { creator_role: role, limit: Some(limit), after, ..Default::default() }, session)
                .await
        }
        ContentCommand::Search(args) => list(filter_of(args), session).await,
        ContentCommand::Status { address } => {
            let status = session.node().await?.content_status(&ask(address)).await?;
            output.result(&status, render::content::status)
        }
        ContentCommand::Versions { address } => {
            let versions = session.node().await?.content_versions(&ask(address)).await?;
            output.result(&versions, render::content::versions)
        }
        ContentCommand::Providers { address } => {
            let providers = session.node().await?.content_providers(&ask(address)).await?;
            output.result(&providers, render::content::providers)
        }
        ContentCommand::Announce { address } => {
            let announced = session.node().await?.announce_content(&ask(address)).await?;
            output.result(&announced, render::content::announced)
        }
        ContentCommand::Rm { address } => {
            let remove = ContentRemoveDto { address, ..ContentRemoveDto::default() };
            let removed = session.node().await?.remove_content(&remove).await?;
            output.result(&removed, render::content::removed)
        }
        ContentCommand::Gc { dry_run } => super::replication::collect_garbage(dry_run, session).await,
        ContentCommand::Metrics { cleanup } => metrics(cleanup, session).await,
    }
}

fn filter_of(args: SearchArgs) -> ContentFilterDto {
    ContentFilterDto {
        agent: args.agent,
        role: args.role,
        project: args.project,
        task: args.task,
        path: args.path,
        creator_role: args.creator_role,
        content_type: args.content_type,
        created_after: args.created_after.map(Scalar),
        created_before: args.created_before.map(Scalar),
        limit: Some(args.limit),
        after: args.after,
    }
}

async fn list(filter: ContentFilterDto, session: &Session) -> Outcome {
    let page = session.node().await?.contents(&filter).await?;
    session.output.result(&page.contents, |contents| render::content::list(contents))?;
    if let Some(next) = page.next {
        session.output.note(&format!("There are more: add --after {next}"));
    }
    Ok(())
}

async fn metrics(cleanup: bool, session: &Session) -> Outcome {
    let node = session.node().await?;
    if cleanup {
        let cleaned = node.clean_content_cache().await?;
        session.output.note(&format!("Dropped from the cache: {}", cleaned.dropped));
    }
    session.output.result(&node.content_metrics().await?, render::content::metrics)
}

async fn put(args: PutArgs, session: &Session) -> Outcome {
    let PutArgs { address, file, role, content_type } = args;
    let new = NewContentDto { address, role, content_type, agent: None, session: None };
    let node = session.node().await?;
    // Whoever may not store it is told before the document is sent.
    let _plan = node.content_plan(&new).await?;
    let (plain, bytes) = open(&file).await?;
    let progress = Progress::new("storing", bytes);
    let stored = node.put_content(&new, plain, |bytes| progress.moved(bytes)).await;
    progress.finish();
    session.output.result(&stored?, render::content::stored)
}

/// A file or stdin, and its length where there is one.
async fn open(path: &Path) -> Result<(Box<dyn AsyncRead + Unpin>, Option<u64>), Problem> {
    if path == Path::new(STREAM) {
        return Ok((Box::new(tokio::io::stdin()), None));
    }
    let problem = |error: std::io::Error| file_problem("read", path, &error);
    let file = tokio::fs::File::open(path).await.map_err(problem)?;
    let meta = file.metadata().await.map_err(problem)?;
    if meta.is_dir() {
        return Err(Problem::new(Code::Invalid, format!("{} is a directory", path.display()))
            .hint(format!("pack it: tar c {} | antiphon content put ADDRESS - --as ROLE", path.display())));
    }
    Ok((Box::new(file), Some(meta.len()).filter(|_| meta.is_file())))
}

async fn get(args: GetArgs, session: &Session) -> Outcome {
    let GetArgs { address, output, ciphertext } = args;
    let ask = ContentAskDto { address, ciphertext: ciphertext.then_some(true) };
    let Some(path) = output.filter(|path| path != Path::new(STREAM)) else {
        if session.output.json {
            return Err(Problem::new(
                Code::Invalid,
                "the document itself goes to stdout, so there is no place for JSON",
            )
            .hint("name a file: antiphon content get ADDRESS -o FILE --json")
            .into());
        }
        if ciphertext && output::is_shown() {
            return Err(Problem::new(Code::Invalid, "a ciphertext is not for a terminal")
                .hint("name a file: antiphon content get ADDRESS --ciphertext -o document.age")
                .into());
        }
        return to_stdout(&ask, session).await;
    };
    let node = session.node().await?;
    let mut part = Part::create(&path).await?;
    let progress = Progress::new("fetching", None);
    let work = node.get_content(
        &ask,
        part.file(),
        |content| progress.begins(content, ciphertext),
        |bytes| progress.moved(bytes),
    );
    let got = tokio::select! {
        got = work => got.map_err(Stop::from),
        () = interrupted() => Err(Stop::Exit(INTERRUPTED)),
        never = progress.watch(&node, &ask) => match never {},
    };
    progress.finish();
    match got {
        Ok(content) => {
            part.finish().await?;
            session.output.result(&content, |content| render::content::got(content, &path))
        }
        Err(stop) => {
            part.discard().await;
            Err(stop)
        }
    }
}

/// What a shell shows for a command that was interrupted.
const INTERRUPTED: u8 = 130;

async fn to_stdout(ask: &ContentAskDto, session: &Session) -> Outcome {
    let node = session.node().await?;
    let got = node.get_content(ask, tokio::io::stdout(), |_| {}, |_| {}).await;
    match got {
        Ok(_) => Ok(()),
        Err(ClientError::Sink { source }) if source.kind() == std::io::ErrorKind::BrokenPipe => Err(Stop::Hangup),
        Err(error) => Err(error.into()),
    }
}
