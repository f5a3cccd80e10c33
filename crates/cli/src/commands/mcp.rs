//! `antiphon mcp`: a thin proxy between an agent's stdin and stdout and the node. Nothing else may be written to
//! stdout.

mod clients;
mod foreign_file;
mod install;
mod json_file;
pub(crate) mod outside;
mod toml_file;

use std::ffi::OsString;

use antiphon_server::ToolProfile;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::daemon::Session;
use crate::outcome::Outcome;

use clients::Entry;

/// Options of `mcp`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct McpArgs {
    /// What to do instead of speaking
    #[command(subcommand)]
    pub(crate) command: Option<McpCommand>,
    /// Which tools the agent gets; after `mcp`, --profile means the same
    #[arg(long, value_name = "PROFILE", default_value = "core", value_parser = profiles())]
    pub(crate) tools: ToolProfile,
}

/// Commands of `mcp`.
#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Write an entry for this node into the configuration of a client
    Install(install::InstallArgs),
}

fn profiles() -> impl TypedValueParser<Value = ToolProfile> {
    // Only names of profiles come through.
    PossibleValuesParser::new(ToolProfile::NAMES).map(|name| ToolProfile::named(&name).unwrap_or_default())
}

/// Runs the command until the agent closes its end.
pub(crate) async fn run(McpArgs { command, tools }: McpArgs, session: &Session) -> Outcome {
    if let Some(McpCommand::Install(args)) = command {
        return install::run(args, session);
    }
    let node = session.node().await?;
    node.mcp_stdio(tools, std::io::stdin(), std::io::stdout()).await?;
    Ok(())
}

/// The command line with `mcp --profile full` written as `mcp --tools full`. Before the name of the command, and with
/// any other value, `--profile` names a home as everywhere.
pub(crate) fn spelled(mut args: Vec<OsString>) -> Vec<OsString> {
    let Some(at) = command_at(&args).filter(|at| args.get(*at).is_some_and(|name| name == "mcp")) else { return args };
    for place in at + 1..args.len() {
        let is_profile = |value: Option<&str>| value.and_then(ToolProfile::named).is_some();
        let text = args.get(place).and_then(|arg| arg.to_str()).unwrap_or_default();
        let next = args.get(place + 1).and_then(|arg| arg.to_str());
        let new = match text.strip_prefix("--profile=") {
            Some(value) if is_profile(Some(value)) => format!("--tools={value}"),
            None if text == "--profile" && is_profile(next) => "--tools".to_owned(),
            _ => continue,
        };
        if let Some(arg) = args.get_mut(place) {
            *arg = new.into();
        }
    }
    args
}

/// Where the name of the command stands: the first word that is no option and no value of one.
fn command_at(args: &[OsString]) -> Option<usize> {
    let mut value = false;
    for (at, arg) in args.iter().enumerate().skip(1) {
        let text = arg.to_str()?;
        if value {
            value = false;
        } else if text.starts_with('-') {
            value = text == "--home" || text == "--profile";
        } else {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_after_mcp_names_tools_and_before_it_a_home() {
        let check = |line: &str, want: &str| {
            let args = line.split(' ').map(OsString::from).collect();
            let spelled: Vec<String> = spelled(args).into_iter().map(|arg| arg.into_string().unwrap()).collect();
            assert_eq!(spelled.join(" "), want);
        };
        check("antiphon mcp --profile full", "antiphon mcp --tools full");
        check("antiphon mcp --profile=read-only -v", "antiphon mcp --tools=read-only -v");
        check("antiphon --profile full mcp --profile core", "antiphon --profile full mcp --tools core");
        check("antiphon mcp install zed --profile full", "antiphon mcp install zed --tools full");
        check("antiphon mcp --profile memory-server", "antiphon mcp --tools memory-server");
        check("antiphon mcp --profile work", "antiphon mcp --profile work");
        check("antiphon --profile mcp status --profile full", "antiphon --profile mcp status --profile full");
        check("antiphon --json recall mcp --profile full", "antiphon --json recall mcp --profile full");
    }
}
