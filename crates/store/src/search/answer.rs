//! What recall is asked, and what it answers: plain data.

use antiphon_core::event::SourceKind;
use antiphon_core::fact::Level;
use antiphon_core::ids::{FactId, NodeId, StoreId};
use antiphon_core::time::UnixMillis;

use crate::modes::Domains;
use crate::view::{Author, FactView, Side};

/// Where a fact comes from: who first wrote it, whoever changed it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A node, whatever stores it had.
    Node(NodeId),
    /// One store.
    Store(StoreId),
}

/// A member that asks for what this node holds and does not send by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audience {
    /// The domains that it gets.
    pub domains: Domains,
    /// The roles whose sealed facts it may read.
    pub roles: Vec<String>,
}

/// What to recall. Times are those of the authors' clocks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecallQuery {
    /// Any text; there is no query language. Without any, the newest facts are given.
    pub text: String,
    /// Most hits.
    pub limit: usize,
    /// Only of this level.
    pub level: Option<Level>,
    /// Only of this domain.
    pub domain: Option<String>,
    /// Only of this module.
    pub module: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only whose text this node wrote.
    pub author: Option<NodeId>,
    /// Only first written here.
    pub origin: Option<Origin>,
    /// Only last changed at this time or later.
    pub since: Option<UnixMillis>,
    /// Only last changed before this time.
    pub until: Option<UnixMillis>,
    /// Only whose text came to be like this.
    pub source: Option<SourceKind>,
    /// Only those with a divergence.
    pub diverged: bool,
    /// Also those that are archived.
    pub include_archived: bool,
    /// Also those that are stale.
    pub include_stale: bool,
    /// Only what this node wrote, does not send by itself, and may show to somebody who asks.
    pub audience: Option<Audience>,
    /// What facts said at this time, instead of what they say now: see [`crate::Reader::fact_at`].
    pub as_of: Option<UnixMillis>,
    /// Whether each hit says how its score came about.
    pub explain: bool,
    /// The time at which times to live are judged; that of `as_of`, where one is given.
    pub now: UnixMillis,
}

impl RecallQuery {
    /// Whether it has a filter that the index does not know, so that more candidates are needed to find enough that pass.
    pub(crate) const fn narrows_late(&self) -> bool {
        self.origin.is_some()
            || self.since.is_some()
            || self.until.is_some()
            || self.source.is_some()
            || self.diverged
            || self.audience.is_some()
            || self.as_of.is_some()
    }

    /// When times to live are judged.
    pub(crate) fn judged_at(&self) -> UnixMillis {
        self.as_of.unwrap_or(self.now)
    }
}

/// A fact with the text of another one, which stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// The fact.
    pub id: FactId,
    /// Who wrote its text.
    pub author: Author,
}

/// One recalled fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The fact.
    pub view: FactView,
    /// How well it fits; larger is better, and only comparable within one answer. 0 where nothing was asked for by words.
    pub score: f64,
    /// The part of the text around the first word that fits.
    pub snippet: String,
    /// Facts with this very text that were folded into this hit, itself included.
    pub same: usize,
    /// Those facts without itself, at most [`crate::FOLDED_MAX`] of them.
    pub folded: Vec<Folded>,
    /// How the score came about, if that was asked for.
    pub explanation: Option<Explanation>,
    /// The sides of a divergence that there was at the time of `as_of`.
    pub sides: Vec<Side>,
}

/// Why a fact was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// The index has not taken it in yet.
    Tail,
    /// It has one of the rarest words.
    Rarest,
    /// It is among the best of those that have a rare word.
    Ranked,
    /// It has so many of the common words together.
    Together(usize),
    /// It is among the newest.
    Newest,
    /// It was changed since the time that is asked about.
    Changed,
}

/// What one word adds to a score.
#[derive(Debug, Clone, PartialEq)]
pub struct WordPart {
    /// The word, as the index knows it: in lower case and without its ending.
    pub word: String,
    /// How often the fact has it.
    pub times: u32,
    /// How many facts have it.
    pub facts: u64,
    /// What having it is worth: the rarer, the more.
    pub weight: f64,
    /// How much of that counts here: more for repeating it, less in a long text.
    pub share: f64,
    /// What it adds: the weight times the share.
    pub part: f64,
}

/// How a score came about: it is the sum of the parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Why the fact was looked at.
    pub found: FoundBy,
    /// The words of the question that it has, the rarest first.
    pub words: Vec<WordPart>,
    /// How many words it has.
    pub length: u64,
    /// How many words a fact has on average.
    pub average: f64,
}

/// What recall found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recall {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// Whether so much was received lately that some of it was not looked at.
    pub index_behind: bool,
    /// Whether there was more to look through than is looked through for one question, so that something may be missing.
    pub cut: bool,
}

/// Words that another node holds, and how well they fit a question: see [`crate::Reader::weigh`].
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// As [`Hit::score`], with the words' worth on this node.
    pub score: f64,
    /// As [`Hit::snippet`].
    pub snippet: String,
}
