//! What really happened in a world: a fault that was drawn and met nobody proves nothing.

use std::fmt;

/// A kind of fault, or of what follows from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A message that a partition of one direction kept back.
    OneWay,
    /// A message that a partition of both directions kept back.
    TwoWay,
    /// A message that found no link, since the members stand in a line.
    NoLink,
    /// A frame or request that was lost, doubled or overtaken.
    Hurt,
    /// A killed process.
    Killed,
    /// A machine that went dark, which nobody was told.
    Dark,
    /// A process that was killed while it wrote.
    Torn,
    /// A process that was killed between a commit and the answer.
    Untold,
    /// A disk that was full.
    FullDisk,
    /// A disk that was replaced by an older copy.
    OlderDisk,
    /// An own branch that a member put aside, since others held another one.
    SetAside,
    /// A fact that such a member wrote again.
    WrittenAgain,
    /// An event that was signed by a clock of the year 2100.
    FarFuture,
    /// An event that was signed by a clock that had been set back.
    SetBack,
    /// A fact that was signed under a counter under which its author signed something else.
    Equivocation,
    /// A log that a member could prove to have branches.
    Proved,
    /// A message of the equivocator's that lies about what it holds.
    Lie,
    /// A page that came from somebody who is not its author.
    Relayed,
    /// A member that began to send only, with sessions open.
    Publish,
    /// A member that began to take only, with sessions open.
    Subscribe,
    /// A peer that was paused, with a session open.
    Paused,
    /// A payload that a peer did not get, since its domain is not shared with it.
    Withheld,
    /// A payload that came because it was asked for.
    Asked,
    /// A custody receipt that was signed.
    Receipt,
    /// A fact that was forgotten for good and is gone everywhere.
    Erased,
    /// A version of a document that was stored.
    Stored,
    /// A document that was taken away.
    TakenAway,
    /// A version that was stored at the same time as another one of its document.
    StoredAtOnce,
    /// Something that a stranger or a thief tried.
    Attempt,
    /// An item that must not be lost and was put down.
    ItemPut,
    /// An item that was taken.
    ItemTaken,
    /// An item that came again, and was not taken again.
    ItemHad,
    /// An item that took the place of an older one.
    ItemMerged,
    /// Items that were given back at a bound.
    ItemFull,
    /// Items that a full disk kept from being put down or taken.
    ItemDiskFull,
    /// An item that was given up after as many tries as it is worth.
    ItemAbandoned,
    /// An item that its receiver never takes.
    ItemRefused,
    /// An item for a removed member, which did not get it.
    ItemWithheld,
    /// An older copy that was noticed by what others remember.
    ItemRestored,
    /// A transaction of an outbox that was torn.
    ItemTorn,
    /// A transaction of an outbox of which nobody heard, since the process was killed.
    ItemUntold,
    /// A search of files for what waited on them.
    ItemSearched,
    /// A process that was killed while items were put down.
    KilledPutting,
    /// A process that was killed while it delivered items.
    KilledDelivering,
    /// A process that was killed while it took items.
    KilledTaking,
    /// A process that was killed in one of these three.
    KillPoint,
    /// A member that was removed while a partition kept it from hearing of that.
    RemovedApart,
    /// A sealed part that a holder said it keeps.
    PartKept,
    /// A part for which there was no room within a quota.
    PartFull,
    /// A part for which there was no room on a disk.
    PartDiskFull,
    /// A part that a holder gave.
    PartGiven,
    /// A part that a holder gave as something else.
    PartSpoiled,
    /// A part that was refused, and named.
    DamageNamed,
    /// A removed member that asked for its parts in vain.
    FormerRefused,
    /// A former member whose parts were dropped.
    PartsDropped,
    /// A disk that was lost with all that was on it.
    DiskLost,
    /// A member that came back by its words.
    CameBack,
    /// A member that a person had to take for the same one.
    PinReset,
    /// A private event that came back.
    PrivateBack,
    /// A document that was encrypted for roles and stored.
    DocumentPut,
    /// A document that could not be stored, since its role had no key that may be used.
    DocumentWithoutKey,
    /// A full disk that kept a document or a block from being written.
    DocumentDiskFull,
    /// A document that was opened by a key of one of its roles.
    DocumentOpened,
    /// A document that a person got from others.
    DocumentFetched,
    /// A question about a copy of a document.
    DocumentAsked,
    /// A copy of a document that was proved.
    DocumentProved,
    /// A proof of a copy that was wrong.
    DocumentWrongProof,
    /// A claim of the liar's.
    DocumentBoast,
    /// A block that was another one than was asked for.
    DocumentWrongBlock,
    /// An offer of a copy of a document.
    DocumentOffered,
    /// An offer that was refused, since there was no room.
    DocumentFull,
    /// A block of a document that moved.
    DocumentBlock,
    /// A fetch that found part of its document on the disk.
    DocumentResumed,
    /// A copy of a document that was made since it was missing.
    DocumentCopied,
    /// An attempt to complete a copy of a document.
    DocumentCompleted,
    /// A copy of a document that was given up, since enough others hold one.
    DocumentTrimmed,
    /// A ciphertext that was cleared away, since nobody needs it.
    DocumentFreed,
    /// A document that was damaged or lost on a disk.
    DocumentDamaged,
    /// A damaged block of a document that was found out.
    DocumentDamageFound,
    /// A block that was written and not flushed when its machine went down.
    DocumentTorn,
    /// A process that was killed while it fetched a document.
    KilledFetching,
    /// A stranger that was refused a stream about documents.
    StrangerTurnedAway,
    /// A removed member that was refused a stream about documents.
    RemovedTurnedAway,
    /// A copy of a document, in the end.
    DocumentCopy,
    /// A document that a removed member was shown not to open.
    DocumentClosed,
    /// A version that was stored in a world of copies.
    CopyPut,
    /// A version that took the place of another one there.
    CopyReplaced,
    /// A document that was taken away there.
    CopyTakenAway,
    /// A document that a person got from others.
    CopyGot,
    /// A question what somebody holds.
    PossessionAsked,
    /// An answer that proved it.
    PossessionProved,
    /// An answer that was to prove it, and did not.
    WrongProof,
    /// A proof that was not given, since its holder was about to give its copy up.
    VouchRefused,
    /// A claim of somebody who holds nothing.
    Boast,
    /// A block that somebody who holds it did not send.
    Hoarded,
    /// A block that was another one than was asked for.
    WrongBlock,
    /// An offer of a copy.
    CopyOffered,
    /// As many offers under way as there may be.
    OffersAtOnce,
    /// A copy that was made since it was missing.
    CopyMade,
    /// A fetch that found part of its document on the disk.
    CopyResumed,
    /// A copy of which a part was there and that was to be completed.
    CopyCompleted,
    /// A stream of blocks that broke.
    StreamBroken,
    /// A copy that was given up, since enough others hold one.
    CopyTrimmed,
    /// A copy that was cleared away, since nobody needs it.
    CopyFreed,
    /// An offer that was refused, since there was no room.
    CopyFull,
    /// A disk that was full when a block was to be kept.
    CopyDiskFull,
    /// A block that was not on its disk any more.
    BlockLost,
    /// A block that was another one on its disk.
    BlockDamaged,
    /// A damaged block that was found out.
    DamageFound,
    /// A disk with documents that was replaced by an empty one.
    BlobsLost,
    /// A quota that was changed.
    QuotaChanged,
    /// A member that began to offer room.
    OfferBegun,
    /// A member that ceased to offer room.
    OfferEnded,
    /// A process that was killed where copies are kept.
    CopyKilled,
    /// A machine that went dark there.
    CopyDark,
    /// A member that went for good, with its disk.
    Died,
    /// A member that was removed there.
    MemberRemoved,
    /// A message that a partition of one direction kept back there.
    CopyOneWay,
    /// A message that a partition of both directions kept back there.
    CopyTwoWay,
    /// A question, answer or offer that was lost.
    CopyLetterLost,
    /// A version of which there are as many copies as can be, in the end.
    CopyHealthy,
    /// A version of which no copy is left, since all disks with one were destroyed.
    CopyDestroyed,
}

