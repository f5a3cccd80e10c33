//! Other small secrets in files of their own, such as the bearer token of the HTTP door.
//!
//! Such a file is one line of text, so that a person can copy it and a script can read it.

use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use crate::private_file::{self, FILE_BYTES_MAX, PrivateFile};
use crate::random;

const WHAT: &str = "secret file";

/// Why a secret file cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is missing, readable by others, or cannot be used.
    #[error(transparent)]
    File(#[from] private_file::Error),
    /// The file, or the secret to be written to it, is not one line of text.
    #[error("secret file {} {reason}", .path.display())]
    Content {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no randomness to make a secret from.
    #[error(transparent)]
    Random(#[from] random::Error),
}

impl Error {
    /// Whether there simply is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File(error) if error.is_not_found())
    }

    /// The command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            _ => None,
        }
    }
}

/// Reads the secret from a file that only its owner may read.
///
/// # Errors
/// When there is none ([`Error::is_not_found`]), others may read it, or it is not one line of text.
pub fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    let mut content = PrivateFile { what: WHAT, path }.read()?;
    let text = match String::from_utf8(std::mem::take(&mut *content)) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            error.into_bytes().zeroize();
            return Err(Error::Content { path: path.to_owned(), reason: "is not text" });
        }
    };
    trimmed(path, text)
}

/// Reads the secret, or makes one and keeps it. Of several processes that come at once, all get the same secret.
///
/// [`random::token`] is a `make` for bearer tokens.
///
/// # Errors
/// As [`read`], except that a missing file is made; also when `make` fails or gives more than one line.
pub fn read_or_create<F>(path: &Path, make: F) -> Result<Zeroizing<String>, Error>
where
    F: FnOnce() -> Result<Zeroizing<String>, random::Error>,
{
    match read(path) {
        Err(error) if error.is_not_found() => {}
        found => return found,
    }
    let secret = make()?;
    check(path, &secret)?;
    let mut line = Zeroizing::new(String::with_capacity(secret.len() + 1));
    line.push_str(&secret);
    line.push('\n');
    match (PrivateFile { what: WHAT, path }).create(line.as_bytes()) {
        Ok(()) => Ok(secret),
        // Somebody was faster: theirs is the secret.
        Err(error) if error.is_exists() => read(path),
        Err(error) => Err(error.into()),
    }
}

/// Takes the line end off.
fn trimmed(path: &Path, mut text: Zeroizing<String>) -> Result<Zeroizing<String>, Error> {
    let length = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(length);
    check(path, &text)?;
    Ok(text)
}

fn check(path: &Path, secret: &str) -> Result<(), Error> {
    let reason = if secret.is_empty() {
        "is empty"
    } else if secret.len() >= FILE_BYTES_MAX {
        "would be too long"
    } else if secret.chars().any(char::is_control) {
        "has more than one line, or control characters"
    } else if secret.trim() != secret {
        "begins or ends with a space"
    } else {
        return Ok(());
    };
    Err(Error::Content { path: path.to_owned(), reason })
}
