//! Having the disk begin before the end.
//!
//! Left alone, a system may keep hundreds of megabytes of a new file in memory, and whoever waits for the disk at the
//! end waits for all of them. A thread that does nothing else waits for what was written so far, again and again, while
//! more is written.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::error::BlobError;
use crate::error::Error;

/// Blocks after which the disk is told to begin: 32 MiB.
const BLOCKS_BETWEEN: u64 = 128;

/// The file that is written, and the thread that waits for the disk.
#[derive(Debug)]
pub(super) struct Behind {
    nudge: SyncSender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Behind {
    /// Whether the disk should be told after so many blocks.
    pub(super) const fn is_due(blocks: u64) -> bool {
        blocks.is_multiple_of(BLOCKS_BETWEEN)
    }

    /// Starts the thread.
    pub(super) fn start(file: &File, path: &Path) -> Result<Self, BlobError> {
        let io = |error| BlobError::io(path, error);
        let file = file.try_clone().map_err(io)?;
        let (nudge, nudged) = sync_channel::<()>(1);
        let work = move || nudged.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().name("blob-sync".to_owned()).spawn(work).map_err(io)?;
        Ok(Self { nudge, thread })
    }

    /// Says that there is more; says whether the thread is still there.
    pub(super) fn nudge(&self) -> bool {
        !matches!(self.nudge.try_send(()), Err(TrySendError::Disconnected(())))
    }

    /// Waits for the thread. A failure to write is told to one caller only, so what it heard counts for the whole file.
    pub(super) fn end(self, path: &Path) -> Result<(), BlobError> {
        drop(self.nudge);
        let ended = self.thread.join().map_err(|_| BlobError::Store(Error::Closed))?;
        ended.map_err(|error| BlobError::io(path, error))
    }
}
