//! Writing into the configuration of other programs: their own words stay.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{ANTIPHON, Run, finish, isolate};

/// A person's directories, with a node's home that is not the default one.
struct Person {
    dir: tempfile::TempDir,
}

const CLAUDE_CODE: &str = r#"{
  "numStartups": 184,
  "installMethod": "native",
  "theme": "dark",
  "tipsHistory": {"new-user-warmup": 3, "plan-mode-for-complex-tasks": 161},
  "mcpServers": {
    "playwright": {
      "type": "stdio",
      "command": "npx",
      "args": ["@playwright/mcp@latest"],
      "env": {}
    }
  },
  "projects": {
    "/home/alice/billing": {
      "allowedTools": [],
      "mcpServers": {"antiphon": {"type": "stdio", "command": "/elsewhere", "args": []}},
      "hasTrustDialogAccepted": true
    }
  },
  "oauthAccount": {"emailAddress": "alice@example.org"}
}
"#;
const CLAUDE_DESKTOP: &str =
    "{\"globalShortcut\": \"\", \"mcpServers\": {\"files\": {\"command\": \"npx\", \"args\": [\"-y\", \"x\"]}}}";
const CURSOR: &str = "{\n\t\"mcpServers\": {\n\t\t\"remote\": {\n\t\t\t\"url\": \"https://mcp.example.org/mcp\",\n\t\t\t\"headers\": { \"Authorization\": \"Bearer ${env:TOKEN}\" }\n\t\t}\n\t}\n}";
const VSCODE: &str = r#"{
    // Tokens are asked for, never written here.
    "inputs": [
        {"type": "promptString", "id": "tok", "description": "Token", "password": true},
    ],
    "servers": {
        "github": {
            "type": "http",
            "url": "https://api.example.org/mcp/", // the hosted one
            "headers": {"Authorization": "Bearer ${input:tok}"},
        }, /* more
        to come */
    },
}
"#;
const CODEX: &str = r#"# Codex
model = "gpt-5-codex"     # the fast one
approval_policy = "on-request"

[mcp_servers.context7]
command = "npx"
args = ["-y", "@upstash/context7-mcp"] # documentation

[mcp_servers.context7.env]
KEY = "x"

[projects."/home/alice/billing"]
trust_level = "trusted"
# written by hand
"#;
const ZED: &str = r#"// Zed settings
//
// For information on how to configure Zed, see the documentation.
{
  "theme": {
    "mode": "system",
    "light": "One Light", // é
    "dark": "One Dark",
  },
  "context_servers": {
    "mcp-server-github": {
      "source": "extension",
      "settings": {},
    },
  },
  "vim_mode": true,
}
"#;
const GEMINI: &str = "{\r\n  \"theme\": \"GitHub\",\r\n  \"mcpServers\": {\r\n    \"py\": { \"httpUrl\": \"http://127.0.0.1:9/mcp\" }\r\n  }\r\n}\r\n";

/// Each client with its file below the person's home, a file as real ones look, and the key above the entry.
const CLIENTS: [(&str, &str, &str, &str); 7] = [
    ("claude-code", ".claude.json", CLAUDE_CODE, "mcpServers"),
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", CLAUDE_DESKTOP, "mcpServers"),
    ("cursor", ".cursor/mcp.json", CURSOR, "mcpServers"),
    ("vscode", ".config/Code/User/mcp.json", VSCODE, "servers"),
    ("codex", ".codex/config.toml", CODEX, "mcp_servers"),
    ("zed", ".config/zed/settings.json", ZED, "context_servers"),
    ("gemini", ".gemini/settings.json", GEMINI, "mcpServers"),
];

