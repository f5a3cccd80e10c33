//! The guide is run: every ```` ```console ```` block of `docs/guide/*.md` is executed in the order of its page, and
//! what the commands print must match what the page says.
//!
//! - A line that begins with `$ ` is a command of bash, lines with `> ` after it go on with it, and the lines below are
//!   what it prints. `[..]` stands for anything within a line, a line `...` for any lines.
//! - `? N` below a command says that it ends with exit code N; without it the code is 0.
//! - The word after `console` names the machine: each has a home of its own. All machines of a page share one shell, so
//!   that a variable set on one can be used on the other, as a person carries a ticket from screen to screen.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::common::{ANTIPHON, Machine, isolate};
use snapbox::filter::NormalizeToExpected;
use snapbox::{Data, IntoData, Redactions};

/// What separates the output of two commands.
const MARK: &str = "=== end of command ===";
/// Longest silence of a command: one that waits for something that never comes must not hang the tests.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// The machine of a block that names none.
const MACHINE_DEFAULT: &str = "workstation";

/// One command of a page.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    machine: String,
    line: usize,
    command: String,
    expected: String,
    code: i32,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut machine: Option<String> = None;
    for (line, text) in (1..).zip(page.lines()) {
        match &machine {
            None => {
                let mut fence = text.strip_prefix("```").unwrap_or_default().split_whitespace();
                if fence.next() == Some("console") {
                    machine = Some(fence.next().unwrap_or(MACHINE_DEFAULT).to_owned());
                }
            }
            Some(_) if text.starts_with("```") => machine = None,
            Some(machine) => match (text.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    machine: machine.clone(),
                    line,
                    command: command.to_owned(),
                    expected: String::new(),
                    code: 0,
                }),
                (None, Some(step)) => step.go_on(text),
                (None, None) => panic!("line {line}: output without a command: {text}"),
            },
        }
    }
    steps
}

impl Step {
    fn go_on(&mut self, text: &str) {
        if let Some(more) = text.strip_prefix("> ").filter(|_| self.expected.is_empty()) {
            self.command = format!("{}\n{more}", self.command);
        } else if let Some(code) = text.strip_prefix("? ") {
            self.code = code.trim().parse().unwrap();
        } else {
            self.expected.push_str(text);
            self.expected.push('\n');
        }
    }
}

/// One bash that runs the commands of a page.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    /// Lines that it prints.
    lines: Receiver<String>,
}

impl Shell {
    fn start(dir: &Path) -> Self {
        let bin = Path::new(ANTIPHON).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        isolate(&mut command);
        command.arg("--norc").current_dir(dir).env("PATH", format!("{}:{path}", bin.display())).env("HOME", dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (read, lines) = channel();
        // Ends with the shell, or when nobody listens any more.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| read.send(line)));
        Self { child, stdin, lines }
    }

    /// Runs one command in this very shell, so that its variables stay.
    fn run(&mut self, machine: &Machine, name: &str, command: &str) -> (String, i32) {
        let home = machine.home().display();
        writeln!(self.stdin, "export ANTIPHON_HOME='{home}' ANTIPHON_NAME='{name}'").unwrap();
        writeln!(self.stdin, "{{ {command}\n}} </dev/null 2>&1").unwrap();
        writeln!(self.stdin, "printf '\\n{MARK} %d\\n' $?").unwrap();
        self.stdin.flush().unwrap();
        let mut output = String::new();
        loop {
            let line = self.lines.recv_timeout(COMMAND_MAX);
            let line = line.unwrap_or_else(|error| {
                let stands = asked_again(machine, command);
                panic!("{error}: {command}\n{output}\n--- what is waited for:\n{stands}")
            }) + "\n";
            if let Some(code) = line.strip_prefix(MARK) {
                let output = output.strip_suffix('\n').unwrap_or(&output).to_owned();
                return (output, code.trim().parse().unwrap());
            }
            output.push_str(&line);
        }
    }
}

/// What a loop that waits saw last: what stands between its `until` and the first pipe is run once more.
fn asked_again(machine: &Machine, command: &str) -> String {
    let waits =
        command.split_once("until ").map(|(_, rest)| rest.trim_start_matches("! ").trim_start_matches("test $("));
    let asked = waits.and_then(|rest| rest.split(['|', ';']).next()?.trim().strip_prefix("antiphon "));
    let Some(asked) = asked else { return "(no loop that asks antiphon)".to_owned() };
    let arguments: Vec<&str> = asked.split_whitespace().collect();
    let run = machine.run(&arguments);
    format!("$ antiphon {asked}\n{}{}", run.stdout, run.stderr)
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run_page(path: &Path) {
    let page = fs::read_to_string(path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut machines: BTreeMap<String, Machine> = BTreeMap::new();
    let mut shell = Shell::start(dir.path());
    for step in steps(&page) {
        let home = dir.path().join(&step.machine);
        let machine = machines.entry(step.machine.clone()).or_insert_with(|| Machine::at(&step.machine, home));
        let (output, code) = shell.run(machine, &step.machine, &step.command);
        let place = format!("{}:{}\n$ {}", path.display(), step.line, step.command);
        assert_eq!(code, step.code, "{place}\n{output}");
        compare(&place, &output, &step.expected);
    }
}

fn compare(place: &str, output: &str, expected: &str) {
    let expected = expected.to_owned().into_data().raw();
    let redactions = Redactions::new();
    let output: Data = output.to_owned().into_data();
    let shown = NormalizeToExpected::new().redact_with(&redactions).normalize(output, &expected);
    let (shown, expected) = (shown.to_string(), expected.to_string());
    assert_eq!(shown.trim_end(), expected.trim_end(), "{place}\n--- printed:\n{shown}\n--- the page says:\n{expected}");
}

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide")
}

fn pages() -> Vec<PathBuf> {
    let files = fs::read_dir(guide()).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "md")).collect();
    pages.sort();
    pages
}

macro_rules! pages {
    ($($test:ident = $page:literal,)*) => {
        /// The pages that have a test.
        const PAGES: &[&str] = &[$($page,)*];
        $(
            #[test]
            fn $test() {
                run_page(&guide().join($page));
            }
        )*
    };
}

pages! {
    agents = "agents.md",
    configuration = "configuration.md",
    content = "content.md",
    dashboard = "dashboard.md",
    divergence = "divergence.md",
    doctor = "doctor.md",
    first_steps = "first-steps.md",
    forgetting = "forgetting.md",
    http = "http.md",
    import = "import.md",
    mcp = "mcp.md",
    messages = "messages.md",
    offline = "offline.md",
    recall = "recall.md",
    recovery = "recovery.md",
    replication = "replication.md",
    sealed = "sealed.md",
    silent_members = "silent-members.md",
    trust = "trust.md",
}

#[test]
fn every_page_of_the_guide_has_a_test() {
    let names: Vec<_> = pages().iter().map(|page| page.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, PAGES);
}

#[test]
fn a_page_is_read_as_commands_with_their_output() {
    let page = "text\n```console laptop\n$ echo a \\\n> b\na b\n? 1\n```\n$ not a command\n```console\n$ true\n```\n";
    let step = |machine: &str, line, command: &str, expected: &str, code| Step {
        machine: machine.into(),
        line,
        command: command.into(),
        expected: expected.into(),
        code,
    };
    let want = [step("laptop", 3, "echo a \\\nb", "a b\n", 1), step(MACHINE_DEFAULT, 10, "true", "", 0)];
    assert_eq!(steps(page), want);
}
