//! What is watched of a session from outside: how much it has under way, and how large its messages are.

use antiphon_protocol::frame::FRAME_BYTES_MAX;
use antiphon_protocol::sync::{Message, PAGE_BYTES_MAX, PAGE_EVENTS_MAX, PAGES_UNACKED_MAX, Page};

use crate::failure::{Law, Step, need};
use crate::model::STAYS;
use crate::node::Live;
use crate::world::World;

/// A session sends a message.
pub(crate) fn sent(live: &mut Live, message: &Message) -> Result<(), String> {
    match message {
        Message::Page(page) => {
            check_page(page)?;
            let end = page.events.last().map_or(0, |event| event.header().seq);
            live.unacked.push((page.log, end));
            if live.unacked.len() > PAGES_UNACKED_MAX {
                return Err(format!("{} pages are under way", live.unacked.len()));
            }
        }
        // What a stalled session sends: everything under way counts as lost.
        Message::Clock(clock) if clock.asks => live.unacked.clear(),
        _ => {}
    }
    Ok(())
}

/// A session hears a message.
pub(crate) fn received(live: &mut Live, message: &Message) {
    match message {
        Message::Ack { log, head } => live.unacked.retain(|(sent, end)| sent != log || *end > head.seq),
        Message::Nack { log, .. } => live.unacked.retain(|(sent, _)| sent != log),
        _ => {}
    }
}

fn check_page(page: &Page) -> Result<(), String> {
    let (events, signature) = (page.events.len(), 64);
    let size = |event: &antiphon_core::event::Event<_>| {
        event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len) + event.signature().map_or(0, |_| signature)
    };
    let bytes: usize = page.events.iter().map(size).sum();
    if events > PAGE_EVENTS_MAX || (bytes > PAGE_BYTES_MAX && events > 1) {
        return Err(format!("a page of {events} events and {bytes} bytes"));
    }
    Ok(())
}

impl World {
    /// A frame is short enough and carries nothing that must stay.
    pub(crate) fn check_frame(&self, node: usize, peer: usize, message: &Message, bytes: &[u8]) -> Step {
        need(bytes.len() <= FRAME_BYTES_MAX, Law::BoundsHold, || format!("n{node} sends {} bytes", bytes.len()))?;
        let stays = |event: &antiphon_core::event::Event<_>| {
            let text = event.payload().unwrap_or_default();
            text.windows(STAYS.len()).any(|part| part == STAYS.as_bytes())
        };
        let leaks = match message {
            Message::Page(page) | Message::Branch(page) => page.events.iter().any(stays),
            Message::Payloads { items, .. } => {
                items.iter().any(|(_, text)| text.windows(STAYS.len()).any(|part| part == STAYS.as_bytes()))
            }
            _ => false,
        };
        need(!leaks, Law::LocalStays, || format!("n{node} sends a local fact to n{peer}"))?;
        if let Message::Page(page) | Message::Branch(page) = message {
            page.events.iter().try_for_each(|event| {
                let at = (page.log, event.header().seq);
                self.check_shared(node, peer, at, event.payload().unwrap_or_default())
            })?;
        }
        if let Message::Payloads { log, items, .. } = message {
            items.iter().try_for_each(|(seq, payload)| self.check_shared(node, peer, (*log, *seq), payload))?;
        }
        Ok(())
    }
}
