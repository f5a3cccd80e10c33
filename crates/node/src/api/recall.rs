//! What members say who are asked for what they keep to themselves.

use antiphon_core::fact::Level;
use antiphon_core::ids::NodeId;
use antiphon_protocol::query::recall::Told;
use antiphon_protocol::reason::Reason;

/// A fact that a member told when it was asked. It is not held here and no signature covers it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldHit {
    /// Who told it, and wrote it by its own account.
    pub from: NodeId,
    /// Its name.
    pub name: String,
    /// The fact.
    pub told: Told,
    /// How well it fits, by what words are worth on this node.
    pub score: f64,
    /// The part of the text around the first word that fits.
    pub snippet: String,
}

/// What became of a member's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnswerView {
    /// The deepest level of facts that it shows; `None` when it shows nothing.
    pub up_to: Option<Level>,
    /// Facts that were taken.
    pub taken: u64,
    /// Facts that are held here anyway.
    pub held: u64,
    /// Facts that were not asked for, or that nobody shows: they are left out.
    pub unfit: u64,
}

/// How one member answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedMember {
    /// Who was asked.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What came; or why nothing did.
    pub answer: Result<AnswerView, Reason>,
}

/// What members said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToldRecall {
    /// What they told, the best first.
    pub hits: Vec<ToldHit>,
    /// Everybody who was asked.
    pub asked: Vec<AskedMember>,
}
