//! Many Antiphon nodes in one process, driven by one seed.
//!
//! A protocol is right when it survives what its authors did not think of: a frame that is lost after a crash while
//! the other side's clock is ten years off. Such days are rare on a test bench and certain in the field. So here a
//! seed draws a world: a team of some nodes, a network that loses and delays, partitions, crashes, wrong clocks, full
//! disks, a stranger, a removal. The nodes run the real machines of `protocol` and the real SQLite database of
//! `store`; only time, chance and the network are made up. Everything happens in one thread in the order of virtual
//! time, so a seed that fails fails again.
//!
//! While a world runs, and once all has healed, it is held against the laws of [`Law`]. That the checks can fail is
//! shown by nodes that are broken on purpose, see [`Sabotage`].
//!
//! Limits: a crash keeps what was committed, as `fsync` promises, and tears what was not; a disk that lies is not
//! simulated. A member of a federation signs two branches on purpose; elsewhere one does so by mistake, where
//! [`Options::forks`] asks for it: it came back with an older disk.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod agenda;
mod backups;
mod catch_up;
mod contents;
mod custody;
mod disk;
mod documents;
mod equivocator;
mod exercised;
mod failure;
mod faults;
mod federation_plan;
mod fresh;
mod greet;
mod holdings;
mod jobs;
mod joining;
mod keyring;
mod model;
mod network;
mod node;
mod options;
mod outbox;
mod plan;
mod plan_trim;
mod random;
mod rejoin;
mod replication;
mod sabotage;
mod seal;
mod sessions;
mod sharing;
mod shrink;
mod stewards;
mod stranger;
mod swarm;
mod swarm_plan;
mod thief;
mod trace;
mod trim;
mod trust_plan;
mod trust_verdict;
mod verdict;
mod watch;
mod workload;
mod world;

pub use exercised::{Class, Exercised};
pub use failure::{Failure, Law};
pub use options::{Drawing, Options, Sabotage, Worlds};
pub use shrink::{Bounds, NothingBreaks, Shrunk, Size, shrink, size};
pub use swarm::{Coverage, FEATURES_WORLDS, Feature, MEETINGS_WORLDS, Swarm};
pub use trim::{Dropped, Kind, Trim};
pub use world::{Summary, run};
