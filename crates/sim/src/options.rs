//! How to run a world.

use crate::trim::Trim;

/// How to run a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Decides everything else.
    pub seed: u64,
    /// Whether every step is written to standard error.
    pub verbose: bool,
    /// Which worlds a seed may mean.
    pub worlds: Worlds,
    /// Whether a node comes back with an older disk, forgets what it has signed, and signs other things.
    pub forks: bool,
    /// Whether documents are stored in most worlds whose roles have keys; then a federation has such keys.
    pub documents: bool,
    /// What is broken on purpose, to see that it is noticed.
    pub sabotage: Option<Sabotage>,
    /// How a seed draws its world.
    pub drawing: Drawing,
    /// What is left out of the world that the seed says.
    pub trim: Trim,
}

/// How a seed draws its world. A seed that was kept keeps the drawing with which it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drawing {
    /// Every world has a little of everything.
    #[default]
    Full,
    /// Every world has some features, and not others.
    Swarm,
}

/// Which worlds a seed may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Worlds {
    /// Two of five seeds mean a federation, one a world of copies, the others a world of any size.
    #[default]
    Mixed,
    /// Five members to whom everything happens at once, one of whom signs two branches of its log.
    Federation,
    /// Any number of members, more of whom are stewards.
    Free,
    /// Members that keep each other's documents.
    Replication,
}

/// Of so many seeds, see [`FEDERATIONS`].
const SEEDS: u64 = 5;
/// So many mean a federation.
const FEDERATIONS: u64 = 2;
/// The one that means a world of copies.
const REPLICATION: u64 = 4;

impl Options {
    /// Whether this seed means a federation.
    pub(crate) fn is_federation(&self) -> bool {
        match self.worlds {
            Worlds::Mixed => !self.forks && self.seed % SEEDS < FEDERATIONS,
            Worlds::Federation => true,
            Worlds::Free | Worlds::Replication => false,
        }
    }

    /// Whether this seed means a world of copies.
    pub fn is_replication(&self) -> bool {
        match self.worlds {
            Worlds::Mixed => !self.forks && self.seed % SEEDS == REPLICATION,
            Worlds::Replication => true,
            Worlds::Federation | Worlds::Free => false,
        }
    }
}

/// A fault that no node may have: the checks must find each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sabotage {
    /// Writes are acknowledged and not made.
    LoseWrites,
    /// A killed node comes back with an older disk.
    RollBack,
    /// Payloads of received pages are thrown away.
    SpoilPages,
    /// The last node is never reached by anybody.
    SkipMember,
    /// Pages are confirmed before they are stored, and never are.
    ConfirmEarly,
    /// A local event is put on the wire.
    LeakLocal,
    /// The stranger is taken for a member.
    TrustStranger,
    /// Removals name cuts that lie behind whatever the removed member may still write.
    CutLate,
    /// Sessions with removed members stay open.
    KeepRemoved,
    /// Members seal with the newest key of a role, whoever holds it.
    NewestKey,
    /// A member takes any steward's word for a change of stewards.
    NoConsent,
    /// Members whose genomes differ exchange everything.
    OutOfStep,
    /// Who is refused is told who one is.
    TellStrangers,
    /// Everybody gets every domain.
    ShareAll,
    /// Receipts leave out what is missing.
    SignTooMuch,
    /// Who is asked for texts gives none.
    GiveNothing,
    /// Texts are kept in a file that nobody knows of.
    KeepErased,
    /// What a member with an older disk put aside is not written again.
    LeaveAside,
    /// Nobody shows anybody the branches of a log.
    HideBranches,
    /// Items are acknowledged and not put down.
    LoseItems,
    /// A receiver says that it took items before it has, and does not.
    AnswerEarly,
    /// A receiver notes other places than those of the items that it took.
    TakeTwice,
    /// A receiver takes the items of a frame from the last to the first.
    TakeBackwards,
    /// What is kept in memory is tried for ever.
    NeverGiveUp,
    /// What waits for a removed member is delivered.
    ServeRemoved,
    /// What waits is not sealed.
    LeaveInClear,
    /// All rows are sealed with one nonce.
    RepeatNonce,
    /// As much may wait as is handed in.
    NoBounds,
    /// Nobody says that a disk was replaced by an older copy.
    HideRestore,
    /// Whoever answers is taken to have proved that it holds a copy, whatever it said.
    BelieveProofs,
    /// Nobody offers a copy to anybody.
    OfferNothing,
    /// No copy is given up.
    TrimNothing,
    /// Whoever has fetched a copy gives it up.
    TrimAtOnce,
    /// Answers to questions who holds what are not listened to.
    HearNothing,
    /// What stands on the disk of a document is fetched again.
    BeginAnew,
    /// The machine may offer ten times as many copies at once.
    OfferMore,
    /// A member takes what it is offered, whatever its quota.
    IgnoreQuota,
    /// What nobody needs is not cleared away.
    KeepUnneeded,
    /// Parts are left with holders as they are.
    LeaveOpen,
    /// Parts are sealed to their holders.
    SealToHolder,
    /// Holders say that they keep a part, and do not.
    ForgetParts,
    /// Holders serve whoever asks.
    ServeFormer,
    /// Holders keep more than their quotas.
    KeepTooMuch,
    /// Nobody says that a part was damaged.
    HideDamage,
    /// Who did not answer once is not asked again what it keeps.
    AskOnce,
    /// Something happens at a time that the seed does not decide.
    OutsideChance,
    /// Blocks are given to whoever asks.
    ServeAnybody,
    /// Documents lie in the clear behind their ciphertexts.
    PlainDocuments,
    /// Documents are encrypted with the oldest keys of their roles.
    OldestKey,
    /// Documents are told of and not kept.
    LoseDocuments,
}

impl Sabotage {
    /// Every one.
    pub const ALL: [Self; 50] = [
        Self::LoseWrites,
        Self::RollBack,
        Self::SpoilPages,
        Self::SkipMember,
        Self::ConfirmEarly,
        Self::LeakLocal,
        Self::TrustStranger,
        Self::CutLate,
        Self::KeepRemoved,
        Self::NewestKey,
        Self::NoConsent,
        Self::OutOfStep,
        Self::TellStrangers,
        Self::ShareAll,
        Self::SignTooMuch,
        Self::GiveNothing,
        Self::KeepErased,
        Self::LeaveAside,
        Self::HideBranches,
        Self::LoseItems,
        Self::AnswerEarly,
        Self::TakeTwice,
        Self::TakeBackwards,
        Self::NeverGiveUp,
        Self::ServeRemoved,
        Self::LeaveInClear,
        Self::RepeatNonce,
        Self::NoBounds,
        Self::HideRestore,
        Self::BelieveProofs,
        Self::OfferNothing,
        Self::TrimNothing,
        Self::TrimAtOnce,
        Self::HearNothing,
        Self::BeginAnew,
        Self::OfferMore,
        Self::IgnoreQuota,
        Self::KeepUnneeded,
        Self::LeaveOpen,
        Self::SealToHolder,
        Self::ForgetParts,
        Self::ServeFormer,
        Self::KeepTooMuch,
        Self::HideDamage,
        Self::AskOnce,
        Self::OutsideChance,
        Self::ServeAnybody,
        Self::PlainDocuments,
        Self::OldestKey,
        Self::LoseDocuments,
    ];
}
