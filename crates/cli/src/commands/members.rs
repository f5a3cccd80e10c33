//! `antiphon team`: the members, their roles, and what stewards do.

use std::path::PathBuf;

use antiphon_server::dto::{RenewDto, RevokeDto, RoleKeyAskDto, RotateDto, SetRolesDto, StewardDto};
use clap::{Args, Subcommand};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use zeroize::Zeroizing;

use crate::commands::team::{self, InviteArgs};
use crate::daemon::Session;
use crate::document::Part;
use crate::outcome::{Outcome, file_problem};
use crate::render;

/// Commands of `team`.
#[derive(Debug, Subcommand)]
pub(crate) enum TeamCommand {
    /// List the members, who was removed, and what waits for consent
    Members,
    /// Print a ticket that lets one more machine join; the same as `antiphon invite`
    Invite(InviteArgs),
    /// Renew the grant of a member, with role keys that it lacks
    Renew(RenewArgs),
    /// List the roles, or give a member other roles
    Roles(RolesArgs),
    /// Make a new key of a role
    RotateRole(RotateArgs),
    /// Write the secret key of a role into a file, for the age command
    ExportRoleKey(ExportArgs),
    /// Appoint a steward, or end it; several stewards must agree
    #[command(subcommand)]
    Steward(StewardCommand),
    /// Agree to a change of stewards that waits
    Approve {
        /// Its hash, or the beginning of it, as `antiphon team members` shows it
        hash: String,
    },
    /// Remove a machine from the team for good
    Revoke(RevokeArgs),
    /// Take in what a removed member wrote and reached this node beyond the cut of its removal
    Adopt {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
}

/// Options of `team renew`.
#[derive(Debug, Args)]
pub(crate) struct RenewArgs {
    /// Name, peer id, or the beginning of one
    #[arg(required_unless_present = "all")]
    pub(crate) peer: Option<String>,
    /// Every member, this node included
    #[arg(long, conflicts_with = "peer")]
    pub(crate) all: bool,
    /// How long the grant holds from now, as in 90d, 1y
    #[arg(long, value_name = "DURATION", default_value = "365d")]
    pub(crate) life: String,
}

/// Options of `team roles`.
#[derive(Debug, Args)]
pub(crate) struct RolesArgs {
    /// Whose roles to set: name, peer id, or the beginning of one
    #[arg(requires = "set")]
    pub(crate) peer: Option<String>,
    /// All its roles from now on, as in backend_developer,qa_engineer
    #[arg(long, value_name = "ROLES", value_delimiter = ',', requires = "peer")]
    pub(crate) set: Option<Vec<String>>,
}

/// Options of `team rotate-role`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Name of the role
    pub(crate) role: String,
    /// Later members cannot read with it what was sealed before
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// Options of `team export-role-key`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Name of the role
    pub(crate) role: String,
    /// Where to write it; only its owner can read the file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Older keys too, for what was stored before the role got its present one
    #[arg(long)]
    pub(crate) all: bool,
}

/// Commands of `team steward`.
#[derive(Debug, Subcommand)]
pub(crate) enum StewardCommand {
    /// Make a member a steward: it may sign membership and can read everything
    Add {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
    /// Let a steward be an ordinary member
    Remove {
        /// Name, peer id, or the beginning of one
        peer: String,
    },
}

/// Options of `team revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// Name, peer id, or the beginning of one
    pub(crate) peer: String,
    /// Why; every member can read it
    #[arg(long)]
    pub(crate) reason: String,
    /// The key may be in wrong hands
    #[arg(long)]
    pub(crate) compromised: bool,
}

/// Runs `team`.
pub(crate) async fn run(command: TeamCommand, session: &Session) -> Outcome {
    let output = session.output;
    match command {
        TeamCommand::Members => output.result(&session.node().await?.members().await?, render::team::members),
        TeamCommand::Invite(args) => team::invite(args, session).await,
        TeamCommand::Renew(RenewArgs { peer, all, life }) => {
            let request = RenewDto { peer, all, life: Some(life.into()) };
            output.result(&session.node().await?.renew(&request).await?, render::team::renewed)
        }
        TeamCommand::Roles(args) => roles(args, session).await,
        TeamCommand::RotateRole(RotateArgs { role, fresh }) => {
            let rotated = session.node().await?.rotate_role(&RotateDto { role, fresh }).await?;
            output.result(&rotated, render::team::rotated)
        }
        TeamCommand::ExportRoleKey(args) => export(args, session).await,
        TeamCommand::Steward(command) => {
            let request = match command {
                StewardCommand::Add { peer } => StewardDto { peer, add: true },
                StewardCommand::Remove { peer } => StewardDto { peer, add: false },
            };
            output.result(&session.node().await?.change_steward(&request).await?, render::team::changed)
        }
        TeamCommand::Approve { hash } => {
            output.result(&session.node().await?.approve(&hash).await?, render::team::changed)
        }
        TeamCommand::Revoke(RevokeArgs { peer, reason, compromised }) => {
            let request = RevokeDto { peer, reason, compromised };
            output.result(&session.node().await?.revoke(&request).await?, render::team::revoked)
        }
        TeamCommand::Adopt { peer } => output.result(&session.node().await?.adopt(&peer).await?, render::team::adopted),
    }
}

async fn export(ExportArgs { role, output, all }: ExportArgs, session: &Session) -> Outcome {
    let mut key = session.node().await?.role_key(&RoleKeyAskDto { role, all }).await?;
    let identities = Zeroizing::new(std::mem::take(&mut key.identities));
    let mut part = Part::create(&output).await?;
    if let Err(error) = part.file().write_all(identities.as_bytes()).await {
        part.discard().await;
        return Err(file_problem("write", &output, &error).into());
    }
    part.finish().await?;
    session.output.note(&render::content::key_warning(&key.role));
    let written = WrittenKey { role: key.role, keys: key.keys, file: output.display().to_string() };
    session.output.result(&written, |written| render::content::key_written(&written.role, written.keys, &output))
}

/// What `team export-role-key --json` prints: never the key itself.
#[derive(Debug, Serialize)]
struct WrittenKey {
    role: String,
    keys: usize,
    file: String,
}

async fn roles(RolesArgs { peer, set }: RolesArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    match (peer, set) {
        (Some(peer), Some(roles)) => {
            let roles = roles.into_iter().map(|role| role.trim().to_owned()).filter(|role| !role.is_empty());
            let granted = node.set_roles(&SetRolesDto { peer, roles: roles.collect() }).await?;
            session.output.result(&granted, render::team::with_roles)
        }
        _ => session.output.result(&node.roles().await?, render::team::roles),
    }
}
