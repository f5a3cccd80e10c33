//! What an item that came means here.
//!
//! An item is read and checked before the database hears of it: what it says must be well formed, and the sender must
//! be whoever it claims to be. What is left is an effect, which is applied in the transaction that notes the item, and
//! perhaps something to do after that.

use std::sync::Arc;

use antiphon_core::announce::Announcement;
use antiphon_core::ids::{NodeId, ResourceId};
use antiphon_core::outbox::{Outgoing, Protocol};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::{Item, Refusal};
use antiphon_store::{Effect, Store};
use antiphon_vault::NodeKey;

use crate::team::TeamState;

/// Why an item is refused that this version cannot read: a newer one may have sent it.
pub(crate) const NOT_UNDERSTOOD: &str = "not_understood";

/// What is needed to tell what an item means.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) team: TeamState,
    pub(crate) key: Arc<NodeKey>,
    pub(crate) store: Store,
    /// This node's clock.
    pub(crate) at: UnixMillis,
}

/// What an item means.
#[derive(Debug)]
pub(crate) struct Meaning {
    /// What it changes in the database.
    pub(crate) effect: Effect,
    /// What is done once that is durable. A crash in between loses it, so nothing critical hangs on it.
    pub(crate) then: Option<Then>,
}

impl Meaning {
    /// An effect and nothing else.
    pub(crate) const fn only(effect: Effect) -> Self {
        Self { effect, then: None }
    }
}

/// What is done after an item was taken.
#[derive(Debug)]
pub(crate) enum Then {
    /// A receipt is signed anew.
    SignReceipt,
    /// Whoever asks is told whether a resource of this node is there.
    AnswerVerify(ResourceId),
    /// Whoever waits for messages is told.
    LetterCame,
    /// What a member says about itself is remembered.
    Announced(Announcement),
}

/// What an item of `from` means.
///
/// # Errors
/// Why it is refused for good.
pub(crate) fn meaning(context: &Context, from: &NodeId, item: &Item) -> Result<Meaning, Refusal> {
    let not_understood = || Refusal::named(NOT_UNDERSTOOD);
    match Protocol::from_number(item.protocol).ok_or_else(not_understood)? {
        Protocol::MESSAGE => {
            let effect = super::letters::meaning(context, from, item)?;
            let then = matches!(effect, Effect::Letter(_)).then_some(Then::LetterCame);
            Ok(Meaning { effect, then })
        }
        Protocol::CUSTODY_REQUEST => Ok(Meaning { effect: Effect::Nothing, then: Some(Then::SignReceipt) }),
        protocol if super::resources::is_about(protocol) => super::resources::meaning(protocol, item),
        protocol => crate::announce::meaning(protocol, item).unwrap_or_else(|| Err(not_understood())),
    }
}

/// What is left to do after items were taken.
#[derive(Debug, Default)]
pub(crate) struct After {
    /// Items that are to be sent.
    pub(crate) answers: Vec<Outgoing>,
    /// Whether a receipt is wanted.
    pub(crate) receipt: bool,
    /// How many messages came.
    pub(crate) letters: u64,
    /// What the sender says about itself.
    pub(crate) announced: Vec<Announcement>,
}

/// Does what is to be done after items of `from` were taken, and says what is left.
pub(crate) async fn after(context: &Context, from: NodeId, done: Vec<Then>) -> After {
    let mut after = After::default();
    for then in done {
        match then {
            Then::SignReceipt => after.receipt = true,
            Then::LetterCame => after.letters += 1,
            Then::Announced(announcement) => after.announced.push(announcement),
            Then::AnswerVerify(id) => match super::resources::answer(&context.store, from, id).await {
                Ok(answer) => after.answers.push(answer),
                Err(error) => {
                    tracing::error!(peer = %from, %error, "a question about a resource could not be answered")
                }
            },
        }
    }
    after
}