impl Person {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("alice")
    }

    fn path(&self, file: &str) -> PathBuf {
        let file = if cfg!(target_os = "macos") {
            let moved =
                |app: &str| file.replace(&format!(".config/{app}"), &format!("Library/Application Support/{app}"));
            if file.contains("Claude/") { moved("Claude") } else { moved("Code") }
        } else {
            file.to_owned()
        };
        self.home().join(file)
    }

    /// The file of a client, as it is before.
    fn with(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn node(&self) -> String {
        self.dir.path().join("node").display().to_string()
    }

    fn run_in(&self, directory: &Path, args: &[&str]) -> Run {
        let mut command = Command::new(ANTIPHON);
        isolate(&mut command);
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", self.home()).current_dir(directory).args(["--home", &self.node(), "mcp", "install"]);
        finish(
            {
                command.args(args);
                command
            },
            b"",
        )
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_in(self.dir.path(), args)
    }

    fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        self.run(&all).good().json()
    }

    /// What an agent's client would start.
    fn arguments(&self) -> Value {
        json!(["--home", self.node(), "mcp"])
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Whether every character of the old text stands in the new one, in the same order.
fn is_kept(old: &str, new: &str) -> bool {
    let mut new = new.chars();
    old.chars().all(|old| new.any(|new| new == old))
}

#[test]
fn an_entry_comes_and_goes_and_the_rest_stays_byte_for_byte() {
    for (client, file, text, section) in CLIENTS {
        let alice = Person::new();
        let path = alice.with(file, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        alice.run(&[client, "--check"]).refused_silently(3);
        let done = alice.json(&[client]);
        assert_eq!((&done["state"], &done["section"]), (&json!("installed"), &json!(section)), "{done:#}");
        assert_eq!(done["entry"]["args"], alice.arguments());
        assert!(Path::new(done["entry"]["command"].as_str().unwrap()).is_absolute(), "{done:#}");
        assert_eq!(read(Path::new(done["backup"].as_str().unwrap())), text, "{client}");
        let new = read(&path);
        assert!(is_kept(text, &new), "{client}: {new}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "{client}");
        alice.run(&[client, "--check"]).good();
        assert_eq!(alice.json(&[client])["state"], "unchanged", "{client}");
        assert_eq!(read(&path), new);
        assert_eq!(alice.json(&[client, "--remove"])["state"], "removed");
        assert_eq!(read(&path), text, "{client}");
        assert_eq!(alice.json(&[client, "--remove"])["state"], "missing");
        alice.run(&[client, "--check"]).refused_silently(3);
    }
}

#[test]
fn what_is_not_there_is_made() {
    for (client, file, _, _) in CLIENTS {
        let alice = Person::new();
        fs::create_dir_all(alice.home()).unwrap();
        let done = alice.json(&[client, "--profile", "memory-server", "--entry", "memory"]);
        assert_eq!((&done["state"], done.get("backup")), (&json!("installed"), None), "{done:#}");
        let wanted = json!(["--home", alice.node(), "mcp", "--profile", "memory-server"]);
        assert_eq!(done["entry"]["args"], wanted);
        let path = alice.path(file);
        assert_eq!(Path::new(done["file"].as_str().unwrap()), path);
        let shown = alice.run(&[client, "--profile", "memory-server", "--entry", "memory", "--print"]).good().stdout;
        assert_eq!(read(&path), shown, "{client}");
        assert!(shown.contains("memory") && shown.contains("memory-server"), "{shown}");
        // Under its usual name it is another entry.
        alice.run(&[client, "--check"]).refused_silently(3);
    }
}

#[test]
fn an_entry_with_other_arguments_is_brought_up_to_date() {
    for (client, file, text, _) in CLIENTS {
        let alice = Person::new();
        let path = alice.with(file, text);
        alice.json(&[client, "--profile", "full"]);
        let full = read(&path);
        alice.run(&[client, "--check"]).refused_silently(1);
        assert_eq!(alice.json(&[client])["state"], "updated");
        assert_eq!(alice.json(&[client, "--profile", "full"])["state"], "updated");
        assert_eq!(read(&path), full, "{client}");
        alice.json(&[client, "--remove"]);
        assert_eq!(read(&path), text, "{client}");
    }
}

#[test]
fn a_project_has_a_configuration_of_its_own() {
    let files = [
        ("claude-code", ".mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".vscode/mcp.json"),
        ("codex", ".codex/config.toml"),
        ("zed", ".zed/settings.json"),
        ("gemini", ".gemini/settings.json"),
    ];
    for (client, file) in files {
        let alice = Person::new();
        let project = alice.dir.path().join("project");
        fs::create_dir_all(&project).unwrap();
        alice.run_in(&project, &[client, "--project"]).good();
        assert!(read(&project.join(file)).contains("antiphon"), "{client}");
        alice.run_in(&project, &[client, "--project", "--check"]).good();
        alice.run_in(&project, &[client, "--check"]).refused_silently(3);
    }
    Person::new().run(&["claude-desktop", "--project"]).refused(2, &["one project"]);
}

#[test]
fn links_are_followed_and_stay() {
    let alice = Person::new();
    let kept = alice.dir.path().join("dotfiles");
    fs::create_dir_all(&kept).unwrap();
    fs::create_dir_all(alice.path(".cursor")).unwrap();
    fs::write(kept.join("mcp.json"), CURSOR).unwrap();
    symlink(kept.join("mcp.json"), alice.path(".cursor/mcp.json")).unwrap();
    alice.run(&["cursor"]).good();
    assert!(alice.path(".cursor/mcp.json").is_symlink());
    assert!(read(&kept.join("mcp.json")).contains("antiphon"));
    assert!(read(&kept.join("mcp.json.before-antiphon")) == CURSOR);
    // One that leads to a file which is still to be made.
    symlink("../dotfiles/zed.json", alice.home().join("link")).unwrap();
    fs::create_dir_all(alice.path(".config/zed")).unwrap();
    symlink(kept.join("zed.json"), alice.path(".config/zed/settings.json")).unwrap();
    alice.run(&["zed"]).good();
    assert!(alice.path(".config/zed/settings.json").is_symlink() && kept.join("zed.json").is_file());
}

#[test]
fn a_damaged_file_is_left_as_it_is() {
    let damaged = [
        ("vscode", ".config/Code/User/mcp.json", "{\n  \"servers\": {\n    \"a\": {}\n", ":2: "),
        ("gemini", ".gemini/settings.json", "{\n  \"mcpServers\": []\n}", ":2: "),
        ("codex", ".codex/config.toml", "a = 1\n[mcp_servers\n", ":2: "),
        ("cursor", ".cursor/mcp.json", "{\n\n\"mcpServers\": {\"x\": 1 \"y\": 2}}", ":3: "),
    ];
    for (client, file, text, line) in damaged {
        let alice = Person::new();
        let path = alice.with(file, text);
        for option in [&[][..], &["--check"], &["--remove"]] {
            let mut args = vec![client];
            args.extend(option);
            let name = path.file_name().unwrap().to_str().unwrap();
            alice.run(&args).refused(2, &[&format!("{name}{line}"), "--print"]);
        }
        assert_eq!(read(&path), text);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }
    let alice = Person::new();
    let path = alice.with(".cursor/mcp.json", "");
    fs::write(&path, b"{\n\"caf\xe9\": 1}").unwrap();
    alice.run(&["cursor"]).refused(2, &["mcp.json:2: ", "UTF-8"]);
}

#[test]
fn words_say_what_was_done_and_what_is_next() {
    let alice = Person::new();
    let path = alice.with(".cursor/mcp.json", CURSOR);
    let said = alice.run(&["cursor"]).good().stdout;
    assert!(said.starts_with("Installed antiphon in ") && said.contains("before-antiphon"), "{said}");
    assert!(said.contains("Next: "), "{said}");
    assert!(alice.run(&["cursor"]).good().stdout.contains("is installed"));
    assert!(alice.run(&["cursor", "--remove"]).good().stdout.starts_with("Removed antiphon from "));
    assert!(alice.run(&["cursor", "--check"]).stdout.contains("antiphon mcp install cursor"));
    assert_eq!(read(&path), CURSOR);
    alice.run(&["notepad"]).misused(&["claude-code", "gemini"]);
    alice.run(&["cursor", "--entry", "a b"]).misused(&["letters"]);
    alice.run(&["cursor", "--check", "--remove"]).misused(&["--check", "--remove"]);
}

impl Run {
    /// The command said no by its exit code, and nothing went wrong.
    #[track_caller]
    fn refused_silently(&self, code: i32) {
        assert_eq!((self.code, self.stderr.as_str()), (code, ""), "{self:#?}");
    }

    /// The command line was wrong.
    #[track_caller]
    fn misused(&self, words: &[&str]) {
        assert_eq!(self.code, 2, "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing: {self:#?}");
        }
    }
}
