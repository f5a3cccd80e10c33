//! What the caller can ask of the table.

use antiphon_core::dht::Prefix;
use antiphon_core::ids::NodeId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::handle::{Command as Outer, Reply};

use super::{Found, Mode, Stats};

/// Why an operation of the table did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
    /// This node was started without the table.
    #[error("this node takes no part in the hash table")]
    Off,
    /// Too many operations are under way already.
    #[error("more than {max} operations of the hash table are under way")]
    Busy {
        /// The limit.
        max: usize,
    },
    /// No member can be asked. What was to be stored is held here.
    #[error("no member that takes part in the hash table is connected")]
    NoMembers,
    /// The record is not let in here, so it is sent to nobody.
    #[error("the record is refused: {reason}")]
    Refused {
        /// The stable name of the reason.
        reason: &'static str,
    },
    /// Fewer members took the record than wanted, before time was up or nobody was left to ask.
    #[error("{got} members took the record, and {want} were wanted")]
    TooFew {
        /// How many took it.
        got: usize,
        /// How many were wanted.
        want: usize,
    },
    /// Nothing was found before time was up.
    #[error("the hash table did not answer in time")]
    Timeout,
    /// No node of that name can be in the table.
    #[error("{0} cannot take part in the hash table")]
    NotANode(NodeId),
}

/// A record was stored by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// By at least so many members, who have said so.
    pub copies: usize,
}

pub(crate) type Answer<T> = Reply<Result<T, Error>>;

/// From the handle to the table.
pub(crate) enum Command {
    /// Others are asked, each in its turn.
    Query(Query),
    Keep {
        key: Vec<u8>,
        value: Vec<u8>,
        reply: Answer<()>,
    },
    StopProviding {
        key: Vec<u8>,
        reply: Answer<()>,
    },
    Meet {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reply: Answer<bool>,
    },
    Forget {
        peer: PeerId,
        reply: Answer<()>,
    },
    Peers {
        reply: Answer<Vec<NodeId>>,
    },
    Stats {
        reply: Answer<Stats>,
    },
    Rename {
        prefix: Prefix,
        reply: Answer<()>,
    },
    SetMode {
        mode: Mode,
        reply: Answer<()>,
    },
}

/// What others are asked.
pub(crate) enum Query {
    Put { key: Vec<u8>, value: Vec<u8>, copies: usize, reply: Answer<Stored> },
    Get { key: Vec<u8>, limit: usize, reply: Answer<Vec<Found>> },
    Provide { key: Vec<u8>, reply: Answer<()> },
    Providers { key: Vec<u8>, limit: usize, reply: Answer<Vec<NodeId>> },
    Bootstrap { reply: Answer<usize> },
}

/// The table's remote control.
#[derive(Clone)]
pub struct Dht {
    pub(crate) commands: mpsc::Sender<Outer>,
}

impl std::fmt::Debug for Dht {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dht").finish_non_exhaustive()
    }
}

impl Dht {
    /// Stores a record here and with the members whose ids are nearest to the key; returns when `copies` of them, or all
    /// there are if those are fewer, have said that they did.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not let in here; [`Error::NoMembers`] and [`Error::TooFew`] if it is held here and by
    /// too few others.
    pub async fn put(&self, key: Vec<u8>, value: Vec<u8>, copies: usize) -> Result<Stored, Error> {
        self.query(|reply| Query::Put { key, value, copies, reply }).await
    }

    /// Stores a record here only: one of this node's own, from its disk.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn keep(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
        self.ask(|reply| Command::Keep { key, value, reply }).await
    }

    /// The records that members have under a key, this node's first; returns when `limit` of them have one, or everybody
    /// near was asked. None is no error. Members may have different ones: the caller chooses.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::NoMembers`], when nothing was found.
    pub async fn get(&self, key: Vec<u8>, limit: usize) -> Result<Vec<Found>, Error> {
        self.query(|reply| Query::Get { key, limit, reply }).await
    }

    /// Tells the members near the key that this node provides it. They forget it after
    /// [`super::DhtConfig::provider_life`] unless it is told again. They do not say whether they have noted it.
    ///
    /// # Errors
    /// [`Error::NoMembers`]; [`Error::Timeout`] if none of the members near the key answers. The key counts as provided
    /// here nevertheless.
    pub async fn provide(&self, key: Vec<u8>) -> Result<(), Error> {
        self.query(|reply| Query::Provide { key, reply }).await
    }

    /// No longer provides a key. Others forget it by themselves.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Off`].
    pub async fn stop_providing(&self, key: Vec<u8>) -> Result<(), Error> {
        self.ask(|reply| Command::StopProviding { key, reply }).await
    }

    /// Members that provide a key, at most `limit`; this node may be one.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::NoMembers`], when nobody was found.
    pub async fn providers(&self, key: Vec<u8>, limit: usize) -> Result<Vec<NodeId>, Error> {
        self.query(|reply| Query::Providers { key, limit, reply }).await
    }

    /// Finds this node's place among the members; gives how many it knows then.
    ///
    /// # Errors
    /// [`Error::NoMembers`], [`Error::Timeout`].
    pub async fn bootstrap(&self) -> Result<usize, Error> {
        self.query(|reply| Query::Bootstrap { reply }).await
    }

    /// Notes where a member listens. Whether it is in the table now: only who is let in and says that it may be asked
    /// gets there, which happens by itself.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Off`].
    pub async fn meet(&self, node: NodeId, addresses: Vec<Multiaddr>) -> Result<bool, Error> {
        let peer = peer_id(node)?;
        self.ask(|reply| Command::Meet { peer, addresses, reply }).await
    }

    /// Takes a member out of the routing table, until it connects again or says something about itself.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Off`].
    pub async fn forget(&self, node: NodeId) -> Result<(), Error> {
        let peer = peer_id(node)?;
        self.ask(|reply| Command::Forget { peer, reply }).await
    }

    /// The members in the routing table.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Off`].
    pub async fn peers(&self) -> Result<Vec<NodeId>, Error> {
        self.ask(|reply| Command::Peers { reply }).await
    }

    /// How the table is doing.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Off`].
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.ask(|reply| Command::Stats { reply }).await
    }

    /// Whether others may ask this node.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Off`].
    pub async fn set_mode(&self, mode: Mode) -> Result<(), Error> {
        self.ask(|reply| Command::SetMode { mode, reply }).await
    }

    async fn query<T>(&self, query: impl FnOnce(Answer<T>) -> Query) -> Result<T, Error> {
        self.ask(|reply| Command::Query(query(reply))).await
    }

    /// Gives the table another prefix: it begins anew, empty, and whoever is let in now is sent away for it. For a node
    /// that has moved to another team.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Off`].
    pub async fn rename(&self, prefix: Prefix) -> Result<(), Error> {
        self.ask(|reply| Command::Rename { prefix, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Outer::Dht(command(reply))).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }
}

fn peer_id(node: NodeId) -> Result<PeerId, Error> {
    PeerId::from_bytes(&node.to_peer_id_bytes()).map_err(|_| Error::NotANode(node))
}
