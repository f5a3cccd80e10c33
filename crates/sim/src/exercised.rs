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
}

impl Class {
    /// Every one.
    pub const ALL: [Self; 46] = [
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
    ];
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

    /// What never happened.
    pub fn missing(&self) -> Vec<Class> {
        Class::ALL.into_iter().filter(|class| self.count(*class) == 0).collect()
    }
}
