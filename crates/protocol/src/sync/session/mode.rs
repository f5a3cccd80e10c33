//! What may flow, and what becomes of it when that changes while a session is open.
//!
//! A change holds from the next message on: no page is begun, and what was read for one is dropped, because it was read
//! before. What is under way already arrives and is not taken; nothing of it is lost, it is asked for again.

use antiphon_core::log::Stream;

use super::{Open, Session, State};
use crate::sync::Mode;

impl Session {
    /// Whether the peer takes shared events, by its last clock; `None` before its first.
    pub fn peer_takes(&self) -> Option<bool> {
        let State::Open(open) = &self.state else { return None };
        open.outbox.held().map(|_| open.outbox.peer_takes())
    }
}

impl Open {
    pub(super) fn set_mode(&mut self, mode: Mode) {
        let takes_changed = self.mode.takes != mode.takes;
        self.mode = mode;
        if !mode.sends {
            self.outbox.hold(Stream::Shared);
        }
        if takes_changed {
            self.note_all_missing();
            self.send_clock(false);
        }
    }
}
