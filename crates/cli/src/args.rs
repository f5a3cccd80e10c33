//! The command line: global options and the list of commands. Each command's own options are in its file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    audit, backup, bundle, config, content, context, custody, demo, dht, divergences, doctor, export, facts,
    federation, gene, import, inbox, incidents, init, man, mcp, members, metrics, open, outbox, peers, recall, recover,
    remember, replication, resources, send, service, shell, team, up, verify, why,
};

/// Shared memory for AI agents that lives on your own machines.
#[derive(Debug, Parser)]
#[command(name = "antiphon", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Begin with `antiphon up`. Every other command starts the node when it is needed.\n\
    Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 unreachable.")]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Directory of the node [env: ANTIPHON_HOME]; one home is one node in one team
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Use the home of this name in the data directory, beside `default`
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "home")]
    pub(crate) profile: Option<String>,
    /// Print results as JSON; failures as {"error": {…}} too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Fail instead of starting the node
    #[arg(long, global = true)]
    pub(crate) no_start: bool,
    /// Log more to stderr; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Found a team on this machine
    Init(init::InitArgs),
    /// Run the node
    Up(up::UpArgs),
    /// Stop the node
    Down,
    /// Show this node, its team and what needs attention
    Status,
    /// Look for what is wrong, and name what mends it
    Doctor(doctor::DoctorArgs),
    /// Show and change settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Open the dashboard in a browser, signed in by a link that works once
    Open(open::OpenArgs),
    /// Print a ticket that lets one more machine join
    Invite(team::InviteArgs),
    /// Join a team with a ticket
    Join(team::JoinArgs),
    /// Come back with the recovery phrase after a disk was lost
    Recover(recover::RecoverArgs),
    /// Remember a fact
    Remember(remember::RememberArgs),
    /// Find facts by words and filters, also as they were
    Recall(recall::RecallArgs),
    /// Show what matters now, within a number of tokens
    Context(context::ContextArgs),
    /// List, show, edit, archive, forget and restore facts
    #[command(subcommand)]
    Facts(facts::FactsCommand),
    /// List, show and settle what was changed on several machines at once
    #[command(subcommand)]
    Divergences(divergences::DivergencesCommand),
    /// Report and follow what went wrong
    #[command(subcommand)]
    Incidents(incidents::IncidentsCommand),
    /// Write a message to an agent or a person on another machine
    Send(send::SendArgs),
    /// Read messages, and see how far those that were sent have come
    Inbox(inbox::InboxArgs),
    /// Show and greet other nodes
    #[command(subcommand)]
    Peers(peers::PeersCommand),
    /// Show what waits for nodes that cannot be reached, and try it again
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Offer tools, data and machines to the team, and find those of others
    #[command(subcommand)]
    Resources(resources::ResourcesCommand),
    /// Look into the team's hash table: who holds and does what, and how it does
    #[command(subcommand)]
    Dht(dht::DhtCommand),
    /// Store, read and find documents that are encrypted for roles
    #[command(subcommand)]
    Content(content::ContentCommand),
    /// Show how many copies of documents there are, and have them repaired now
    #[command(subcommand)]
    Replication(replication::ReplicationCommand),
    /// Say why a fact or a document is not on another node, or how things stand with it
    Why(why::WhyArgs),
    /// Show and set what is shared with the team
    #[command(subcommand)]
    Federation(federation::FederationCommand),
    /// Show what is kept ready for members that fell silent
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Carry handshakes and facts by hand, between machines that cannot reach each other
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Show what was refused and who tried, and who stored and read which document
    Audit(audit::AuditArgs),
    /// Manage the members of the team, their roles and its stewards
    #[command(subcommand)]
    Team(members::TeamCommand),
    /// Show, add, prove and check the team's genes
    #[command(subcommand)]
    Gene(gene::GeneCommand),
    /// Import what other tools remember
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Write facts into files, to be kept, read, or imported elsewhere
    Export(export::ExportArgs),
    /// Show which members have signed that they hold a fact, or all that is here
    Receipts(custody::ReceiptsArgs),
    /// Say whether this machine can be wiped, and what would be lost
    WipeCheck,
    /// Show a few figures of this node over time
    Metrics(metrics::MetricsArgs),
    /// Check the log, the signatures and everything derived from them
    Verify(verify::VerifyArgs),
    /// Connect an agent: write its client's configuration, or speak MCP on stdin and stdout
    Mcp(mcp::McpArgs),
    /// Show the whole story with five nodes on this machine, in under a minute
    Demo(demo::DemoArgs),
    /// Have the node started by itself
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Write the manual, a page for each command
    Man(man::ManArgs),
    /// Print completions for bash, zsh, fish and others
    Completions(shell::CompletionsArgs),
}
