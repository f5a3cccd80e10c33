//! Why a door cannot be opened.

use std::io;
use std::path::PathBuf;

use crate::error::{Code, Problem};

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control socket cannot be made.
    #[error("cannot open the control socket {}: {source}", path.display())]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The HTTP address is none.
    #[error("{address:?} is not an address to listen at")]
    Address {
        /// What was given.
        address: String,
    },
    /// The certificate of the HTTP door, or its key, cannot be used.
    #[error("cannot use {} for the HTTP door: {reason}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The node did not answer, or its token cannot be read.
    #[error(transparent)]
    Node(#[from] antiphon_node::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::Socket { path, source } if source.kind() == io::ErrorKind::InvalidInput => {
                Self::new(Code::Failed, what)
                    .why(format!(
                        "the system allows about 100 bytes for its path, this one has {}",
                        path.as_os_str().len()
                    ))
                    .hint("use a home with a shorter path: antiphon --home DIR up")
            }
            Error::Socket { path, .. } => {
                Self::new(Code::Failed, what).hint(format!("check who owns it: ls -l {}", path.display()))
            }
            Error::Address { .. } => {
                Self::new(Code::Invalid, what).hint("write it as 127.0.0.1:7411; port 0 picks one")
            }
            Error::Certificate { .. } => Self::new(Code::Failed, what)
                .why("an address that other machines can reach is served with encryption only")
                .hint("antiphon config set http.tls_cert FILE, and http.tls_key, then antiphon down and antiphon up"),
            Error::Node(error) => error.into(),
        }
    }
}
