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
    /// Something that a stranger or a thief tried.
    Attempt,
}

impl Class {
    /// Every one.
    pub const ALL: [Self; 26] = [
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
        Self::Attempt,
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
            Self::Attempt => "attempts of strangers and thieves",
        })
    }
}

/// How often each class happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exercised([u64; Class::ALL.len()]);

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
