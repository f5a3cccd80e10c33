//! Where commands write: results to stdout, everything else to stderr.
//!
//! With `--json` stdout carries JSON alone, one object or array per command. A reader that goes away (`| head`) is no
//! failure: the command ends silently.

use std::io::{self, BufRead, IsTerminal, Write};

use antiphon_server::error::ProblemBody;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::render::safe;

/// Style of headings and names.
pub(crate) const STRONG: Style = Style::new().bold();
/// Style of what matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Style of what is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Style of what needs attention.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// Style of failures.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// The text in a style; the styling is left out again where the reader is no terminal.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The two streams of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether results are JSON.
    pub(crate) json: bool,
}

impl Output {
    /// Prints one result: as JSON, or in words.
    ///
    /// # Errors
    /// [`Stop::Hangup`] when nobody reads it, a problem when it cannot be written.
    pub(crate) fn result<T: Serialize>(self, value: &T, words: impl FnOnce(&T) -> String) -> Outcome {
        if self.json { self.json(value) } else { self.text(&words(value)) }
    }

    /// Prints JSON on one line, whatever `--json` says.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub(crate) fn json<T: Serialize>(self, value: &T) -> Outcome {
        let line = serde_json::to_string(value).map_err(|error| {
            Problem::new(Code::Failed, "the result cannot be written as JSON").why(error.to_string())
        })?;
        self.text(&line)
    }

    /// Writes bytes to stdout as they are.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub(crate) fn bytes(self, bytes: &[u8]) -> Outcome {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| stop(&error))
    }

    /// Prints lines to stdout.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub(crate) fn text(self, text: &str) -> Outcome {
        let mut out = anstream::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        write!(out, "{text}{end}").and_then(|()| out.flush()).map_err(|error| stop(&error))
    }

    /// Tells the person something beside the result, on stderr.
    pub(crate) fn note(self, text: &str) {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(anstream::stderr(), "{text}");
    }

    /// Tells what went wrong: in words on stderr, and with `--json` also as `{"error":{…}}` on stdout.
    pub(crate) fn problem(self, problem: &Problem) {
        self.note(&words_of(problem));
        if self.json {
            // It was told on stderr; if stdout is gone there is nobody else to tell.
            let _ = self.json(&ProblemBody { error: problem.clone() });
        }
    }
}

fn words_of(problem: &Problem) -> String {
    let mut text = format!("{} {}", styled(BAD, "error:"), safe(&problem.what));
    for (label, line) in [("why:", &problem.why), ("try:", &problem.hint)] {
        if let Some(line) = line {
            text.push_str(&format!("\n  {} {}", styled(STRONG, label), safe(line)));
        }
    }
    text
}

/// Whether a person sits at both ends and can be asked.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a person, who sees on stderr what it is about, and waits for a line; nothing when no line can be read.
pub(crate) fn answer(question: &str) -> Option<String> {
    let mut err = anstream::stderr();
    // Without a prompt the person still sees what was noted before.
    let _ = write!(err, "{question}").and_then(|()| err.flush());
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(1..) => Some(line.trim().to_lowercase()),
        Ok(0) | Err(_) => None,
    }
}

/// Asks a person for a yes or a no; whatever else is answered is a no.
pub(crate) fn agrees(question: &str) -> bool {
    matches!(answer(&format!("{question} [y]es, [n]o: ")).as_deref(), Some("y" | "yes"))
}

/// Whether results are shown on a terminal.
pub(crate) fn is_shown() -> bool {
    io::stdout().is_terminal()
}

/// Whether results may carry colours: not where nobody sees them, nor where the person does not want any.
pub(crate) fn has_colours() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Width of the terminal that results are shown on, where there is one.
pub(crate) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn stop(error: &io::Error) -> Stop {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Stop::Hangup;
    }
    Problem::new(Code::Failed, "the result cannot be written").why(error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let problem = Problem::new(Code::Full, "the disk is full").why("0 bytes are left").hint("df -h .");
        let text = anstream::adapter::strip_str(&words_of(&problem)).to_string();
        assert_eq!(text, "error: the disk is full\n  why: 0 bytes are left\n  try: df -h .");
    }
}