impl Class {
    /// Every one.
    pub const ALL: [Self; 122] = [
        Self::OneWay,
        Self::TwoWay,
        Self::NoLink,
        Self::Hurt,
        Self::Killed,
        Self::Dark,
        Self::Torn,
        Self::Untold,
        Self::FullDisk,
        Self::OlderDisk,
        Self::SetAside,
        Self::WrittenAgain,
        Self::FarFuture,
        Self::SetBack,
        Self::Equivocation,
        Self::Proved,
        Self::Lie,
        Self::Relayed,
        Self::Publish,
        Self::Subscribe,
        Self::Paused,
        Self::Withheld,
        Self::Asked,
        Self::Receipt,
        Self::Erased,
        Self::Stored,
        Self::TakenAway,
        Self::StoredAtOnce,
        Self::Attempt,
        Self::ItemPut,
        Self::ItemTaken,
        Self::ItemHad,
        Self::ItemMerged,
        Self::ItemFull,
        Self::ItemDiskFull,
        Self::ItemAbandoned,
        Self::ItemRefused,
        Self::ItemWithheld,
        Self::ItemRestored,
        Self::ItemTorn,
        Self::ItemUntold,
        Self::ItemSearched,
        Self::KilledPutting,
        Self::KilledDelivering,
        Self::KilledTaking,
        Self::KillPoint,
        Self::RemovedApart,
        Self::PartKept,
        Self::PartFull,
        Self::PartDiskFull,
        Self::PartGiven,
        Self::PartSpoiled,
        Self::DamageNamed,
        Self::FormerRefused,
        Self::PartsDropped,
        Self::DiskLost,
        Self::CameBack,
        Self::PinReset,
        Self::PrivateBack,
        Self::DocumentPut,
        Self::DocumentWithoutKey,
        Self::DocumentDiskFull,
        Self::DocumentOpened,
        Self::DocumentFetched,
        Self::DocumentAsked,
        Self::DocumentProved,
        Self::DocumentWrongProof,
        Self::DocumentBoast,
        Self::DocumentWrongBlock,
        Self::DocumentOffered,
        Self::DocumentFull,
        Self::DocumentBlock,
        Self::DocumentResumed,
        Self::DocumentCopied,
        Self::DocumentCompleted,
        Self::DocumentTrimmed,
        Self::DocumentFreed,
        Self::DocumentDamaged,
        Self::DocumentDamageFound,
        Self::DocumentTorn,
        Self::KilledFetching,
        Self::StrangerTurnedAway,
        Self::RemovedTurnedAway,
        Self::DocumentCopy,
        Self::DocumentClosed,
        Self::CopyPut,
        Self::CopyReplaced,
        Self::CopyTakenAway,
        Self::CopyGot,
        Self::PossessionAsked,
        Self::PossessionProved,
        Self::WrongProof,
        Self::VouchRefused,
        Self::Boast,
        Self::Hoarded,
        Self::WrongBlock,
        Self::CopyOffered,
        Self::OffersAtOnce,
        Self::CopyMade,
        Self::CopyResumed,
        Self::CopyCompleted,
        Self::StreamBroken,
        Self::CopyTrimmed,
        Self::CopyFreed,
        Self::CopyFull,
        Self::CopyDiskFull,
        Self::BlockLost,
        Self::BlockDamaged,
        Self::DamageFound,
        Self::BlobsLost,
        Self::QuotaChanged,
        Self::OfferBegun,
        Self::OfferEnded,
        Self::CopyKilled,
        Self::CopyDark,
        Self::Died,
        Self::MemberRemoved,
        Self::CopyOneWay,
        Self::CopyTwoWay,
        Self::CopyLetterLost,
        Self::CopyHealthy,
        Self::CopyDestroyed,
    ];

