//! Searching the catalogues of all members: what they have told this node, and what those say that are connected.

use std::time::Duration;

use antiphon_core::ids::NodeId;
use antiphon_core::resource::Resource;
use antiphon_core::resource::question::{Answer, Question};
use antiphon_net::{NetHandle, Protocol};
use antiphon_protocol::query::{Query, Reply};
use antiphon_store::{ResourceChange, ResourceFilter};
use tokio::time::timeout;

use super::Handle;
use crate::api::{Error, Reason, ResourceSearch, ResourceView, SearchedPeer};
use crate::clock::now;
use crate::reasons;
use crate::tasks::Tasks;

/// How long a member has to answer a search.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most members that are asked at the same time.
const ASKED_AT_ONCE_MAX: usize = 64;

impl Handle {
    /// Searches what is held of all catalogues; if `ask` is set, every connected member is asked for what fits in its
    /// own one too, and what it says is kept.
    ///
    /// # Errors
    /// [`Error::Resource`] for a question that is unfit, [`Error::Store`], [`Error::Stopped`]. A member that does not
    /// answer is no error.
    pub async fn search_resources(&self, question: Question, ask: bool) -> Result<ResourceSearch, Error> {
        question.check()?;
        let asked = if ask { self.ask_members(&question).await? } else { Vec::new() };
        let filter = filter_of(&question, None);
        let mut found = self.resources(filter, question.limit).await?;
        found.sort_by_key(former_last);
        Ok(ResourceSearch { found, asked })
    }

    /// Asks every connected member, and keeps what each says of its own resources.
    async fn ask_members(&self, question: &Question) -> Result<Vec<SearchedPeer>, Error> {
        let team = self.team().await?;
        let peers = self.peers().await?.into_iter();
        let here = |peer: &crate::api::PeerView| peer.connected && team.membership.member(&peer.peer_id).is_some();
        let members: Vec<(NodeId, String)> = peers.filter(here).map(|peer| (peer.peer_id, peer.name)).collect();
        let request = Query::Resources(question.clone()).encode();
        let mut asked = Vec::with_capacity(members.len());
        for some in members.chunks(ASKED_AT_ONCE_MAX) {
            let ask = |(node, name): &(NodeId, String)| {
                let (net, node, name, request) = (self.shared.net.clone(), *node, name.clone(), request.clone());
                async move {
                    let answer = ask_one(&net, node, request).await;
                    (node, name, answer)
                }
            };
            for (node, name, answer) in Tasks::all(some.iter().map(ask)).await {
                let answer = match answer {
                    Ok(answer) => Ok(self.take_answer(node, answer).await?),
                    Err(reason) => Err(reason),
                };
                asked.push(SearchedPeer { node, name, answer });
            }
        }
        asked.sort_by(|one, other| (&one.name, one.node).cmp(&(&other.name, other.node)));
        Ok(asked)
    }

    /// Keeps what a member says of its own resources; what it says of others' counts nothing.
    async fn take_answer(
        &self,
        node: NodeId,
        answer: Answer,
    ) -> Result<(antiphon_core::resource::question::Summary, u64), Error> {
        let Answer { found, summary } = answer;
        let own: Vec<Resource> = found.into_iter().filter(|resource| resource.id.is_of(&node)).collect();
        let count = own.len() as u64;
        if count > 0 {
            let time = now();
            let keep = self.store().share(move |db| {
                own.into_iter().try_for_each(|resource| {
                    let kept = db.change_resource(&node, &ResourceChange::Entry(resource), time)?;
                    if let Some(reason) = kept.refused() {
                        tracing::debug!(peer = %node, reason, "what was found at a member is not kept");
                    }
                    Ok(())
                })
            });
            keep.await?;
        }
        Ok((summary, count))
    }
}

async fn ask_one(net: &NetHandle, node: NodeId, request: Vec<u8>) -> Result<Answer, Reason> {
    let answer = timeout(PATIENCE, net.request(node, Protocol::Query, Vec::new(), request)).await;
    let bytes = answer.map_err(|_| Reason::NetworkTimeout)?.map_err(|error| reasons::of_request(&error))?;
    match Reply::decode(&bytes) {
        Ok(Reply::Resources(answer)) => Ok(answer),
        Ok(Reply::Recall(_)) => {
            tracing::debug!(peer = %node, "the answer is one to another question");
            Err(Reason::InvalidFrontmatter)
        }
        Err(error) => {
            tracing::debug!(peer = %node, %error, "the answer to a search cannot be read");
            Err(Reason::InvalidFrontmatter)
        }
    }
}

fn former_last(view: &ResourceView) -> bool {
    view.ownership == crate::api::Ownership::Former
}

/// What a question asks of the database; of a catalogue of one owner only, if one is given.
pub(crate) fn filter_of(question: &Question, owner: Option<NodeId>) -> ResourceFilter {
    ResourceFilter {
        text: question.text.clone(),
        kind: question.kind,
        capability: question.capability.clone(),
        tag: question.tag.clone(),
        owner,
        after: None,
    }
}
