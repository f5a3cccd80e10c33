//! Events: what a store signs, and how others come to believe it.
//!
//! Every change of memory must reach every machine unchanged, and any machine must be able to tell who made it.
//! Signing each fact and sending it around does that, but costs a signature per fact at every reader, lets a relay
//! drop what it likes unnoticed, and makes erasing impossible, because a signature over the text needs the text.
//!
//! So an event is two parts. The **header** is small, canonical CBOR, and names everything that must not change,
//! among it the hash of the previous header and the hash of the payload. The **payload** carries the text and can be
//! absent or erased without breaking the chain. A header is *authentic* when a strictly valid signature at or after
//! it in its chain covers it: one signature speaks for all headers before it, so a page of 512 events costs one
//! signature and 512 hashes, and every node reaches the same verdict however the events were cut into pages.
//!
//! The bytes that were signed are the event. They are stored and forwarded as they came, so what a newer version
//! adds survives older nodes.
//!
//! Limits: a forged event after the last signature waits, unapplied, until a signature arrives, so a reader bounds
//! how many it keeps. An author who signs two branches is not stopped from it; [`Fork`] makes it provable.

mod action;
mod fork;
mod header;
mod payload;
mod run;
pub mod sealed;
mod subject;

use std::marker::PhantomData;

pub use action::Action;
pub use fork::{Fork, NotAFork};
pub use header::{Error as HeaderError, Flaw, HEADER_BYTES_MAX, Header, KEY_UNKNOWN_FIRST, Seal, VERSION};
pub use payload::{
    CHARTER_PAYLOAD_BYTES_MAX, Error as PayloadError, Open, PAYLOAD_BYTES_MAX, PROVENANCE_BYTES_MAX, Payload,
    Provenance, SALT_BYTES, SourceKind, payload_bytes_max,
};
pub use run::{Reason, Refused, Run, verify_run};
pub use subject::{SUBJECT_ID_BYTES_MAX, Subject};

use crate::ids::{Hash, TeamId};
use crate::log::{Head, LogId};
use crate::sign::{Signature, Signer};

/// What is signed begins with this, so that no other signature of the same key can pass for an event's.
const SIGN_DOMAIN: &[u8] = b"antiphon/event/1";

/// An event whose author nobody has checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unverified;

/// An event that a valid signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified;

/// One entry of a log. `Event<Verified>` comes only from [`verify_run`] and from signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<State = Verified> {
    header: Header,
    bytes: Vec<u8>,
    hash: Hash,
    payload: Option<Vec<u8>>,
    signature: Option<Signature>,
    state: PhantomData<State>,
}

impl<State> Event<State> {
    /// The decoded header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header bytes that were signed.
    pub fn header_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the header bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The payload bytes, where they are held.
    pub fn payload(&self) -> Option<&[u8]> {
        self.payload.as_deref()
    }

    /// The signature over this very header, where it is held.
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// The log it stands in.
    pub fn log(&self) -> LogId {
        LogId::new(self.header.store, self.header.stream)
    }

    /// The head of the log once this event is in it.
    pub fn head(&self) -> Head {
        Head { seq: self.header.seq, hash: self.hash }
    }

    /// The same event without its payload: what a reader gets who may not have the text.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        self.payload = None;
        self
    }

    fn into_state<Other>(self) -> Event<Other> {
        let Self { header, bytes, hash, payload, signature, .. } = self;
        Event { header, bytes, hash, payload, signature, state: PhantomData }
    }
}

impl Event<Unverified> {
    /// Reads an event as it came: the header is decoded strictly, and a payload that is not the one the header names
    /// is refused.
    ///
    /// # Errors
    /// [`HeaderError`] when the header is not one, or the payload is not its own.
    pub fn parse(bytes: Vec<u8>, payload: Option<Vec<u8>>, signature: Option<Signature>) -> Result<Self, HeaderError> {
        let header = Header::decode(&bytes)?;
        if let Some(payload) = &payload {
            header.check_payload(payload)?;
        }
        let hash = Hash::of(&bytes);
        Ok(Self { header, bytes, hash, payload, signature, state: PhantomData })
    }

    /// As [`Event::parse`], but a payload that is not the header's own is left out: what somebody put beside a header
    /// says nothing about the event, and must not stop those after it.
    ///
    /// # Errors
    /// [`HeaderError`] when the header is not one.
    pub fn parse_without_false_payload(
        bytes: Vec<u8>,
        payload: Option<Vec<u8>>,
        signature: Option<Signature>,
    ) -> Result<Self, HeaderError> {
        let header = Header::decode(&bytes)?;
        let payload = payload.filter(|payload| header.check_payload(payload).is_ok());
        let hash = Hash::of(&bytes);
        Ok(Self { header, bytes, hash, payload, signature, state: PhantomData })
    }
}

impl Event<Verified> {
    /// Makes an event from a header and its payload, unsigned: the caller signs the last of the run it belongs to
    /// before anybody else sees it.
    ///
    /// # Errors
    /// [`HeaderError`] when the header is too long or does not name this payload.
    pub fn author(header: Header, payload: Vec<u8>) -> Result<Self, HeaderError> {
        header.check_payload(&payload)?;
        let bytes = header.encode()?;
        let hash = Hash::of(&bytes);
        Ok(Self { header, bytes, hash, payload: Some(payload), signature: None, state: PhantomData })
    }

    /// Signs this event, and with it all before it in its log.
    pub fn sign(&mut self, signer: &dyn Signer) {
        self.signature = Some(signer.sign(&signed_message(&self.header.team, &self.bytes)));
    }

    /// Takes an event back from the log, where only verified ones are kept.
    ///
    /// # Errors
    /// [`HeaderError`] when the database was damaged.
    pub fn from_log(
        bytes: Vec<u8>,
        payload: Option<Vec<u8>>,
        signature: Option<Signature>,
    ) -> Result<Self, HeaderError> {
        Event::<Unverified>::parse(bytes, payload, signature).map(Event::into_state)
    }

    /// The event as an unverified one, as a reader gets it.
    pub fn into_unverified(self) -> Event<Unverified> {
        self.into_state()
    }
}

/// The message whose signature makes a header authentic: `"antiphon/event/1" ‖ team ‖ header bytes`.
pub fn signed_message(team: &TeamId, header: &[u8]) -> Vec<u8> {
    [SIGN_DOMAIN, &team.0, header].concat()
}
