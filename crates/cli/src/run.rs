//! From the command line to an exit code.

use std::ffi::OsString;

use clap::error::ErrorKind;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Cli, Command};
use crate::commands::{
    audit, backup, bundle, config, content, context, custody, demo, dht, divergences, doctor, down, export, facts,
    federation, gene, import, inbox, incidents, init, man, mcp, members, metrics, open, outbox, peers, recall, recover,
    remember, replication, resources, send, service, shell, status, team, up, verify, why,
};
use crate::config_file;
use crate::daemon::Session;
use crate::help;
use crate::locate::{self, Environment};
use crate::logging::{self, Role};
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::output::Output;

/// Runs one command and returns its exit code.
pub(crate) fn run(args: Vec<OsString>) -> u8 {
    let args = mcp::spelled(args);
    let json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let cli = match help::parse(&args) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, Output { json }),
    };
    let output = Output { json: cli.global.json };
    exit_code(execute(cli, output), output)
}

fn exit_code(outcome: Outcome, output: Output) -> u8 {
    match outcome {
        Ok(()) | Err(Stop::Hangup) => 0,
        Err(Stop::Exit(code)) => code,
        Err(Stop::Problem(problem)) => {
            output.problem(&problem);
            problem.exit
        }
    }
}

/// `--help` and `--version` arrive here too, as errors that go to stdout and end well.
fn misused(error: &clap::Error, output: Output) -> u8 {
    // A closed terminal leaves nobody to tell.
    let _ = error.print();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return 0;
    }
    if output.json {
        let text = error.to_string();
        let said = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
        let said = said.collect::<Vec<_>>().join(" ");
        let what = said.trim_start_matches("error: ");
        let problem = Problem::new(Code::Invalid, what).hint("antiphon --help");
        // As above.
        let _ = output.json(&antiphon_server::error::ProblemBody { error: problem });
    }
    Code::Invalid.exit()
}

fn execute(cli: Cli, output: Output) -> Outcome {
    if let Command::Completions(args) = &cli.command {
        return shell::completions(args, output);
    }
    if let Command::Man(args) = &cli.command {
        return man::run(args, output);
    }
    if let Command::Gene(gene::GeneCommand::Check(args)) = &cli.command {
        return gene::check(args, output);
    }
    let home = locate::home(cli.global.home, cli.global.profile.as_deref(), &Environment::of_process())?;
    let session = Session { home, output, start: !cli.global.no_start };
    let role = match &cli.command {
        Command::Up(args) if args.background => Role::Background,
        Command::Up(_) => Role::Foreground,
        _ => Role::Command,
    };
    logging::start(cli.global.verbose, role);
    warn_of_variables(role, output);
    let runtime = runtime(role != Role::Command)?;
    let outcome = runtime.block_on(dispatch(cli.command, &session));
    // A read of stdin cannot be called back; the process does not wait for a line that nobody will use.
    runtime.shutdown_background();
    outcome
}

/// A slip in the name of a variable would otherwise be a setting that nobody ever sees.
fn warn_of_variables(role: Role, output: Output) {
    for (name, near) in config_file::Environment::of_process().unknown() {
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        match role {
            Role::Background => tracing::warn!("{name} in the environment is no setting{near}"),
            _ => output.note(&format!("note: {name} in the environment is no setting{near}")),
        }
    }
}

/// The node uses every core; a command that asks it one question needs no threads.
fn runtime(is_node: bool) -> Result<Runtime, Problem> {
    let mut builder = if is_node { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = builder.enable_all().build();
    runtime.map_err(|error| Problem::new(Code::Failed, "the program cannot start").why(error.to_string()))
}

async fn dispatch(command: Command, session: &Session) -> Outcome {
    match command {
        Command::Init(args) => init::run(args, session).await,
        Command::Up(args) => up::run(args, session).await,
        Command::Down => down::run(session).await,
        Command::Status => status::run(session).await,
        Command::Doctor(args) => doctor::run(args, session).await,
        Command::Config(command) => config::run(command, session).await,
        Command::Open(args) => open::run(args, session).await,
        Command::Invite(args) => team::invite(args, session).await,
        Command::Join(args) => team::join(args, session).await,
        Command::Recover(args) => recover::run(args, session).await,
        Command::Remember(args) => remember::run(args, session).await,
        Command::Recall(args) => recall::run(args, session).await,
        Command::Context(args) => context::run(args, session).await,
        Command::Facts(command) => facts::run(command, session).await,
        Command::Divergences(command) => divergences::run(command, session).await,
        Command::Incidents(command) => incidents::run(command, session).await,
        Command::Send(args) => send::run(args, session).await,
        Command::Inbox(args) => inbox::run(args, session).await,
        Command::Peers(command) => peers::run(command, session).await,
        Command::Outbox(command) => outbox::run(command, session).await,
        Command::Dht(command) => dht::run(command, session).await,
        Command::Resources(command) => resources::run(command, session).await,
        Command::Content(command) => content::run(command, session).await,
        Command::Replication(command) => replication::run(command, session).await,
        Command::Why(args) => why::run(args, session).await,
        Command::Federation(command) => federation::run(command, session).await,
        Command::Backup(command) => backup::run(command, session).await,
        Command::Bundle(command) => bundle::run(command, session).await,
        Command::Audit(args) => audit::run(args, session).await,
        Command::Team(command) => members::run(command, session).await,
        Command::Gene(command) => gene::run(command, session).await,
        Command::Import(command) => import::run(command, session).await,
        Command::Export(args) => export::run(args, session).await,
        Command::Demo(args) => demo::run(args, session.output).await,
        Command::Service(command) => service::run(&command, session),
        Command::Man(args) => man::run(&args, session.output),
        Command::Receipts(args) => custody::receipts(args, session).await,
        Command::WipeCheck => custody::wipe_check(session).await,
        Command::Metrics(args) => metrics::run(args, session).await,
        Command::Verify(args) => verify::run(args, session).await,
        Command::Mcp(args) => mcp::run(args, session).await,
        Command::Completions(args) => shell::completions(&args, session.output),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
