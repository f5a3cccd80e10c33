//! `antiphon mcp install`: an entry for this node in a client's own configuration.

use std::path::{Path, PathBuf};

use antiphon_server::ToolProfile;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::clients::{AgentClient, Entry, Format, Places};
use super::foreign_file::ForeignFile;
use super::json_file::{self, Damaged, Standing};
use super::{profiles, toml_file};
use crate::daemon::Session;
use crate::locate::{self, Environment};
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::output::Output;
use crate::render::safe;

/// Options of `mcp install`.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The client
    #[arg(value_enum)]
    pub(crate) client: AgentClient,
    /// Only say whether it is installed; the exit code is 0 if it is
    #[arg(long, conflicts_with_all = ["remove", "print"])]
    pub(crate) check: bool,
    /// Take the entry out again
    #[arg(long, conflicts_with = "print")]
    pub(crate) remove: bool,
    /// Only print what the file would hold
    #[arg(long)]
    pub(crate) print: bool,
    /// Use the project's configuration in this directory, not the person's
    #[arg(long)]
    pub(crate) project: bool,
    /// Name of the entry
    #[arg(long, value_name = "NAME", default_value = "antiphon", value_parser = name)]
    pub(crate) entry: String,
    /// Which tools the agent gets; after `mcp`, --profile means the same
    #[arg(long, value_name = "PROFILE", default_value = "core", value_parser = profiles())]
    pub(crate) tools: ToolProfile,
}

/// What was done; the shape of its JSON.
#[derive(Debug, Serialize)]
struct Installed {
    /// The client.
    client: &'static str,
    /// Its file.
    file: PathBuf,
    /// Where the entry stands in it.
    section: &'static str,
    /// Its name there.
    name: String,
    /// `installed`, `updated`, `unchanged`, `removed`, `missing` or `different`.
    state: &'static str,
    /// The entry as it should be.
    entry: Value,
    /// The file as it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<PathBuf>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
}

/// Every client shows the name, and some make it a part of the names of tools.
fn name(text: &str) -> Result<String, String> {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=32).contains(&text.len()) && text.chars().all(fit) {
        return Ok(text.to_owned());
    }
    Err("use 1 to 32 letters, digits, '-' and '_'".to_owned())
}

/// Runs the command.
pub(crate) fn run(args: InstallArgs, session: &Session) -> Outcome {
    let client = args.client;
    let path = if args.project { PathBuf::from(client.project_file()?) } else { client.file(&Places::of_process())? };
    let entry = client.entry(&program()?, &arguments(session, args.tools)?);
    if args.print {
        return print(client, &args.entry, &entry, session.output);
    }
    let file = ForeignFile::read(&path)?;
    let edit = Edit { client, name: &args.entry, entry: &entry, file: &file };
    let (state, new) = edit.plan(&args)?;
    let backup = match &new {
        Some(new) => file.replace(new)?,
        None => None,
    };
    let done = Installed {
        client: client.name(),
        file: file.path().to_owned(),
        section: client.section(),
        name: args.entry.clone(),
        state,
        entry: entry.json(),
        backup,
        next: matches!(state, "installed" | "updated").then(|| client.next()),
    };
    session.output.result(&done, |done| words(done, args.check))?;
    match state {
        "missing" if args.check => Err(Stop::Exit(Code::NotFound.exit())),
        "different" => Err(Stop::Exit(Code::Failed.exit())),
        _ => Ok(()),
    }
}

/// A change of a client's file, before it is made.
struct Edit<'a> {
    client: AgentClient,
    name: &'a str,
    entry: &'a Entry,
    file: &'a ForeignFile,
}

