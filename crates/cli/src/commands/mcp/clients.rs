//! The clients: where each keeps its servers, and how an entry looks there.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::outcome::{Code, Problem};

/// A program that agents live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentClient {
    /// Claude Code
    ClaudeCode,
    /// Claude Desktop
    ClaudeDesktop,
    /// Cursor
    Cursor,
    /// Visual Studio Code
    Vscode,
    /// Codex
    Codex,
    /// Zed
    Zed,
    /// Gemini CLI
    Gemini,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Toml,
}

/// An entry for a server that the client starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its fields in their order: texts and lists of texts.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// The field that tells a server which is started here from one elsewhere.
    pub(super) mark: &'static str,
}

/// The directories of the person, from the environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) home: Option<PathBuf>,
    pub(super) config: Option<PathBuf>,
    pub(super) claude: Option<PathBuf>,
    pub(super) codex: Option<PathBuf>,
    /// Whether this is macOS, where applications keep their files elsewhere.
    pub(super) mac: bool,
}

impl Places {
    /// What the process was started with.
    pub(super) fn of_process() -> Self {
        let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            home: var("HOME"),
            config: var("XDG_CONFIG_HOME"),
            claude: var("CLAUDE_CONFIG_DIR"),
            codex: var("CODEX_HOME"),
            mac: cfg!(target_os = "macos"),
        }
    }

    fn home(&self) -> Result<PathBuf, Problem> {
        self.home.clone().ok_or_else(|| {
            Problem::new(Code::Invalid, "there is no place for the client's configuration")
                .why("HOME is not set")
                .hint("set HOME, or use --project in the directory of the project")
        })
    }

    fn config(&self) -> Result<PathBuf, Problem> {
        self.config.clone().map_or_else(|| Ok(self.home()?.join(".config")), Ok)
    }

    /// Where applications with windows keep their files.
    fn application(&self) -> Result<PathBuf, Problem> {
        if self.mac { Ok(self.home()?.join("Library/Application Support")) } else { self.config() }
    }
}

impl AgentClient {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Cursor => "cursor",
            Self::Vscode => "vscode",
            Self::Codex => "codex",
            Self::Zed => "zed",
            Self::Gemini => "gemini",
        }
    }

    /// Its file for all projects.
    pub(super) fn file(self, places: &Places) -> Result<PathBuf, Problem> {
        Ok(match self {
            Self::ClaudeCode => match &places.claude {
                Some(directory) => directory.join(".claude.json"),
                None => places.home()?.join(".claude.json"),
            },
            Self::ClaudeDesktop => places.application()?.join("Claude/claude_desktop_config.json"),
            Self::Cursor => places.home()?.join(".cursor/mcp.json"),
            Self::Vscode => places.application()?.join("Code/User/mcp.json"),
            Self::Codex => match &places.codex {
                Some(directory) => directory.join("config.toml"),
                None => places.home()?.join(".codex/config.toml"),
            },
            // On macOS too.
            Self::Zed => places.config()?.join("zed/settings.json"),
            Self::Gemini => places.home()?.join(".gemini/settings.json"),
        })
    }

    /// Its file for one project, below the project's directory.
    pub(super) fn project_file(self) -> Result<&'static str, Problem> {
        Ok(match self {
            Self::ClaudeCode => ".mcp.json",
            Self::ClaudeDesktop => {
                return Err(Problem::new(Code::Invalid, "Claude Desktop has no configuration for one project")
                    .hint("antiphon mcp install claude-desktop"));
            }
            Self::Cursor => ".cursor/mcp.json",
            Self::Vscode => ".vscode/mcp.json",
            Self::Codex => ".codex/config.toml",
            Self::Zed => ".zed/settings.json",
            Self::Gemini => ".gemini/settings.json",
        })
    }

    /// The key under which servers stand.
    pub(super) const fn section(self) -> &'static str {
        match self {
            Self::ClaudeCode | Self::ClaudeDesktop | Self::Cursor | Self::Gemini => "mcpServers",
            Self::Vscode => "servers",
            Self::Codex => "mcp_servers",
            Self::Zed => "context_servers",
        }
    }

    /// How its file is written.
    pub(super) const fn format(self) -> Format {
        if matches!(self, Self::Codex) { Format::Toml } else { Format::Json }
    }

    /// The entry that starts `command` with `args`.
    pub(super) fn entry(self, command: &str, args: &[String]) -> Entry {
        let kind = match self {
            Self::ClaudeCode | Self::Vscode => Some(("type", json!("stdio"))),
            // Versions before 2026 do not start a server without it.
            Self::Zed => Some(("source", json!("custom"))),
            Self::ClaudeDesktop | Self::Cursor | Self::Codex | Self::Gemini => None,
        };
        let start = [("command", json!(command)), ("args", json!(args))];
        Entry { fields: kind.into_iter().chain(start).collect(), mark: "command" }
    }

    /// What a person does so that the client reads its file again.
    pub(super) const fn next(self) -> &'static str {
        match self {
            Self::ClaudeCode => "begin a new session of Claude Code; /mcp shows its servers",
            Self::ClaudeDesktop => "quit Claude Desktop and open it again",
            Self::Cursor => "open Cursor's settings, Tools & MCP, and switch it on if it is off",
            Self::Vscode => "run the command \"MCP: List Servers\" in VS Code and start it",
            Self::Codex => "begin a new session of Codex; /mcp shows its servers",
            Self::Zed => "open Zed's agent panel; it starts servers by itself",
            Self::Gemini => "begin a new session of Gemini CLI; /mcp shows its servers",
        }
    }
}
