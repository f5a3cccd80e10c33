//! Asking one member, now, what it holds.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::possession::{Possession, PossessionReceipt};
use antiphon_protocol::replication::{Answer, Depth};

use super::Handle;
use crate::api::Error;
use crate::replication::News;

impl Handle {
    /// Asks a member what it holds of these, and checks what it answers with own blocks; each is answered once, in the
    /// order of the roots. What a proof shows and what it does not is in `docs/threat-model.md`.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn ask_possession(&self, peer: NodeId, about: Vec<(Hash, Depth)>) -> Result<Vec<(Hash, Answer)>, Error> {
        let answers = self.shared.asker.ask(peer, about).await;
        self.shared.care.tell(News::Answered { peer, answers: answers.clone() }).await?;
        Ok(answers)
    }

    /// What a member signed lately about what it holds, as it was signed, the newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn possessions(&self, peer: NodeId) -> Result<Vec<(Possession, PossessionReceipt)>, Error> {
        let read = self.store().read(move |reader| {
            let team = reader.own()?.map(|own| own.team);
            Ok((team, reader.possessions(&peer, usize::MAX)?))
        });
        let (team, kept) = read.await?;
        let checked = |receipt: PossessionReceipt| Some((receipt.verify(&team?).ok()?, receipt));
        Ok(kept.into_iter().filter_map(|kept| checked(kept.receipt)).collect())
    }
}
