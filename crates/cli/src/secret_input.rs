//! Reading a secret: from a terminal without showing it, else from a file or a pipe.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use zeroize::Zeroizing;

use crate::outcome::{Code, Outcome, Problem, file_problem};

/// Most bytes that are read; a phrase of 24 words has some two hundred.
const SECRET_BYTES_MAX: usize = 4_096;

/// Shows the terminal's input again, however the reading ends.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing any more.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Reads one secret: from `file` if one is given, after `prompt` from a terminal, else everything on stdin.
///
/// # Errors
/// A problem when it cannot be read.
pub(crate) async fn read(prompt: &str, file: Option<&Path>) -> Outcome<Zeroizing<String>> {
    if let Some(path) = file {
        let open = std::fs::File::open(path).and_then(bounded);
        return Ok(open.map_err(|error| file_problem("read", path, &error))?);
    }
    if !io::stdin().is_terminal() {
        return Ok(bounded(io::stdin().lock()).map_err(|error| unreadable(&error))?);
    }
    let mut err = anstream::stderr();
    // Without a prompt the person still sees that something is waited for.
    let _ = write!(err, "{prompt}").and_then(|()| err.flush());
    let hidden = Hidden::begin().map_err(|error| unreadable(&error))?;
    let line = tokio::task::spawn_blocking(|| {
        let mut line = empty();
        io::stdin().lock().take(SECRET_BYTES_MAX as u64).read_line(&mut line).map(|_| line)
    });
    let line = tokio::select! {
        line = line => line,
        // The terminal must not stay mute when the person changes their mind.
        _ = tokio::signal::ctrl_c() => {
            drop(hidden);
            return Err(Problem::new(Code::Undecided, "nothing was changed").hint("antiphon recover PEER").into());
        }
    };
    drop(hidden);
    let _ = writeln!(err);
    let line = line.map_err(|error| unreadable(&io::Error::other(error)))?;
    Ok(line.map_err(|error| unreadable(&error))?)
}

/// Large enough for all that is read, so that growing leaves no unwiped copy behind.
fn empty() -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX + 1))
}

fn bounded(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = empty();
    from.take(SECRET_BYTES_MAX as u64).read_to_string(&mut text).map(|_| text)
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(Code::Failed, "the recovery phrase cannot be read")
        .why(error.to_string())
        .hint("put it into a file that only you can read: antiphon recover PEER --phrase-file FILE")
}
