//! Options that say which facts are meant, for every command that takes some of them.

use clap::Args;

/// What facts are about; without options every fact passes that is not archived.
#[derive(Debug, Clone, Args)]
pub(crate) struct About {
    /// Only this level: 0-3, project, domain, module, snippet
    #[arg(long)]
    pub(crate) level: Option<String>,
    /// Only this domain
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Only this module
    #[arg(long)]
    pub(crate) module: Option<String>,
    /// Only with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Archived facts too
    #[arg(long)]
    pub(crate) archived: bool,
}

/// The same, and who wrote them.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// What they are about.
    #[command(flatten)]
    pub(crate) about: About,
    /// Only written on this node: a name, a peer id or the beginning of one
    #[arg(long, value_name = "PEER")]
    pub(crate) author: Option<String>,
}
