//! `antiphon config`: what the settings are, where each came from, and changing them.

use antiphon_server::dto::{ReloadedDto, SettingDto, SettingsDto};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::config_file::edit::{self, Change, Named};
use crate::config_file::{Environment, NAME, Resolved, Takes, near, shown};
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::render;

/// Commands of `config`. Settings come from `antiphon.toml` in the home, the environment and the flags of `up`, in this
/// order; the last one counts.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting, or one, and where it came from
    Show {
        /// A setting, as in outbox.retry, or the beginning of some
        key: Option<String>,
    },
    /// Print the value of a setting
    Get {
        /// The setting
        key: String,
    },
    /// Write settings into antiphon.toml, all of them or none; everything else in it stays
    Set(SetArgs),
    /// Take settings out of antiphon.toml, all of them or none
    Unset {
        /// The settings
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
    /// Have the running node read antiphon.toml again, as SIGHUP does
    Reload,
    /// Print where antiphon.toml is
    Path,
}

/// Options of `config set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The setting, as in outbox.retry, or outbox.levels.message
    pub(crate) key: String,
    /// Its value, as in 5s, 64MiB or true; several with commas between them
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
    /// More of both, for settings that only make sense together
    #[arg(value_name = "KEY VALUE")]
    pub(crate) more: Vec<String>,
}

impl SetArgs {
    /// The settings with their values.
    fn changes(&self) -> Result<Vec<Change<'_>>, Problem> {
        let mut changes = vec![Change { named: Named::read(&self.key)?, value: Some(&self.value) }];
        for pair in self.more.chunks(2) {
            let [key, value] = pair else {
                let key: String = pair.concat().chars().take(80).collect();
                let problem = Problem::new(Code::Invalid, format!("{key}: there is no value"));
                return Err(
                    problem.hint("each setting stands before its value: antiphon config set KEY VALUE KEY VALUE")
                );
            };
            changes.push(Change { named: Named::read(key)?, value: Some(value) });
        }
        Ok(changes)
    }
}

/// What a change of the file came to.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    /// The setting.
    pub(crate) key: String,
    /// The file.
    pub(crate) file: String,
    /// Whether the file changed.
    pub(crate) changed: bool,
    /// What it takes to hold: `nothing`, `reload`, `restart` or `founding`.
    pub(crate) needs: &'static str,
    /// The command for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<&'static str>,
    /// What goes before the file, if something does: a variable or a flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hidden_by: Option<String>,
}

#[derive(Serialize)]
struct PathOut {
    path: String,
}

/// Runs the command.
pub(crate) async fn run(command: ConfigCommand, session: &Session) -> Outcome {
    match command {
        ConfigCommand::Show { key } => show(key.as_deref(), session).await,
        ConfigCommand::Get { key } => get(&key, session).await,
        ConfigCommand::Set(args) => write(&args.changes()?, session).await,
        ConfigCommand::Unset { keys } => {
            let changes = keys.iter().map(|key| Ok(Change { named: Named::read(key)?, value: None }));
            write(&changes.collect::<Result<Vec<_>, Problem>>()?, session).await
        }
        ConfigCommand::Reload => reload(session).await,
        ConfigCommand::Path => {
            let path = session.home.path().join(NAME).display().to_string();
            session.output.result(&PathOut { path }, |out| out.path.clone())
        }
    }
}

/// The settings of the running node, or those of the next start where none runs.
async fn settings(session: &Session) -> Outcome<SettingsDto> {
    if let Some(node) = session.running().await? {
        return Ok(node.settings().await?);
    }
    let holds = Resolved::read(session.home.path(), &Environment::of_process(), &[])?;
    Ok(shown::settings(session.home.path(), &holds, None))
}

async fn show(key: Option<&str>, session: &Session) -> Outcome {
    let mut settings = settings(session).await?;
    if let Some(key) = key {
        let within = |setting: &SettingDto| setting.key == key || setting.key.starts_with(&format!("{key}."));
        settings.settings.retain(within);
        if settings.settings.is_empty() {
            return Err(unknown(key).into());
        }
    }
    session.output.result(&settings, |settings| render::config::settings(settings, key.is_some()))
}

async fn get(key: &str, session: &Session) -> Outcome {
    let named = Named::read(key)?;
    let settings = settings(session).await?.settings;
    let setting = settings.into_iter().find(|setting| setting.key == named.setting.name);
    let mut setting = setting.ok_or_else(|| unknown(key))?;
    if let Some(line) = &named.line {
        let pairs = setting.value.as_deref().unwrap_or_default().split(',');
        let value = pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| name == line);
        setting.value = Some(value.ok_or_else(|| unknown(key))?.1.to_owned());
        setting.key = named.name();
    }
    session.output.result(&setting, |setting| setting.value.clone().unwrap_or_default())
}

fn unknown(key: &str) -> Problem {
    let shown: String = key.chars().take(80).collect();
    let problem = Problem::new(Code::NotFound, format!("there is no setting {shown:?}"));
    match near(key) {
        Some(near) => problem.hint(format!("did you mean {near}?")),
        None => problem.hint("antiphon config show lists them"),
    }
}

async fn write(changes: &[Change<'_>], session: &Session) -> Outcome {
    session.home.create().map_err(|error| Problem::from(antiphon_node::Error::from(error)))?;
    let changed = edit::set(session.home.path(), changes)?;
    let running = match session.running().await? {
        Some(node) => node.settings().await?.settings,
        None => Vec::new(),
    };
    for (change, changed) in changes.iter().zip(changed) {
        session.output.result(&written(&change.named, changed, &running, session), render::config::written)?;
    }
    Ok(())
}

/// What the change of one setting came to; `running` are the settings of the running node, if one runs.
fn written(named: &Named, changed: bool, running: &[SettingDto], session: &Session) -> Written {
    let setting = running.iter().find(|setting| setting.key == named.setting.name);
    let next = setting.and_then(|setting| setting.next.as_ref());
    let source = next.map(|next| (&next.source, &next.place)).or(setting.map(|set| (&set.source, &set.place)));
    let hidden = source.filter(|(source, _)| matches!(source.as_str(), "environment" | "flag"));
    let (needs, command) = match next.map(|_| named.setting.takes) {
        Some(Takes::Reload) => ("reload", Some("antiphon config reload")),
        Some(Takes::Restart) => ("restart", Some("antiphon down && antiphon up --detach")),
        Some(Takes::Founding) | None if named.setting.takes == Takes::Founding => ("founding", None),
        _ => ("nothing", None),
    };
    let hidden_by = hidden.and_then(|(_, place)| place.clone());
    let file = session.home.path().join(NAME).display().to_string();
    Written { key: named.name(), file, changed, needs, command, hidden_by }
}

async fn reload(session: &Session) -> Outcome {
    let Some(node) = session.running().await? else {
        let what = format!("no node is running on {}", session.home.path().display());
        let problem = Problem::new(Code::Unreachable, what).why("the file is read when one starts");
        return Err(problem.hint("antiphon up --detach").into());
    };
    let done: ReloadedDto = node.reload_settings().await?;
    session.output.result(&done, render::config::reloaded)
}
