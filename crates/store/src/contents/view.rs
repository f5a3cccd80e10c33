//! What callers give and get about documents.

use antiphon_core::address::Pattern;
use antiphon_core::content::Entry;
use antiphon_core::event::Provenance;
use antiphon_core::ids::{ContentId, EventId, NodeId, StoreId};
use antiphon_core::time::{Hlc, UnixMillis};

/// One version of a document, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentView {
    /// What its author says.
    pub entry: Entry,
    /// The key that signed it.
    pub author: NodeId,
    /// The store that wrote it.
    pub store: StoreId,
    /// The event that says so.
    pub event: EventId,
    /// When it was written, by its author's hybrid clock.
    pub hlc: Hlc,
    /// The same as a time.
    pub at: UnixMillis,
    /// How it came to be.
    pub provenance: Provenance,
    /// Whether it is the version that stands for the document.
    pub latest: bool,
    /// Whether it was taken away.
    pub removed: bool,
    /// Whether its author was never entitled to store it, so that it stands for nothing.
    pub unauthorised: bool,
    /// Whether it was stored at the same time as another one that counts, and nobody has stored one after both.
    pub concurrent: bool,
}

impl ContentView {
    /// The document.
    pub fn id(&self) -> ContentId {
        self.entry.address.id()
    }

    /// Whether it is a version that may be asked for.
    pub fn counts(&self) -> bool {
        !self.removed && !self.unauthorised
    }

    /// Where a list goes on after this one.
    pub fn cursor(&self) -> ContentCursor {
        ContentCursor { created_at: self.entry.created_at, id: self.id() }
    }
}

/// Which documents to find. The default finds all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentFilter {
    /// Only with such an address.
    pub pattern: Pattern,
    /// Only stored in this role.
    pub creator_role: Option<String>,
    /// Only of this content type.
    pub content_type: Option<String>,
    /// Only stored at this time or later.
    pub created_after: Option<UnixMillis>,
    /// Only stored before this time.
    pub created_before: Option<UnixMillis>,
}

/// Where a list of documents goes on: behind this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentCursor {
    /// When the last one was stored.
    pub created_at: UnixMillis,
    /// Which one it was.
    pub id: ContentId,
}

/// How much the index holds, of one document or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentCounts {
    /// Documents of which a version counts.
    pub documents: u64,
    /// Versions that count.
    pub versions: u64,
    /// Versions that were taken away.
    pub removed: u64,
    /// Versions whose author was not entitled to them.
    pub unauthorised: u64,
    /// Versions of which only the header is known.
    pub incomplete: u64,
}