    /// Whether it happens only where features are drawn.
    pub fn is_of_swarms(self) -> bool {
        (Self::RemovedApart..=Self::PrivateBack).contains(&self)
    }

    /// Whether it happens in worlds of copies, and in no others.
    pub fn is_of_copies(self) -> bool {
        self >= Self::CopyPut
    }

    /// Whether it happens to documents in the worlds in which everything happens at once.
    fn is_of_documents(self) -> bool {
        (Self::DocumentPut..Self::CopyPut).contains(&self)
    }

    /// What happens to documents there, for people.
    const fn of_documents(self) -> &'static str {
        match self {
            Self::DocumentPut => "documents encrypted and stored",
            Self::DocumentWithoutKey => "documents that no key could be found for",
            Self::DocumentDiskFull => "times that a full disk kept documents from being written",
            Self::DocumentOpened => "documents opened",
            Self::DocumentFetched => "documents that people got from others",
            Self::DocumentAsked => "questions about copies of documents",
            Self::DocumentProved => "proofs of copies of documents",
            Self::DocumentWrongProof => "wrong proofs of documents",
            Self::DocumentBoast => "claims of members that lie about documents",
            Self::DocumentWrongBlock => "wrong blocks of documents",
            Self::DocumentOffered => "copies of documents offered",
            Self::DocumentFull => "copies of documents refused for room",
            Self::DocumentBlock => "blocks of documents moved",
            Self::DocumentResumed => "fetches of documents that went on where they were",
            Self::DocumentCopied => "copies of documents made",
            Self::DocumentCompleted => "attempts to complete copies of documents",
            Self::DocumentTrimmed => "copies of documents given up",
            Self::DocumentFreed => "ciphertexts cleared away",
            Self::DocumentDamaged => "documents damaged on disks",
            Self::DocumentDamageFound => "damaged blocks of documents found",
            Self::DocumentTorn => "blocks of documents lost with a machine",
            Self::KilledFetching => "processes killed while they fetched documents",
            Self::StrangerTurnedAway => "strangers refused streams about documents",
            Self::RemovedTurnedAway => "removed members refused streams about documents",
            Self::DocumentCopy => "copies of documents, in the end",
            Self::DocumentClosed => "documents closed to removed members",
            _ => "",
        }
    }

    /// What happens in worlds of copies, for people.
    const fn of_copies(self) -> &'static str {
        match self {
            Self::CopyPut => "versions stored where copies are kept",
            Self::CopyReplaced => "versions that took the place of older ones",
            Self::CopyTakenAway => "documents taken away where copies are kept",
            Self::CopyGot => "documents that people got from others",
            Self::PossessionAsked => "questions who holds what",
            Self::PossessionProved => "proofs of possession that were right",
            Self::WrongProof => "proofs of possession that were wrong",
            Self::VouchRefused => "proofs not given by who was about to give its copy up",
            Self::Boast => "claims of members that hold nothing",
            Self::Hoarded => "blocks that their holders did not send",
            Self::WrongBlock => "blocks that were others than were asked for",
            Self::CopyOffered => "copies offered",
            Self::OffersAtOnce => "times that as many copies were offered at once as may be",
            Self::CopyMade => "copies made",
            Self::CopyResumed => "copies resumed where they broke off",
            Self::CopyCompleted => "attempts to complete copies of which a part is there",
            Self::StreamBroken => "streams of blocks that broke",
            Self::CopyTrimmed => "copies given up since enough others were proved",
            Self::CopyFreed => "copies cleared away since nobody needs them",
            Self::CopyFull => "offers refused since there was no room",
            Self::CopyDiskFull => "full disks when a block was to be kept",
            Self::BlockLost => "blocks that disks lost",
            Self::BlockDamaged => "blocks that disks damaged",
            Self::DamageFound => "damaged blocks found out",
            Self::BlobsLost => "disks with documents replaced by empty ones",
            Self::QuotaChanged => "quotas changed",
            Self::OfferBegun => "members that began to offer room",
            Self::OfferEnded => "members that ceased to offer room",
            Self::CopyKilled => "processes killed where copies are kept",
            Self::CopyDark => "machines that went dark where copies are kept",
            Self::Died => "members that went for good, with their disks",
            Self::MemberRemoved => "members removed where copies are kept",
            Self::CopyOneWay => "messages kept back by one-way partitions where copies are kept",
            Self::CopyTwoWay => "messages kept back by two-way partitions where copies are kept",
            Self::CopyLetterLost => "questions, answers and offers lost",
            Self::CopyHealthy => "versions with all their copies in the end",
            Self::CopyDestroyed => "versions all of whose copies were destroyed",
            _ => "",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OneWay => "messages kept back by one-way partitions",
            Self::TwoWay => "messages kept back by two-way partitions",
            Self::NoLink => "messages between members without a link (lines A-B-C)",
            Self::Hurt => "messages lost, doubled or overtaken",
            Self::Killed => "processes killed",
            Self::Dark => "machines that went dark",
            Self::Torn => "processes killed in a write",
            Self::Untold => "processes killed before the answer",
            Self::FullDisk => "full disks",
            Self::OlderDisk => "disks replaced by an older copy",
            Self::SetAside => "own branches put aside",
            Self::WrittenAgain => "facts written again",
            Self::FarFuture => "writes under a clock of the year 2100",
            Self::SetBack => "writes under a clock that was set back",
            Self::Equivocation => "pairs of events signed under one counter",
            Self::Proved => "equivocations that a member proved",
            Self::Lie => "lies of the equivocator",
            Self::Relayed => "pages relayed by a third member",
            Self::Publish => "live changes to publishing only",
            Self::Subscribe => "live changes to subscribing only",
            Self::Paused => "live sessions paused",
            Self::Withheld => "payloads withheld by a domain",
            Self::Asked => "texts that came because they were asked for",
            Self::Receipt => "custody receipts signed",
            Self::Erased => "facts forgotten for good, gone everywhere",
            Self::Stored => "versions of documents stored",
            Self::TakenAway => "documents taken away",
            Self::StoredAtOnce => "versions of documents stored at once",
            Self::Attempt => "attempts of strangers and thieves",
            Self::ItemPut => "items put down that must not be lost",
            Self::ItemTaken => "items taken",
            Self::ItemHad => "items that came again and were not taken again",
            Self::ItemMerged => "items that took the place of older ones",
            Self::ItemFull => "times that items were given back at a bound",
            Self::ItemDiskFull => "times that a full disk kept items from being put down or taken",
            Self::ItemAbandoned => "items given up after three retries",
            Self::ItemRefused => "items that their receivers refused",
            Self::ItemWithheld => "items withheld from removed members",
            Self::ItemRestored => "older copies noticed by outboxes",
            Self::ItemTorn => "transactions of outboxes torn",
            Self::ItemUntold => "transactions of outboxes that nobody heard of",
            Self::ItemSearched => "searches of files for what waits there in the clear",
            Self::KilledPutting => "processes killed while items were put down",
            Self::KilledDelivering => "processes killed while they delivered items",
            Self::KilledTaking => "processes killed while they took items",
            Self::KillPoint => "kill points of outboxes",
            Self::RemovedApart => "members removed behind a partition",
            Self::PartKept => "sealed parts kept for others",
            Self::PartFull => "parts for which a quota had no room",
            Self::PartDiskFull => "parts for which a disk had no room",
            Self::PartGiven => "parts that holders gave back",
            Self::PartSpoiled => "parts that holders gave damaged, swapped, old or overlong",
            Self::DamageNamed => "parts that were refused and named",
            Self::FormerRefused => "removed members that asked for their parts in vain",
            Self::PartsDropped => "former members whose parts were dropped",
            Self::DiskLost => "disks lost with all that was on them",
            Self::CameBack => "members back in the team by their words",
            Self::PinReset => "members that a person had to take for the same ones",
            Self::PrivateBack => "private events that came back",
            documents if documents.is_of_documents() => documents.of_documents(),
            copies => copies.of_copies(),
        })
    }
}

