//! A member's stream: frames in both directions between two members, whatever they are about.
//!
//! A frame is its length as four bytes, big-endian, then that many bytes. A length of zero is the end mark: a
//! connection that ends looks like a clean end to yamux, so only the mark makes an end clean, and no frame is empty.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::ids::NodeId;
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::config::StreamKind;
use crate::reason::NetworkReason;
use crate::turned_away::{Tally, TurnedAway};

/// Most bytes of one frame of any kind, see [`StreamKind::frame_bytes_max`].
pub const FRAME_BYTES_MAX: usize = StreamKind::Sync.frame_bytes_max();

/// Bytes by which a frame's buffer grows ahead of what has come: a claimed length alone reserves no more.
const READ_STEP_BYTES: usize = 64 * 1024;

/// Frames up to this many bytes are written in one piece with their length.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// Why a stream cannot go on. After any error the stream is of no use and should be dropped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The frame is longer than its kind allows.
    #[error("a frame of {got} bytes, the limit is {max}")]
    TooLong {
        /// Bytes of the frame, or what its sender claims.
        got: usize,
        /// Bytes allowed, see [`StreamKind::frame_bytes_max`].
        max: usize,
    },
    /// A frame must have a byte; zero is the end mark.
    #[error("a frame must not be empty")]
    Empty,
    /// The stream ended without its end mark.
    #[error("the stream ended early")]
    Truncated,
    /// The connection was closed, or the peer is no longer let in.
    #[error("the connection was closed")]
    Closed,
    /// An earlier call failed or was cancelled halfway.
    #[error("the stream is broken by an earlier failure")]
    Broken,
    /// The transport failed.
    #[error("the stream failed")]
    Io(#[from] io::Error),
}

impl Error {
    /// What this says about the network.
    pub fn reason(&self) -> NetworkReason {
        match self {
            Self::TooLong { .. } | Self::Empty | Self::Broken => NetworkReason::Other,
            Self::Truncated => NetworkReason::Eof,
            Self::Closed => NetworkReason::Reset,
            Self::Io(error) => NetworkReason::classify(error),
        }
    }
}

/// Bytes of frames of one kind of stream since the start of this process.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    tally: Arc<Tally>,
}

impl Traffic {
    /// Bytes received, lengths included.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes sent, lengths included.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Counts something of this kind that is not taken.
    pub(crate) fn turn_away(&self, what: TurnedAway) {
        self.tally.count(what);
    }
}

/// What is counted: the traffic of every kind of stream, and what was turned away.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    pub(crate) tally: Arc<Tally>,
    sync: Arc<Traffic>,
    outbox: Arc<Traffic>,
    blocks: Arc<Traffic>,
    replication: Arc<Traffic>,
}

impl Default for Meters {
    fn default() -> Self {
        let tally = Arc::new(Tally::default());
        let traffic = || Arc::new(Traffic { tally: tally.clone(), ..Traffic::default() });
        let (sync, outbox, blocks, replication) = (traffic(), traffic(), traffic(), traffic());
        Self { tally, sync, outbox, blocks, replication }
    }
}

impl Meters {
    pub(crate) fn of(&self, kind: StreamKind) -> &Arc<Traffic> {
        match kind {
            StreamKind::Sync => &self.sync,
            StreamKind::Outbox => &self.outbox,
            StreamKind::Blocks => &self.blocks,
            StreamKind::Replication => &self.replication,
        }
    }
}

/// What ends a stream from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    /// We put the peer out: nothing more is read, not even what has come already.
    pub(crate) revoked: CancellationToken,
    /// The connection is gone. What has come is still read; without this a writer that waits for credit would wait
    /// for ever, and a reader over QUIC for seconds.
    pub(crate) lost: CancellationToken,
}

/// A stream with a member, in both directions.
#[derive(Debug)]
pub struct MemberStream {
    peer: NodeId,
    reader: MemberReader,
    writer: MemberWriter,
}

impl MemberStream {
    pub(crate) fn new(
        peer: NodeId,
        stream: libp2p::Stream,
        ends: &Ends,
        (kind, traffic): (StreamKind, &Arc<Traffic>),
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let (read, write) = stream.split();
        let slot = slot.map(Arc::new);
        let max = kind.frame_bytes_max();
        let reader = MemberReader {
            io: read,
            max,
            ends: ends.clone(),
            traffic: traffic.clone(),
            length: [0; 4],
            length_filled: 0,
            body: Vec::new(),
            body_filled: 0,
            state: Reading::Frames,
            _slot: slot.clone(),
        };
        let writer =
            MemberWriter { io: write, max, ends: ends.clone(), traffic: traffic.clone(), broken: false, _slot: slot };
        Self { peer, reader, writer }
    }

