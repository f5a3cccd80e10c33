//! How often a member may have done again what costs this node more than the member.

use std::collections::BTreeMap;

use antiphon_core::ids::NodeId;
use antiphon_protocol::query::rates::{Rated, Rates};

use crate::audit::{self, Refused};
use crate::clock::now;
use crate::event_loop::Engine;

/// The rates of each kind of what members ask for, by the name that it has in the audit.
#[derive(Debug, Default)]
pub(crate) struct Kinds(BTreeMap<&'static str, Rates>);

impl Engine {
    /// Counts that a member asks for something of this kind once more. Whether that is too often; then it is to be
    /// dropped, and is written down here.
    pub(crate) fn is_too_often(&mut self, kind: &'static str, peer: NodeId) -> bool {
        let rated = self.rates.0.entry(kind).or_default().ask(peer, now());
        if rated == Rated::TooOften {
            self.refused(Refused { kind, node: Some(peer), reason: audit::TOO_OFTEN, detail: String::new() });
        }
        rated == Rated::TooOften
    }
}
