//! The hash table of a team: what must be found by key, on this node's disk and among the members.
//!
//! The need: a document's key is known, and the question is which version stands and who holds it. Asking every member
//! does not grow with the team, so members keep such answers for each other in a Kademlia table, [`Backend::Kad`]. But
//! a table in the network is not there in a train, forgets within a day, and says yes before it has kept anything. So
//! what this node says stands first in its own database, [`Backend::Local`], which is the truth about it; the network
//! is told afterwards, again before it forgets, and whenever it is back.
//!
//! Three machines, each with one concern. Time is an argument, and what must be done comes out.
//!
//! | module | what it decides |
//! |---|---|
//! | [`hybrid`] | whether the network can be relied on: health, fallback, return |
//! | [`publish`] | what is published when, again and again until it is withdrawn |
//! | [`upkeep`] | when to enter the network, look for members, and forget those that are gone |
//!
//! Nothing here knows what a record says; `core::dht` does.

pub mod hybrid;
pub mod publish;
pub mod upkeep;

pub use hybrid::{Backend, Choice, Hybrid};
pub use publish::Publisher;
pub use upkeep::Upkeep;

use antiphon_core::time::UnixMillis;

/// The latest time that a machine was told, by which it notices a clock that was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seen(UnixMillis);

impl Seen {
    /// Time is `now`; says how far it went back since.
    const fn tick(&mut self, now: UnixMillis) -> u64 {
        let back = self.0.since(now);
        self.0 = now;
        back
    }
}

/// A time that was meant by the clock as it was before it went `back` milliseconds.
const fn earlier(at: UnixMillis, back: u64) -> UnixMillis {
    UnixMillis(at.0.saturating_sub(back))
}