/// How often each class happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exercised([u64; Class::ALL.len()]);

impl Default for Exercised {
    fn default() -> Self {
        Self([0; Class::ALL.len()])
    }
}

impl Exercised {
    /// It happened so many times more.
    pub(crate) fn add(&mut self, class: Class, times: u64) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count += times;
        }
    }

    /// How often it happened.
    pub fn count(&self, class: Class) -> u64 {
        self.0.get(class as usize).copied().unwrap_or(0)
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        Class::ALL.into_iter().for_each(|class| self.add(class, other.count(class)));
        self
    }

    /// What never happened of what should in federations.
    pub fn missing(&self) -> Vec<Class> {
        let due = |class: &Class| !class.is_of_copies() && !class.is_of_swarms() && !class.is_of_documents();
        Class::ALL.into_iter().filter(|class| due(class) && self.count(*class) == 0).collect()
    }

    /// What never happened of what should only where features are drawn.
    pub fn missing_of_swarms(&self) -> Vec<Class> {
        // One takes a member that was lost before most had heard of it, the other a disk that is full at the very moment.
        let due = |class: &Class| class.is_of_swarms() && !matches!(class, Class::PinReset | Class::PartDiskFull);
        Class::ALL.into_iter().filter(|class| due(class) && self.count(*class) == 0).collect()
    }

    /// What never happened of what should in worlds of copies.
    pub fn missing_of_copies(&self) -> Vec<Class> {
        // It takes a question in the second in which a copy goes, which few worlds have.
        let due = |class: &Class| class.is_of_copies() && *class != Class::VouchRefused;
        Class::ALL.into_iter().filter(|class| due(class) && self.count(*class) == 0).collect()
    }
}
