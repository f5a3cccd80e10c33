//! Ports that stay: a node that was told to pick one picks the same one again.
//!
//! Members remember where a node was. If every start moved it to another port, two machines that were both restarted
//! would find each other only by multicast DNS, which not every network carries.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::sync::watch;

/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: usize = 256;

/// The ports of the last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ports {
    tcp: Option<u16>,
    udp: Option<u16>,
}

impl Ports {
    /// Reads the file; a missing or unreadable one is no ports.
    pub(crate) fn load(path: &Path) -> Self {
        let text = match fs::read_to_string(path) {
            Ok(text) if text.len() <= FILE_BYTES_MAX => text,
            Ok(_) => String::new(),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!(%error, "the last ports could not be read");
                }
                String::new()
            }
        };
        let port = |name| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Self { tcp: port("tcp "), udp: port("udp ") }
    }

    /// Writes the file.
    async fn save(self, path: &Path) -> io::Result<()> {
        let line = |name, port: Option<u16>| port.map(|port| format!("{name} {port}\n")).unwrap_or_default();
        tokio::fs::write(path, line("tcp", self.tcp) + &line("udp", self.udp)).await
    }

    /// Notes the port of an address that is listened at; says whether that is news.
    pub(crate) fn note(&mut self, address: &str) -> bool {
        let before = *self;
        let parts: Vec<&str> = address.split('/').collect();
        for pair in parts.windows(2) {
            match (pair[0], pair[1].parse()) {
                ("tcp", Ok(port)) => self.tcp = Some(port),
                ("udp", Ok(port)) => self.udp = Some(port),
                _ => {}
            }
        }
        *self != before
    }

    /// `address` with the last port where it asks for any.
    pub(crate) fn apply(self, address: &str) -> String {
        let put = |text: String, name: &str, port: Option<u16>| match port {
            Some(port) => {
                text.split_inclusive('/')
                    .fold((String::new(), false), |(out, after), part| {
                        let bare = part.trim_end_matches('/');
                        let tail = &part[bare.len()..];
                        let here = if after && bare == "0" { format!("{port}{tail}") } else { part.to_owned() };
                        (out + &here, bare == name)
                    })
                    .0
            }
            None => text,
        };
        put(put(address.to_owned(), "tcp", self.tcp), "udp", self.udp)
    }
}

/// Writes the file whenever the ports change, until nobody can change them any more.
pub(crate) async fn keep(path: PathBuf, mut ports: watch::Receiver<Ports>) {
    while ports.changed().await.is_ok() {
        let now = *ports.borrow_and_update();
        if let Err(error) = now.save(&path).await {
            tracing::warn!(%error, "the ports could not be noted; another start may pick others");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_that_picks_its_port_picks_the_same_one_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ports");
        let mut ports = Ports::load(&path);
        assert_eq!(ports.apply("/ip4/0.0.0.0/tcp/0"), "/ip4/0.0.0.0/tcp/0");
        assert!(ports.note("/ip4/127.0.0.1/tcp/4001"));
        assert!(ports.note("/ip4/127.0.0.1/udp/4002/quic-v1"));
        assert!(!ports.note("/ip4/10.0.0.1/tcp/4001"));
        ports.save(&path).await.unwrap();
        let again = Ports::load(&path);
        assert_eq!(again.apply("/ip4/0.0.0.0/tcp/0"), "/ip4/0.0.0.0/tcp/4001");
        assert_eq!(again.apply("/ip4/0.0.0.0/udp/0/quic-v1"), "/ip4/0.0.0.0/udp/4002/quic-v1");
        assert_eq!(again.apply("/ip4/0.0.0.0/tcp/99"), "/ip4/0.0.0.0/tcp/99");
    }
}
