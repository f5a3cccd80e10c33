//! `antiphon dht`: the hash table of the team, what is said in it, and how it does.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use antiphon_server::dto::{DhtAnnounceDto, DhtPeerFilterDto, NewDhtRecordDto};
use clap::{Args, Subcommand, ValueEnum};
use data_encoding::BASE64;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, file_problem};
use crate::render;

/// Longest record that is read, in bytes.
const RECORD_BYTES_MAX: u64 = 8 * 1024;

/// Commands of `dht`. A topic is `content:ROOT`, `role:NAME`, `capability:NAME` or `peer`.
#[derive(Debug, Subcommand)]
pub(crate) enum DhtCommand {
    /// Show which backend is used, how both do, and what waits to be published
    Status,
    /// Show the hash table in numbers
    Stats,
    /// Keep a signed record, and tell members if it is this machine's
    Put(PutArgs),
    /// Show the record that stands under a key: here, and at members while the network does well
    Get(GetArgs),
    /// Provide something from now on
    Provide {
        /// What, as in capability:rust
        topic: String,
    },
    /// Provide something no more
    Withdraw {
        /// What
        topic: String,
    },
    /// List what this machine provides
    Provided,
    /// Show who provides something
    Providers {
        /// What
        topic: String,
        /// Most machines to show
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// List members with what their cards say: all, those of a role, or those that can do something
    Peers(PeersArgs),
    /// Say what this machine does, on its card and in the table
    Announce(AnnounceArgs),
    /// Choose who answers: the database alone, the network too, or whichever does well
    Backend {
        /// Which
        backend: Backend,
    },
    /// Enter the network now
    Bootstrap,
}

/// A backend, or that it is not chosen by hand.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Backend {
    /// The database alone; what is said waits
    Local,
    /// The network too, whether it does well or not
    Kad,
    /// The network while it does well, else the database
    Auto,
}

impl Backend {
    const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kad => "kad",
            Self::Auto => "auto",
        }
    }
}

/// Options of `dht put`.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// File with the signed bytes, as `dht get --output` writes them; - for stdin
    pub(crate) file: PathBuf,
    /// The key that it must be under; the one that it names is taken if it is not given
    #[arg(long)]
    pub(crate) key: Option<String>,
}

/// Options of `dht get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// An address (ucxl://…), a member's name or id, or a path of the table
    pub(crate) key: String,
    /// Write the signed bytes into this file; - for stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Options of `dht peers`.
#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    /// Those that hold this role
    #[arg(long, conflicts_with = "capability")]
    pub(crate) role: Option<String>,
    /// Those that can do this
    #[arg(long, value_name = "LABEL")]
    pub(crate) capability: Option<String>,
}

/// Options of `dht announce`.
#[derive(Debug, Args)]
pub(crate) struct AnnounceArgs {
    /// A role that it works in, which it was granted; repeatable
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// Something that it can do; repeatable
    #[arg(long = "capability", value_name = "LABEL")]
    pub(crate) capabilities: Vec<String>,
    /// The agent that works here
    #[arg(long)]
    pub(crate) agent: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: DhtCommand, session: &Session) -> Outcome {
    match command {
        DhtCommand::Status => {
            let status = session.node().await?.dht_status().await?;
            session.output.result(&status, render::dht::status)
        }
        DhtCommand::Stats => {
            let stats = session.node().await?.dht_stats().await?;
            session.output.result(&stats, render::dht::stats)
        }
        DhtCommand::Put(args) => put(args, session).await,
        DhtCommand::Get(args) => get(args, session).await,
        DhtCommand::Provide { topic } => {
            let done = session.node().await?.dht_provide(&topic).await?;
            session.output.result(&done, render::dht::provide)
        }
        DhtCommand::Withdraw { topic } => {
            let done = session.node().await?.dht_withdraw(&topic).await?;
            session.output.result(&done, render::dht::withdraw)
        }
        DhtCommand::Provided => {
            let provided = session.node().await?.dht_provided().await?;
            session.output.result(&provided, render::dht::provided)
        }
        DhtCommand::Providers { topic, limit } => {
            let found = session.node().await?.dht_providers(&topic, Some(limit)).await?;
            session.output.result(&found, render::dht::providers)
        }
        DhtCommand::Peers(PeersArgs { role, capability }) => {
            let peers = session.node().await?.dht_peers(&DhtPeerFilterDto { role, capability }).await?;
            session.output.result(&peers, render::dht::peers)
        }
        DhtCommand::Announce(args) => announce(args, session).await,
        DhtCommand::Backend { backend } => {
            let status = session.node().await?.dht_backend(backend.name()).await?;
            session.output.result(&status, render::dht::chosen)
        }
        DhtCommand::Bootstrap => {
            let entered = session.node().await?.dht_bootstrap().await?;
            session.output.result(&entered, render::dht::entered)
        }
    }
}

async fn put(args: PutArgs, session: &Session) -> Outcome {
    let PutArgs { file, key } = args;
    let new = NewDhtRecordDto { key, value: BASE64.encode(&read(&file)?) };
    let stored = session.node().await?.dht_put(&new).await?;
    session.output.result(&stored, render::dht::stored)
}

fn read(file: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let done = if file == Path::new("-") {
        std::io::stdin().take(RECORD_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(RECORD_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    done.map_err(|error| file_problem("read", file, &error))?;
    if bytes.len() as u64 > RECORD_BYTES_MAX {
        return Err(Problem::new(Code::TooLarge, format!("{} is longer than a record may be", file.display()))
            .why(format!("a record has at most {RECORD_BYTES_MAX} bytes"))
            .hint("antiphon dht get KEY --output FILE writes one"));
    }
    Ok(bytes)
}

async fn get(args: GetArgs, session: &Session) -> Outcome {
    let record = session.node().await?.dht_get(&args.key).await?;
    let Some(file) = args.output else { return session.output.result(&record, render::dht::record) };
    let value = BASE64.decode(record.value.as_bytes());
    let value = value.map_err(|_| Problem::new(Code::Failed, "the node's answer cannot be read"))?;
    let written =
        if file == Path::new("-") { std::io::stdout().write_all(&value) } else { std::fs::write(&file, &value) };
    Ok(written.map_err(|error| file_problem("write", &file, &error))?)
}

async fn announce(args: AnnounceArgs, session: &Session) -> Outcome {
    let AnnounceArgs { roles, capabilities, agent } = args;
    if roles.is_empty() && capabilities.is_empty() && agent.is_none() {
        return Err(Problem::new(Code::Invalid, "there is nothing to announce")
            .hint("antiphon dht announce --capability LABEL, --role ROLE or --agent NAME")
            .into());
    }
    let said = DhtAnnounceDto { peer_id: None, agent, roles, capabilities };
    let card = session.node().await?.dht_announce(&said).await?;
    session.output.result(&card, render::dht::announced)
}
