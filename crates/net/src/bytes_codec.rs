//! Requests and answers as byte strings with a length and a limit.
//!
//! On the wire a message is its length as four bytes, big-endian, then the bytes. The length is there although the
//! sender closes its side: a connection that ends looks like a clean end too, and half a message must not pass for
//! a whole one.

use std::io;

use futures::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

/// Bytes set aside before any have come: a stranger's claim alone reserves no memory.
const RESERVED_BYTES_MAX: usize = 16 * 1024;

/// The limits of one protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BytesCodec {
    /// Most bytes of a request.
    pub(crate) request_bytes_max: usize,
    /// Most bytes of an answer.
    pub(crate) response_bytes_max: usize,
}

impl Codec for BytesCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.request_bytes_max).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.response_bytes_max).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes, self.request_bytes_max).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes, self.response_bytes_max).await
    }
}

async fn read<T: AsyncRead + Unpin>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    check_length(length, max)?;
    let mut bytes = Vec::with_capacity(length.min(RESERVED_BYTES_MAX));
    io.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(bytes)
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, bytes: &[u8], max: usize) -> io::Result<()> {
    check_length(bytes.len(), max)?;
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

fn check_length(length: usize, max: usize) -> io::Result<()> {
    if length > max {
        let text = format!("a message of {length} bytes, the limit is {max}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;

    #[test]
    fn a_message_survives_the_wire() {
        let mut wire = Vec::new();
        block_on(write(&mut wire, b"grace", 5)).unwrap();
        assert_eq!(wire, b"\0\0\0\x05grace");
        assert_eq!(block_on(read(&mut Cursor::new(wire), 5)).unwrap(), b"grace");
    }

    #[test]
    fn too_long_and_cut_off_messages_are_refused() {
        let kind = |bytes: &[u8], max| block_on(read(&mut Cursor::new(bytes.to_vec()), max)).unwrap_err().kind();
        assert_eq!(kind(b"\0\0\0\x06graces", 5), io::ErrorKind::InvalidData);
        assert_eq!(kind(b"\xff\xff\xff\xff", 5), io::ErrorKind::InvalidData);
        assert_eq!(kind(b"\0\0\0\x05gra", 5), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(b"\0\0", 5), io::ErrorKind::UnexpectedEof);
        let written = block_on(write(&mut Vec::new(), b"graces", 5));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
