//! Documents of this machine, and whether other members have them too.

use std::collections::BTreeMap;

use antiphon_core::charter::Membership;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::target;
use antiphon_protocol::replication::Answer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::Handle;
use crate::api::{Error, WipeDocuments, WipeItem, WipeKind};
use crate::clock::now;
use crate::custody::copies::{ANSWERS_WITHIN, Counting, Elsewhere, Measure, addresses};
use crate::replication::News;

/// Answers that wait to be looked at.
const ANSWERS_MAX: usize = 64;

impl Handle {
    /// What a wipe of this machine would cost of documents; whoever is connected is asked to prove what it has.
    pub(super) async fn wipe_documents(
        &self,
        membership: &Membership,
    ) -> Result<(WipeDocuments, Vec<WipeItem>), Error> {
        let measure = self.measure(membership);
        let counting = self.count_copies(&measure).await?;
        let answers = self.ask_for_proofs(&counting).await?;
        let found = counting.settle(&answers);
        let (alone_first, few_first) = (found.alone_first.clone(), found.few_first.clone());
        let examples =
            self.store().read(move |reader| Ok((addresses(reader, &alone_first)?, addresses(reader, &few_first)?)));
        let (alone, few) = examples.await?;
        let fix = self.how_to_mend(&measure);
        let items = [only_here(&found, alone, &fix), few_copies(&found, measure.target, few, &fix)];
        let documents =
            WipeDocuments { held: found.held, only_here: found.alone, few: found.few, target: measure.target as u64 };
        Ok((documents, items.into_iter().flatten().collect()))
    }

    /// How many documents are held here, and how many of them each member has shown lately that it has. Nobody is asked.
    pub(super) async fn copies_by_member(
        &self,
        membership: &Membership,
    ) -> Result<(u64, BTreeMap<NodeId, u64>), Error> {
        let counting = self.count_copies(&self.measure(membership)).await?;
        let found = counting.settle(&BTreeMap::new());
        Ok((found.held, found.by_member))
    }

    async fn count_copies(&self, measure: &Measure) -> Result<Counting, Error> {
        let measure = measure.clone();
        Ok(self.store().read(move |reader| Counting::read(reader, &measure)).await?)
    }

    fn measure(&self, membership: &Membership) -> Measure {
        let (care, settings) = (&self.shared.care, self.shared.care.settings());
        let presence = care.presence.borrow();
        let others = || membership.members().map(|(node, _)| *node).filter(|node| *node != care.own);
        let here = |node: &NodeId| presence.members.get(node);
        let offering = others().filter(|node| here(node).is_some_and(|here| here.offers)).count();
        Measure {
            members: others().collect(),
            connected: others().filter(|node| here(node).is_some_and(|here| here.connected)).collect(),
            target: target(settings.factor, offering),
            ttl_ms: settings.provider_ttl_ms,
            at: now(),
        }
    }

    /// Has members prove what they have, all at once. What they answer is told to the keeper of copies too.
    async fn ask_for_proofs(&self, counting: &Counting) -> Result<BTreeMap<(NodeId, Hash), Answer>, Error> {
        let (told, mut heard) = mpsc::channel(ANSWERS_MAX);
        let mut asking = JoinSet::new();
        for (peer, portions) in counting.questions() {
            let (asker, told) = (self.shared.asker.clone(), told.clone());
            asking.spawn(async move {
                for portion in portions {
                    let answers = asker.ask(peer, portion).await;
                    // Nobody waits any more.
                    if told.send((peer, answers)).await.is_err() {
                        return;
                    }
                }
            });
        }
        drop(told);
        let until = Instant::now() + ANSWERS_WITHIN;
        let mut all = BTreeMap::new();
        while let Ok(Some((peer, answers))) = timeout_at(until, heard.recv()).await {
            all.extend(answers.iter().map(|(root, answer)| ((peer, *root), *answer)));
            self.shared.care.tell(News::Answered { peer, answers }).await?;
        }
        Ok(all)
    }

    /// What brings copies to others.
    fn how_to_mend(&self, measure: &Measure) -> String {
        let no_room = || {
            let presence = self.shared.care.presence.borrow();
            !measure.members.iter().any(|node| presence.members.get(node).is_some_and(|here| here.offers))
        };
        let fix = match () {
            () if measure.members.is_empty() => "antiphon invite --role ROLE (let another machine join and keep it)",
            () if no_room() => {
                "offer = true in [storage] of antiphon.toml on another member, then antiphon replication run"
            }
            () => "antiphon replication run (with other members connected), then antiphon wipe-check again",
        };
        fix.to_owned()
    }
}

fn only_here(found: &Elsewhere, examples: Vec<String>, fix: &str) -> Option<WipeItem> {
    (found.alone > 0).then(|| WipeItem {
        kind: WipeKind::Documents,
        loses: true,
        count: found.alone,
        what: format!(
            "{} of {} here of which no other member has shown that it has a copy",
            found.alone,
            versions(found.held)
        ),
        examples,
        fix: fix.to_owned(),
    })
}

fn few_copies(found: &Elsewhere, target: usize, examples: Vec<String>, fix: &str) -> Option<WipeItem> {
    (found.few > 0).then(|| WipeItem {
        kind: WipeKind::FewCopies,
        loses: false,
        count: found.few,
        what: format!(
            "{} of {} here would be left with fewer copies than the {target} that there should be",
            found.few,
            versions(found.held)
        ),
        examples,
        fix: fix.to_owned(),
    })
}

/// Each version of a document has a ciphertext of its own.
fn versions(count: u64) -> String {
    if count == 1 { "1 stored document".to_owned() } else { format!("{count} stored documents and versions of such") }
}