impl Edit<'_> {
    /// What the command comes to, and the new text of the file if there is to be one.
    fn plan(&self, args: &InstallArgs) -> Result<(&'static str, Option<String>), Problem> {
        let Self { client, name, entry, file } = self;
        let (text, section) = (file.text(), client.section());
        let damaged = |damaged: Damaged| self.damaged(damaged);
        let standing = match client.format() {
            Format::Json => json_file::standing(text, section, name, entry),
            Format::Toml => toml_file::standing(text, section, name, entry),
        }
        .map_err(damaged)?;
        let state = match standing {
            Standing::Missing if args.check || args.remove => return Ok(("missing", None)),
            Standing::Same if !args.remove => return Ok(("unchanged", None)),
            Standing::Different if args.check => return Ok(("different", None)),
            _ if args.remove => "removed",
            Standing::Missing => "installed",
            Standing::Different | Standing::Same => "updated",
        };
        let new = match (client.format(), args.remove) {
            (Format::Json, true) => json_file::without(text, section, name),
            (Format::Json, false) => json_file::with(text, section, name, entry),
            (Format::Toml, true) => toml_file::without(text, section, name),
            (Format::Toml, false) => toml_file::with(text, section, name, entry),
        };
        Ok((state, Some(new.map_err(damaged)?)))
    }

    fn damaged(&self, Damaged { line, what }: Damaged) -> Problem {
        let path = self.file.path().display();
        Problem::new(Code::Invalid, format!("{path}:{line}: {what}"))
            .why("only a file that can be read whole is changed; nothing was written")
            .hint(format!(
                "mend that line, or see what belongs there: antiphon mcp install {} --print",
                self.client.name()
            ))
    }
}

impl Entry {
    /// As JSON.
    fn json(&self) -> Value {
        self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}

fn print(client: AgentClient, name: &str, entry: &Entry, output: Output) -> Outcome {
    if output.json {
        return output.json(&entry.json());
    }
    output.text(&match client.format() {
        Format::Json => json_file::alone(client.section(), name, entry),
        Format::Toml => toml_file::alone(client.section(), name, entry),
    })
}

/// This program, by a path that does not depend on where it is called from. A package manager's link outlives the version
/// that it leads to, so it goes before the file itself.
fn program() -> Result<String, Problem> {
    let own = std::env::current_exe()
        .map_err(|error| Problem::new(Code::Failed, "this program does not find itself").why(error.to_string()))?;
    let same = |path: &PathBuf| path.is_absolute() && path.canonicalize().ok() == own.canonicalize().ok();
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&directories).map(|directory| directory.join("antiphon")).find(same);
    text_of(&found.unwrap_or_else(|| own.clone()))
}

/// What the client calls the program with.
fn arguments(session: &Session, tools: ToolProfile) -> Result<Vec<String>, Problem> {
    let mut arguments = Vec::new();
    let home = session.home.path();
    // A client does not pass on the environment of this shell.
    if !locate::is_default(home, &Environment::of_process()) {
        arguments.extend(["--home".to_owned(), text_of(home)?]);
    }
    arguments.push("mcp".to_owned());
    if tools != ToolProfile::default() {
        arguments.extend(["--profile".to_owned(), tools.name().to_owned()]);
    }
    Ok(arguments)
}

fn text_of(path: &Path) -> Result<String, Problem> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Problem::new(Code::Invalid, format!("{} is not UTF-8", path.display()))
            .why("configuration files are UTF-8")
            .hint("use a path that is")
    })
}

fn words(done: &Installed, check: bool) -> String {
    let Installed { client, name, .. } = done;
    let file = safe(&done.file.display().to_string());
    let mut out = match (done.state, check) {
        ("unchanged", _) => format!("{name} is installed in {file}."),
        ("installed", _) => format!("Installed {name} in {file}."),
        ("updated", _) => format!("Updated {name} in {file}."),
        ("removed", _) => format!("Removed {name} from {file}."),
        ("different", _) => format!(
            "{name} stands in {file} with another command or other arguments.\nTo set them: antiphon mcp install {client}"
        ),
        (_, true) => format!("{name} is not in {file}.\nTo install it: antiphon mcp install {client}"),
        _ => format!("{name} is not in {file}; nothing was changed."),
    };
    if let Some(backup) = &done.backup {
        out.push_str(&format!("\nThe file as it was: {}", safe(&backup.display().to_string())));
    }
    if let Some(next) = done.next {
        out.push_str(&format!("\nNext: {next}."));
    }
    out
}