    /// The other end.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// The two directions, for two tasks.
    pub fn split(self) -> (MemberReader, MemberWriter) {
        (self.reader, self.writer)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Frames,
    /// The end mark has come.
    Ended,
    Failed,
}

/// The receiving direction of a [`MemberStream`].
#[derive(Debug)]
pub struct MemberReader {
    io: ReadHalf<libp2p::Stream>,
    /// Most bytes of a frame.
    max: usize,
    ends: Ends,
    traffic: Arc<Traffic>,
    /// The length of the frame that is being read, as far as it has come.
    length: [u8; 4],
    length_filled: usize,
    /// The frame, as far as it has come, and room for the next bytes.
    body: Vec<u8>,
    body_filled: usize,
    state: Reading,
    _slot: Option<Arc<OwnedSemaphorePermit>>,
}

impl MemberReader {
    /// The next frame, or `None` if the other end has closed cleanly.
    ///
    /// The call can be cancelled: what has come of a frame is kept for the next call.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the stream ends without its end mark, [`Error::TooLong`] for a frame beyond the limit,
    /// [`Error::Closed`] if the peer is put out or the connection is gone, [`Error::Io`] if the transport fails.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.state {
            Reading::Frames => {}
            Reading::Ended => return Ok(None),
            Reading::Failed => return Err(Error::Broken),
        }
        let Ends { revoked, lost } = self.ends.clone();
        let result = tokio::select! {
            biased;
            () = revoked.cancelled() => Err(Error::Closed),
            frame = self.read_frame() => frame,
            () = lost.cancelled() => Err(Error::Closed),
        };
        match &result {
            Ok(Some(_)) => {}
            Ok(None) => self.state = Reading::Ended,
            Err(_) => self.state = Reading::Failed,
        }
        result
    }

    async fn read_frame(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while self.length_filled < self.length.len() {
            let got = self.io.read(&mut self.length[self.length_filled..]).await?;
            self.length_filled += self.count(got)?;
        }
        let length = usize::try_from(u32::from_be_bytes(self.length)).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(None);
        }
        if length > self.max {
            self.traffic.turn_away(TurnedAway::Frame);
            return Err(Error::TooLong { got: length, max: self.max });
        }
        while self.body_filled < length {
            self.body.resize(length.min(self.body_filled + READ_STEP_BYTES), 0);
            let got = self.io.read(&mut self.body[self.body_filled..]).await?;
            self.body_filled += self.count(got)?;
        }
        self.length_filled = 0;
        self.body_filled = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }

    fn count(&self, got: usize) -> Result<usize, Error> {
        if got == 0 {
            return Err(Error::Truncated);
        }
        self.traffic.received.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// The sending direction of a [`MemberStream`].
#[derive(Debug)]
pub struct MemberWriter {
    io: WriteHalf<libp2p::Stream>,
    /// Most bytes of a frame.
    max: usize,
    ends: Ends,
    traffic: Arc<Traffic>,
    /// A frame may have gone out in part.
    broken: bool,
    _slot: Option<Arc<OwnedSemaphorePermit>>,
}

impl MemberWriter {
    /// Sends one frame; returns when the transport has taken it. A cancelled call breaks the stream, since a part of
    /// the frame may have gone out.
    ///
    /// # Errors
    /// [`Error::TooLong`] and [`Error::Empty`] send nothing and do no harm. [`Error::Closed`] if the peer is put out
    /// or the connection is gone, [`Error::Io`] if the transport fails.
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), Error> {
        if frame.is_empty() {
            return Err(Error::Empty);
        }
        if frame.len() > self.max {
            return Err(Error::TooLong { got: frame.len(), max: self.max });
        }
        self.write(frame).await
    }

    /// Sends the end mark and closes this direction.
    ///
    /// # Errors
    /// As [`MemberWriter::send`].
    pub async fn close(mut self) -> Result<(), Error> {
        self.write(&[]).await?;
        self.io.close().await?;
        Ok(())
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        // Set before the first byte and cleared after the last, so that a cancelled call leaves it set.
        self.broken = true;
        let Ends { revoked, lost } = self.ends.clone();
        tokio::select! {
            biased;
            () = revoked.cancelled() => return Err(Error::Closed),
            () = lost.cancelled() => return Err(Error::Closed),
            written = self.write_frame(frame) => written?,
        }
        self.broken = false;
        Ok(())
    }

    async fn write_frame(&mut self, frame: &[u8]) -> Result<(), Error> {
        let length =
            u32::try_from(frame.len()).map_err(|_| Error::TooLong { got: frame.len(), max: self.max })?.to_be_bytes();
        if frame.len() <= JOINED_BYTES_MAX {
            self.io.write_all(&[&length[..], frame].concat()).await?;
        } else {
            self.io.write_all(&length).await?;
            self.io.write_all(frame).await?;
        }
        self.io.flush().await?;
        self.traffic.sent.fetch_add((length.len() + frame.len()) as u64, Ordering::Relaxed);
        Ok(())
    }
}
