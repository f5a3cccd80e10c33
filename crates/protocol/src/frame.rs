//! Frames: how a message becomes bytes on a stream, and back.
//!
//! A frame is one flag byte, 0 for plain and 1 for zstd, and the message. Facts of one page resemble each other, so
//! compressing pages saves more than half of the traffic; small messages are sent as they are. A frame names how long
//! it will be once it is unpacked, and that is checked before any memory is set aside: a bomb costs its sender more
//! than us. The stream around it cuts frames apart.

use std::borrow::Cow;

use antiphon_core::cbor;

use crate::sync::Message;

/// Longest unpacked message, in bytes.
pub const FRAME_PLAIN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest frame on the wire, in bytes, the flag included.
pub const FRAME_BYTES_MAX: usize = FRAME_PLAIN_BYTES_MAX;
/// Longest message that is not worth compressing, in bytes.
pub const UNCOMPRESSED_BYTES_MAX: usize = 256;

const FLAG_PLAIN: u8 = 0;
const FLAG_ZSTD: u8 = 1;
/// Fast, and within a few per cent of the next levels on pages of facts.
const LEVEL: i32 = 1;

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is not even a flag.
    #[error("an empty frame")]
    Empty,
    /// A flag this version does not know.
    #[error("unknown frame flag {0}")]
    Flag(u8),
    /// It is, or unpacks to, more than it may.
    #[error("a frame of {got} bytes, the limit is {limit}")]
    TooLarge {
        /// How long it is.
        got: u64,
        /// How long it may be.
        limit: u64,
    },
    /// Its compressed body cannot be unpacked.
    #[error("a damaged compressed frame")]
    Damaged,
    /// What it holds is not a message.
    #[error(transparent)]
    Message(#[from] cbor::Error),
}

/// The bytes of a message.
pub fn encode(message: &Message) -> Vec<u8> {
    pack(&message.encode())
}

/// Reads a message. It takes no state, so it may run beside the event loop: it hashes every event of a page.
///
/// # Errors
/// [`Error`] with what is wrong.
pub fn decode(frame: &[u8]) -> Result<Message, Error> {
    Ok(Message::decode(&open(frame, FRAME_PLAIN_BYTES_MAX)?)?)
}

/// What a frame holds. Neither it nor the frame may be longer than `limit` bytes.
pub(crate) fn open(frame: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, Error> {
    let (flag, body) = frame.split_first().ok_or(Error::Empty)?;
    if frame.len() > limit {
        return Err(Error::TooLarge { got: frame.len() as u64, limit: limit as u64 });
    }
    match *flag {
        FLAG_PLAIN => Ok(Cow::Borrowed(body)),
        FLAG_ZSTD => Ok(Cow::Owned(unpack(body, limit)?)),
        flag => Err(Error::Flag(flag)),
    }
}

/// Puts the flag in front, and compresses where that makes the frame shorter.
pub(crate) fn pack(plain: &[u8]) -> Vec<u8> {
    if plain.len() > UNCOMPRESSED_BYTES_MAX
        && let Ok(packed) = zstd::bulk::compress(plain, LEVEL)
        && packed.len() < plain.len()
    {
        return [&[FLAG_ZSTD], packed.as_slice()].concat();
    }
    [&[FLAG_PLAIN], plain].concat()
}

fn unpack(body: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let size = zstd::zstd_safe::get_frame_content_size(body).ok().flatten().ok_or(Error::Damaged)?;
    match usize::try_from(size) {
        Ok(size) if size <= limit => {
            let plain = zstd::bulk::decompress(body, size).map_err(|_| Error::Damaged)?;
            if plain.len() == size { Ok(plain) } else { Err(Error::Damaged) }
        }
        _ => Err(Error::TooLarge { got: size, limit: limit as u64 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_would_unpack_to_too_much_is_refused_unread() {
        let bomb = zstd::bulk::compress(&vec![0; FRAME_PLAIN_BYTES_MAX + 1], 3).unwrap();
        let frame = [&[FLAG_ZSTD], bomb.as_slice()].concat();
        assert!(frame.len() < 1_000);
        let limit = FRAME_PLAIN_BYTES_MAX as u64;
        assert_eq!(decode(&frame), Err(Error::TooLarge { got: limit + 1, limit }));
    }

    #[test]
    fn only_long_messages_are_compressed() {
        let check = |len: usize, flag: u8| {
            let frame = pack(&vec![7; len]);
            assert_eq!(frame[0], flag, "{len} bytes");
            let plain = if flag == FLAG_ZSTD { unpack(&frame[1..], len).unwrap() } else { frame[1..].to_vec() };
            assert_eq!(plain, vec![7; len]);
        };
        check(0, FLAG_PLAIN);
        check(UNCOMPRESSED_BYTES_MAX, FLAG_PLAIN);
        check(UNCOMPRESSED_BYTES_MAX + 1, FLAG_ZSTD);
        check(FRAME_PLAIN_BYTES_MAX, FLAG_ZSTD);
        assert_eq!(decode(&[]), Err(Error::Empty));
        assert_eq!(decode(&[9, 1]), Err(Error::Flag(9)));
        assert_eq!(decode(&[FLAG_ZSTD, 1, 2, 3]), Err(Error::Damaged));
    }
}
