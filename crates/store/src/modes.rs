//! What a person set about sharing: whether this node sends and takes, and what a single peer gets.
//!
//! These are settings, not observations. So they are written only by whoever changes them, and what the node learns
//! about a peer is written around them.

use antiphon_core::ids::NodeId;
use rusqlite::Connection;

use crate::cache;
use crate::db::Db;
use crate::error::Error;
use crate::peers::{PeerMode, PeerRow};
use crate::reader::Reader;

const KEY: &str = "node_mode";

/// Whether this node sends shared events, takes them, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NodeMode {
    /// Both.
    #[default]
    Sync,
    /// It sends and takes nothing.
    Publish,
    /// It takes and sends nothing.
    Subscribe,
}

impl NodeMode {
    /// Every mode; its position is its number in the database.
    pub const ALL: [Self; 3] = [Self::Sync, Self::Publish, Self::Subscribe];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
        }
    }

    /// The mode of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether shared events are sent.
    pub const fn sends(self) -> bool {
        !matches!(self, Self::Subscribe)
    }

    /// Whether shared events are taken.
    pub const fn takes(self) -> bool {
        !matches!(self, Self::Publish)
    }
}

/// Which domains a peer gets the texts of. The default is all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Domains {
    /// If not empty, these only; a fact without a domain is then not among them.
    pub only: Vec<String>,
    /// Not these.
    pub except: Vec<String>,
}

impl Domains {
    /// The domains as a peer's row has them.
    pub fn of(peer: &PeerRow) -> Self {
        Self { only: peer.only_domains.clone(), except: peer.except_domains.clone() }
    }

    /// Whether texts of every domain are shared.
    pub const fn is_all(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    /// Whether texts of this domain are shared; `None` is a fact without one.
    pub fn allow(&self, domain: Option<&str>) -> bool {
        let listed = |domains: &[String]| domain.is_some_and(|domain| domains.iter().any(|one| one == domain));
        (self.only.is_empty() || listed(&self.only)) && !listed(&self.except)
    }
}

impl Db {
    /// Sets whether this node sends and takes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_node_mode(&mut self, mode: NodeMode) -> Result<(), Error> {
        self.transaction(|db| cache::set_meta(&db.conn, KEY, mode.name().as_bytes()))
    }

    /// Sets whether events are exchanged with a peer.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_peer_mode(&mut self, node: &NodeId, mode: PeerMode) -> Result<(), Error> {
        self.update_peer(node, |row| row.mode = mode).map(drop)
    }

    /// Sets which domains a peer gets; its next page follows it.
    ///
    /// # Errors
    /// [`Error::PeerTooLarge`] for more than [`crate::DOMAINS_MAX`] domains or too long ones, and when the database fails.
    pub fn set_peer_domains(&mut self, node: &NodeId, domains: Domains) -> Result<(), Error> {
        let Domains { only, except } = domains;
        self.update_peer(node, |row| (row.only_domains, row.except_domains) = (only, except)).map(drop)
    }
}

impl Reader<'_> {
    /// Whether this node sends and takes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn node_mode(&self) -> Result<NodeMode, Error> {
        node_mode(self.connection())
    }
}

/// A name that this version does not know reads as the default: it was written by a newer one.
fn node_mode(conn: &Connection) -> Result<NodeMode, Error> {
    let kept = cache::meta(conn, KEY)?;
    let name = kept.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(name.and_then(NodeMode::named).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DOMAINS_MAX;
    use crate::db::Options;

    #[test]
    fn settings_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let bob = NodeId([2; 32]);
        {
            let mut db = Db::open(dir.path(), Options::default(), None).unwrap();
            assert_eq!(db.reader().node_mode().unwrap(), NodeMode::Sync);
            db.set_node_mode(NodeMode::Publish).unwrap();
            db.set_peer_mode(&bob, PeerMode::Paused).unwrap();
            let domains = Domains { only: vec!["web".into()], except: vec!["pay".into()] };
            db.set_peer_domains(&bob, domains).unwrap();
        }
        let db = Db::open(dir.path(), Options::default(), None).unwrap();
        assert_eq!(db.reader().node_mode().unwrap(), NodeMode::Publish);
        let row = db.reader().peer(&bob).unwrap().unwrap();
        assert_eq!((row.mode, row.only_domains, row.except_domains), {
            (PeerMode::Paused, vec!["web".to_owned()], vec!["pay".to_owned()])
        });
    }

    #[test]
    fn domains_that_cannot_be_read_back_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut db = Db::open(dir.path(), Options::default(), None).unwrap();
        let many = |count| Domains { only: vec!["d".into(); count], ..Domains::default() };
        let bob = NodeId([2; 32]);
        assert!(db.set_peer_domains(&bob, many(DOMAINS_MAX)).is_ok());
        assert!(matches!(db.set_peer_domains(&bob, many(DOMAINS_MAX + 1)), Err(Error::PeerTooLarge { .. })));
        assert_eq!(db.reader().peer(&bob).unwrap().unwrap().only_domains.len(), DOMAINS_MAX);
    }

    #[test]
    fn domains_allow_what_they_say() {
        let check = |only: &[&str], except: &[&str], domain: Option<&str>, want| {
            let texts = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            let domains = Domains { only: texts(only), except: texts(except) };
            assert_eq!(domains.allow(domain), want, "{domains:?} {domain:?}");
        };
        check(&[], &[], None, true);
        check(&[], &["pay"], None, true);
        check(&[], &["pay"], Some("pay"), false);
        check(&["web"], &[], Some("web"), true);
        check(&["web"], &[], Some("pay"), false);
        check(&["web"], &[], None, false);
        check(&["web"], &["web"], Some("web"), false);
    }
}
