//! Bytes on their way between a task and a thread.
//!
//! Encryption and files block, so they run on threads of their own; doors read and write streams that wait. A pipe holds
//! a few chunks between the two, and whoever is faster waits, so a document of any size takes the same memory.

use std::io::{self, Read, Write};

use tokio::sync::mpsc;

use crate::api::Error;

/// Chunks that may wait in a pipe.
const CHUNKS_MAX: usize = 4;
/// Bytes of a chunk that is written into a pipe.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// What a task puts into a pipe.
enum Piece {
    Bytes(Vec<u8>),
    /// Everything was sent. Without it the end of the pipe is a failure: half a document is none.
    End,
}

/// The end that a task writes to.
#[derive(Debug)]
pub struct Feed(mpsc::Sender<Piece>);

/// The end that a thread reads from.
#[derive(Debug)]
pub struct Intake {
    pieces: mpsc::Receiver<Piece>,
    /// What was received and not read yet.
    rest: io::Cursor<Vec<u8>>,
    ended: bool,
}

/// A pipe from a task to a thread.
pub fn intake() -> (Feed, Intake) {
    let (sender, pieces) = mpsc::channel(CHUNKS_MAX);
    (Feed(sender), Intake { pieces, rest: io::Cursor::default(), ended: false })
}

impl Feed {
    /// Hands over some bytes; `false` when nobody takes them any more.
    pub async fn send(&self, bytes: Vec<u8>) -> bool {
        self.0.send(Piece::Bytes(bytes)).await.is_ok()
    }

    /// Says that this was everything.
    pub async fn finish(self) {
        // Whoever does not listen any more has failed for a reason of its own.
        drop(self.0.send(Piece::End).await);
    }
}

impl Read for Intake {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.rest.read(out)?;
            if read > 0 || out.is_empty() || self.ended {
                return Ok(read);
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.rest = io::Cursor::new(bytes),
                Some(Piece::End) => self.ended = true,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the document broke off")),
            }
        }
    }
}

/// The end that a thread writes to.
#[derive(Debug)]
pub(crate) struct Outlet {
    chunks: mpsc::Sender<Result<Vec<u8>, Error>>,
    filling: Vec<u8>,
}

/// A pipe from a thread to a task.
pub(crate) fn outlet() -> (Outlet, mpsc::Receiver<Result<Vec<u8>, Error>>) {
    let (chunks, receiver) = mpsc::channel(CHUNKS_MAX);
    (Outlet { chunks, filling: Vec::with_capacity(CHUNK_BYTES) }, receiver)
}

impl Outlet {
    fn send(&mut self) -> io::Result<()> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.filling, Vec::with_capacity(CHUNK_BYTES));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the reader went away");
        self.chunks.blocking_send(Ok(chunk)).map_err(gone)
    }

    /// Ends with an error instead of the rest.
    pub(crate) fn fail(self, error: Error) {
        // Whoever went away need not be told.
        drop(self.chunks.blocking_send(Err(error)));
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES - self.filling.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.filling.extend_from_slice(taken);
        if self.filling.len() == CHUNK_BYTES {
            self.send()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_document_flows_in_and_out_in_order() {
        let (feed, mut intake) = intake();
        let (mut out, mut chunks) = outlet();
        let copied = tokio::task::spawn_blocking(move || {
            let copied = io::copy(&mut intake, &mut out).unwrap();
            out.flush().unwrap();
            copied
        });
        let sent: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let parts = sent.clone();
        let feeding = tokio::spawn(async move {
            for part in parts.chunks(7_777) {
                assert!(feed.send(part.to_vec()).await);
            }
            feed.finish().await;
        });
        let mut got = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk.unwrap();
            assert!(chunk.len() <= CHUNK_BYTES);
            got.extend(chunk);
        }
        feeding.await.unwrap();
        assert_eq!((copied.await.unwrap(), got), (1_200_000, sent));
    }

    #[tokio::test]
    async fn half_a_document_is_a_failure() {
        let (feed, mut intake) = intake();
        assert!(feed.send(vec![1, 2, 3]).await);
        drop(feed);
        let read = tokio::task::spawn_blocking(move || intake.read_to_end(&mut Vec::new()));
        assert_eq!(read.await.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_thread_notices_that_nobody_reads() {
        let (mut out, chunks) = outlet();
        drop(chunks);
        let written = tokio::task::spawn_blocking(move || out.write_all(&[0; 2 * CHUNK_BYTES]));
        assert_eq!(written.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
