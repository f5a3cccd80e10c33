//! Pages without what their reader can work out.

use antiphon_core::cbor::{self, Error};
use antiphon_core::event::{Event, Unverified};
use minicbor::Decoder;

use crate::frame::FRAME_PLAIN_BYTES_MAX;
use crate::sync::PAGE_EVENTS_MAX;
use crate::wire::{Out, read_event, write_event};

/// Writes the events of a page.
pub(crate) fn write_events(out: &mut Out<'_>, events: &[Event<Unverified>]) {
    cbor::array(out, events.len());
    events.iter().for_each(|event| write_event(out, event));
}

/// Reads the events of a page.
pub(crate) fn read_events(input: &mut Decoder<'_>) -> Result<Vec<Event<Unverified>>, Error> {
    let len = cbor::read_list(input, PAGE_EVENTS_MAX)?;
    (0..len).map(|_| read_event(input, FRAME_PLAIN_BYTES_MAX)).collect()
}
