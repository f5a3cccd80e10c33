//! What a world can be found guilty of.

use std::fmt;

/// The laws that every world must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// After healing, all members hold the same state.
    Converges,
    /// Members with the same state show the same facts.
    SameFacts,
    /// What was acknowledged is in its author's log and on every member.
    NothingIsLost,
    /// No event counts twice, no retry makes a second fact.
    AppliedOnce,
    /// What a node holds only grows.
    ClocksGrow,
    /// A node confirms only what it holds durably.
    OnlyDurableIsConfirmed,
    /// Facts of the local stream stay on their node.
    LocalStays,
    /// Texts of a domain go only to peers with which it is shared.
    DomainStays,
    /// What a node signs that it holds it does hold.
    ReceiptsAreTrue,
    /// After healing, every member has every text that it may have and another one can give.
    TextsCome,
    /// Of a fact that was forgotten for good nothing is left.
    ErasedIsGone,
    /// A member that came back with an older disk writes again.
    RestoredWrites,
    /// Only a member that proves it is verified, and nobody else is told anything.
    TrustIsProved,
    /// What a revoked member writes after its cut does not count.
    RevokedIsOut,
    /// After healing, all members hold the same charter, genome included.
    OneCharter,
    /// Members whose genomes differ exchange the charter and nothing else.
    CharterFirst,
    /// Who may read a role can open its newest key and what was sealed with it.
    ReadersRead,
    /// A removed member opens nothing that was sealed by somebody who knew of its removal.
    RemovedReadNothing,
    /// Pages, frames and windows stay within their bounds.
    BoundsHold,
    /// Nobody is accused who did nothing.
    NoFalseAlarm,
    /// The database finds nothing wrong with itself.
    StoreIsSound,
    /// Replaying the log gives the same state.
    RebuildIsEqual,
    /// What was remembered can be recalled.
    RecallFinds,
    /// What was put down for a member that stays is taken, or shown with the reason why not.
    ItemsArrive,
    /// Items are taken once, as they were put down.
    ItemsOnce,
    /// What one member has for another one is taken in its order.
    ItemsInOrder,
    /// What is kept in memory is delivered, or given up after three retries.
    ItemsEnd,
    /// A removed member gets nothing that waits for it.
    NothingForRemoved,
    /// No file holds in the clear what waits.
    SealedAtRest,
    /// No key of a row meets a nonce twice.
    NoncesDiffer,
    /// A disk that was replaced by an older copy is noticed where it can be.
    RestoreShows,
    /// An honest copy is left of whatever is needed and was not destroyed from outside.
    LastCopyStays,
    /// After healing there are as many copies as there should and can be.
    CopiesAreMade,
    /// After healing nobody keeps a copy beyond those.
    SurplusGoes,
    /// After healing copies come to rest.
    CopiesRest,
    /// After healing every member sees that there are enough copies.
    HealthIsTold,
    /// What moves is little more than what is missing.
    BytesAreSpared,
    /// No more copies are made at once than may be.
    OffersAreFew,
    /// What a member keeps for others stays within its quota.
    QuotaHolds,
    /// What nobody needs any more is cleared away everywhere.
    RemovedIsFreed,
    /// Of a document that was stored its member has everything, until it lets it go.
    DocumentsLast,
    /// No file holds a document in the clear.
    DocumentsAreSealed,
    /// Who is no member is told nothing of documents and gets no block.
    NoBlockForOthers,
    /// What was left with an honest holder within reach comes back to whoever lost its disk.
    BackedUpComesBack,
    /// Holders cannot read what they keep.
    PrivateIsSealed,
    /// Whoever is no member gets nothing of what is kept.
    FormerGetNothing,
    /// A part that is not what was left is named, and never taken.
    DamageIsNamed,
    /// The database does what it is asked.
    StoreWorks,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Converges => "after healing all members hold the same state",
            Self::SameFacts => "members with the same state show the same facts",
            Self::NothingIsLost => "nothing acknowledged is lost",
            Self::AppliedOnce => "nothing is applied twice",
            Self::ClocksGrow => "clocks never go back",
            Self::OnlyDurableIsConfirmed => "only what is durable is confirmed",
            Self::LocalStays => "local facts never leave their node",
            Self::DomainStays => "texts of a domain go only to peers with which it is shared",
            Self::ReceiptsAreTrue => "what is signed for is held",
            Self::TextsCome => "every text comes to whoever may have it",
            Self::ErasedIsGone => "what was forgotten for good is gone",
            Self::RestoredWrites => "a member with an older disk writes again",
            Self::TrustIsProved => "trust is proved",
            Self::RevokedIsOut => "a revoked member's later events do not count",
            Self::OneCharter => "after healing all members hold the same charter",
            Self::CharterFirst => "members whose genomes differ exchange the charter only",
            Self::ReadersRead => "who may read a role can",
            Self::RemovedReadNothing => "a removed member reads nothing new",
            Self::BoundsHold => "bounds hold",
            Self::NoFalseAlarm => "nobody is accused wrongly",
            Self::StoreIsSound => "the database is sound",
            Self::RebuildIsEqual => "a rebuild gives the same state",
            Self::RecallFinds => "what was remembered can be recalled",
            Self::ItemsArrive => "what was put down arrives, or is shown",
            Self::ItemsOnce => "items are taken once, as they were put down",
            Self::ItemsInOrder => "items are taken in their order",
            Self::ItemsEnd => "what is kept in memory is delivered or given up in time",
            Self::NothingForRemoved => "a removed member gets nothing that waited for it",
            Self::SealedAtRest => "what waits is in no file in the clear",
            Self::NoncesDiffer => "no key meets a nonce twice",
            Self::RestoreShows => "an older copy is noticed",
            Self::LastCopyStays => "the last honest copy stays",
            Self::CopiesAreMade => "copies are made where they are missing",
            Self::SurplusGoes => "surplus copies go",
            Self::CopiesRest => "copies come to rest",
            Self::HealthIsTold => "who looks sees how copies stand",
            Self::BytesAreSpared => "no more moves than is missing, and a fifth",
            Self::OffersAreFew => "few copies are made at once",
            Self::QuotaHolds => "quotas hold",
            Self::RemovedIsFreed => "what was taken away is freed everywhere",
            Self::DocumentsLast => "a document that was stored is there",
            Self::DocumentsAreSealed => "documents are in no file in the clear",
            Self::NoBlockForOthers => "who is no member gets no block",
            Self::BackedUpComesBack => "what an honest member keeps comes back",
            Self::PrivateIsSealed => "holders cannot read what they keep",
            Self::FormerGetNothing => "former members get nothing of what is kept",
            Self::DamageIsNamed => "a damaged part is named and not taken",
            Self::StoreWorks => "the database works",
        })
    }
}

/// A law that a world broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {at_ms} ms: \"{law}\" was broken: {detail}")]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// Virtual time since the world began, in milliseconds.
    pub at_ms: u64,
    /// Which law.
    pub law: Law,
    /// How.
    pub detail: String,
}

/// A broken law before the world has put its name on it.
#[derive(Debug, Clone)]
pub(crate) struct Broken(pub(crate) Law, pub(crate) String);

impl From<antiphon_store::Error> for Broken {
    fn from(error: antiphon_store::Error) -> Self {
        Self(Law::StoreWorks, error.to_string())
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self(Law::StoreWorks, format!("the simulator's own files: {error}"))
    }
}

/// What every step of a world gives.
pub(crate) type Step<T = ()> = Result<T, Broken>;

/// Says that `law` is broken unless `kept`.
pub(crate) fn need(kept: bool, law: Law, detail: impl FnOnce() -> String) -> Step {
    if kept { Ok(()) } else { Err(Broken(law, detail())) }
}
