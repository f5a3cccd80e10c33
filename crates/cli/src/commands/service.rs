//! `antiphon service`: the node starts by itself.

use clap::{Args, Subcommand};

use crate::daemon::{Session, holder_of};
use crate::locate::Environment;
use crate::outcome::{Code, Outcome, Problem};
use crate::render;
use crate::service::{Manager, Service};

/// Commands of `service`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Have the node started when you log in, and now
    Install(InstallArgs),
    /// Have it stopped, and started no more
    Uninstall,
    /// Show whether it is installed, starts by itself, and runs
    Status,
}

/// Options of `service install`.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Only print the file that would be written
    #[arg(long)]
    pub(crate) print: bool,
    /// What starts programs here [default: what this system has]
    #[arg(long, value_enum, requires = "print")]
    pub(crate) manager: Option<Manager>,
}

/// Runs the command.
pub(crate) fn run(command: &ServiceCommand, session: &Session) -> Outcome {
    let manager = match command {
        ServiceCommand::Install(InstallArgs { manager: Some(manager), .. }) => *manager,
        _ => Manager::of_system(),
    };
    let service = Service::of(&session.home, manager, &Environment::of_process())?;
    let changed = match command {
        ServiceCommand::Install(args) if args.print => return session.output.text(&service.text),
        ServiceCommand::Install(_) => {
            check(&service, session)?;
            Some(service.install()?)
        }
        ServiceCommand::Uninstall => Some(service.uninstall()?),
        ServiceCommand::Status => None,
    };
    let status = service.status(&session.home, changed)?;
    session.output.result(&status, render::service::status)
}

/// A service shows nobody the recovery phrase of a new node, and two nodes cannot have one home.
fn check(service: &Service, session: &Session) -> Result<(), Problem> {
    let shown = session.home.path().display();
    if !session.home.key().exists() && holder_of(&session.home)?.is_none() {
        return Err(Problem::new(Code::NotFound, format!("there is no node in {shown} yet"))
            .why("its recovery phrase is shown once, and a service shows it to nobody")
            .hint("antiphon init, or antiphon join TICKET; then antiphon service install"));
    }
    if holder_of(&session.home)?.is_some() && !service.is_active() {
        return Err(Problem::new(Code::Refused, format!("a node runs on {shown}, and not as a service"))
            .why("two cannot have one home, so the service could not start")
            .hint("antiphon down; then antiphon service install"));
    }
    Ok(())
}
