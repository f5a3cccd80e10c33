//! The home directory: one team, one key, one database, one running node.
//!
//! ```text
//! HOME/            0700
//!   node.key       0600  the root secret
//!   node.lock            held by the running node, with its process id
//!   control.sock   0600  where local programs talk to it
//!   http.token     0600  bearer token of the HTTP door
//!   http.key       0600  private key of the HTTP door's own certificate, if it needed one
//!   http.cert.pem  0600  that certificate
//!   http.port            port of the HTTP door, if its usual one was taken
//!   antiphon.db          log and projections
//!   search.db            search index, can be rebuilt
//!   content/       0700  ciphertexts of documents, each named by its root
//! ```

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or a file in it cannot be made or read.
    #[error("cannot use {path}: {source}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another node runs on this home.
    #[error("another node holds {path}{}", holder.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held {
        /// The home.
        path: PathBuf,
        /// Process id of the holder, where it could be read.
        holder: Option<u32>,
    },
}

/// Paths of a home directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The home at `path`; nothing is created yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The key file.
    pub fn key(&self) -> PathBuf {
        self.0.join(antiphon_vault::file::FILE_NAME)
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The bearer token of the HTTP door.
    pub fn token(&self) -> PathBuf {
        self.0.join("http.token")
    }

    /// The private key of the HTTP door's own certificate.
    pub fn http_key(&self) -> PathBuf {
        self.0.join("http.key")
    }

    /// The HTTP door's own certificate.
    pub fn http_certificate(&self) -> PathBuf {
        self.0.join("http.cert.pem")
    }

    /// Where the HTTP door is that found its usual port taken.
    pub fn http_port(&self) -> PathBuf {
        self.0.join("http.port")
    }

    /// The ports of the last run.
    pub fn ports(&self) -> PathBuf {
        self.0.join("ports")
    }

    /// What the node wrote while it ran in the background.
    pub fn log(&self) -> PathBuf {
        self.0.join("node.log")
    }

    /// Makes the directory, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::Io`] when that is not possible.
    pub fn create(&self) -> Result<(), Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|source| Error::Io { path: self.0.clone(), source })
    }

    /// Who holds the home now. Nothing is made.
    ///
    /// # Errors
    /// [`Error::Io`] when the lock's file cannot be looked at.
    pub fn lock_holder(&self) -> Result<Holder, Error> {
        let path = self.0.join("node.lock");
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::Nobody),
            Err(source) => return Err(Error::Io { path, source }),
        };
        if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
            return Ok(Holder::Nobody);
        }
        let mut text = String::new();
        let read = (&mut file).take(32).read_to_string(&mut text);
        Ok(Holder::Process(read.ok().and_then(|_| text.trim().parse().ok())))
    }

    /// Takes the home for this process until the lock is dropped.
    ///
    /// # Errors
    /// [`Error::Held`] when another process has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.0.join("node.lock");
        let io = |source| Error::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut text = String::new();
            // The holder's id is a help to people; without it the message is shorter, nothing else.
            let read = (&mut file).take(32).read_to_string(&mut text);
            let holder = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(Error::Held { path: self.0.clone(), holder });
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Lock { _file: file })
    }
}

/// Who holds a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// No process does.
    Nobody,
    /// This one does, where its id could be read.
    Process(Option<u32>),
}

/// The home is ours while this lives. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_node_on_one_home_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        home.create().unwrap();
        let lock = home.lock().unwrap();
        let Err(Error::Held { holder, .. }) = home.lock() else { panic!("the home was given twice") };
        assert_eq!(holder, Some(std::process::id()));
        drop(lock);
        assert!(home.lock().is_ok());
    }
}
