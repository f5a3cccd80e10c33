//! What nodes send each other.

use antiphon_protocol::backup::{self, BACKUP_MESSAGE_BYTES_MAX};
use antiphon_protocol::frame::{self, FRAME_BYTES_MAX};
use antiphon_protocol::query::{Query, Reply, recall};
use antiphon_protocol::{blocks, handshake, join, outbox, replication, sync};

use crate::laws::{choice, settles, settles_canonically};

/// A frame of synchronisation, packed or plain, and the message in it. Pages hold events in the compact form.
pub fn sync_frame(bytes: &[u8]) {
    if let Some(message) = settles(bytes, frame::decode, frame::encode) {
        assert!(frame::encode(&message).len() <= FRAME_BYTES_MAX);
    }
    settles_canonically(bytes, sync::Message::decode, sync::Message::encode);
}

/// A request or an answer of a handshake.
pub fn handshake(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    if which % 2 == 0 {
        settles_canonically(rest, handshake::Request::decode, handshake::Request::encode);
    } else {
        settles_canonically(rest, handshake::Response::decode, handshake::Response::encode);
    }
}

/// A request of who wants to join, which comes from a stranger, or the answer to it.
pub fn join(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    if which % 2 == 0 {
        settles_canonically(rest, join::Request::decode, join::Request::encode);
    } else {
        settles_canonically(rest, join::Response::decode, join::Response::encode);
    }
}

/// A request or an answer about a backup.
pub fn backup(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let len = if which % 2 == 0 {
        settles_canonically(rest, backup::Request::decode, backup::Request::encode).map(|it| it.encode().len())
    } else {
        settles_canonically(rest, backup::Response::decode, backup::Response::encode).map(|it| it.encode().len())
    };
    assert!(len.is_none_or(|len| len <= BACKUP_MESSAGE_BYTES_MAX));
}

/// A message about blocks.
pub fn blocks(bytes: &[u8]) {
    settles_canonically(bytes, blocks::Message::decode, blocks::Message::encode);
}

/// A message about copies.
pub fn replication(bytes: &[u8]) {
    settles_canonically(bytes, replication::Message::decode, replication::Message::encode);
}

/// A frame of items that waited. What was read may be sent on.
pub fn outbox_frame(bytes: &[u8]) {
    let message = settles(bytes, outbox::Message::from_frame, outbox::Message::to_frame);
    if let Some(outbox::Message::Items(items)) = message {
        assert_eq!(items.validate(), Ok(()));
    }
    settles_canonically(bytes, outbox::Message::decode, outbox::Message::encode);
}

/// A question to a member, or its answer.
pub fn query(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    match which % 4 {
        0 => drop(settles_canonically(rest, Query::decode, Query::encode)),
        1 => drop(settles_canonically(rest, Reply::decode, Reply::encode)),
        2 => {
            if let Some(question) = settles_canonically(rest, recall::Question::decode, recall::Question::encode) {
                assert_eq!(question.check(), Ok(()));
            }
        }
        _ => {
            if let Some(answer) = settles_canonically(rest, recall::Answer::decode, recall::Answer::encode) {
                assert!(answer.found.len() <= recall::FOUND_MAX);
            }
        }
    }
}
