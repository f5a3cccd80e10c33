//! The hash table.

use antiphon_core::dht::Topic;
use antiphon_core::ids::NodeId;
use antiphon_node::{DhtChoice, DhtError, DhtRegistration, Error, dht_topic};
use data_encoding::BASE64;

use super::Service;
use crate::convert;
use crate::dto::{
    DhtAnnounceDto, DhtChoiceDto, DhtEnteredDto, DhtKeyDto, DhtPeerDto, DhtPeerFilterDto, DhtPeersDto, DhtProvideDto,
    DhtProvidersDto, DhtProvidesDto, DhtRecordDto, DhtStatsDto, DhtStatusDto, DhtStoredDto, DhtTopicDto, FindingDto,
    NewDhtRecordDto,
};
use crate::error::{Code, Problem};

/// Providers that are named when nobody says how many, and the most that are.
const PROVIDERS: usize = 20;
/// Most provided keys that are listed.
const PROVIDED_MAX: usize = 1_000;

impl Service {
    pub(crate) async fn dht_status(&self) -> Result<DhtStatusDto, Problem> {
        self.dht_shown(self.handle.dht_status().await?).await
    }

    async fn dht_shown(&self, status: antiphon_node::DhtStatus) -> Result<DhtStatusDto, Problem> {
        let (stats, peers) = (self.handle.dht_stats().await?, self.handle.peers().await?);
        let name_of = |node: &NodeId| {
            let known = peers.iter().find(|peer| peer.peer_id == *node).map(|peer| peer.name.clone());
            known.filter(|name| !name.is_empty()).unwrap_or_else(|| node.to_string())
        };
        Ok(convert::dht_status(status, stats, name_of))
    }

    pub(crate) async fn dht_stats(&self) -> Result<DhtStatsDto, Problem> {
        Ok(convert::dht_stats(self.handle.dht_stats().await?))
    }

    pub(crate) async fn dht_backend(&self, choice: DhtChoiceDto) -> Result<DhtStatusDto, Problem> {
        let named = DhtChoice::named(&choice.backend);
        let choice = named.ok_or_else(|| Problem::bad_value("backend", &choice.backend, "use local, kad or auto"))?;
        self.dht_shown(self.handle.dht_backend(choice).await?).await
    }

    pub(crate) async fn dht_bootstrap(&self) -> Result<DhtEnteredDto, Problem> {
        match self.handle.dht_bootstrap().await {
            Ok(members) => {
                let routing_table_size = u64::try_from(members).unwrap_or(u64::MAX);
                Ok(DhtEnteredDto { entered: true, routing_table_size, alone: None })
            }
            // Nobody failed to answer: there is nobody.
            Err(Error::Dht(DhtError::NotEntered)) if self.is_alone().await? => {
                Ok(DhtEnteredDto { alone: Some(alone()), ..DhtEnteredDto::default() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the team has no other member.
    async fn is_alone(&self) -> Result<bool, Problem> {
        Ok(self.members().await?.members.iter().all(|member| member.own))
    }

    pub(crate) async fn dht_put(&self, new: NewDhtRecordDto) -> Result<DhtStoredDto, Problem> {
        let value = BASE64.decode(new.value.as_bytes());
        let value = value.map_err(|_| Problem::bad_value("value", &new.value, "give the signed bytes in base64"))?;
        let stored = match new.key {
            Some(key) => self.handle.dht_put_value(&key, value).await?,
            None => self.handle.dht_put_record(value).await?,
        };
        Ok(convert::dht_stored(stored))
    }

    pub(crate) async fn dht_get(&self, key: DhtKeyDto) -> Result<DhtRecordDto, Problem> {
        Ok(convert::dht_record(self.handle.dht_get_value(&key.key).await?))
    }

    pub(crate) async fn dht_provide(&self, topic: DhtTopicDto) -> Result<DhtProvideDto, Problem> {
        let topic = topic_of(&topic.topic)?;
        let changed = self.handle.dht_provide(&topic).await?;
        Ok(DhtProvideDto { topic: topic.to_string(), changed })
    }

    pub(crate) async fn dht_withdraw(&self, topic: DhtTopicDto) -> Result<DhtProvideDto, Problem> {
        let topic = topic_of(&topic.topic)?;
        let changed = self.handle.dht_withdraw(&topic).await?;
        Ok(DhtProvideDto { topic: topic.to_string(), changed })
    }

    pub(crate) async fn dht_provided(&self) -> Result<DhtProvidesDto, Problem> {
        let provided = self.handle.dht_provided(PROVIDED_MAX).await?;
        Ok(DhtProvidesDto { provided: provided.into_iter().map(convert::dht_provided).collect() })
    }

    pub(crate) async fn dht_providers(&self, asked: DhtTopicDto) -> Result<DhtProvidersDto, Problem> {
        let topic = topic_of(&asked.topic)?;
        let limit = asked.limit.unwrap_or(PROVIDERS).clamp(1, PROVIDERS);
        let found = self.handle.dht_find_providers(&topic, limit).await?;
        let providers = found.into_iter().map(convert::dht_provider).collect();
        Ok(DhtProvidersDto { topic: topic.to_string(), providers })
    }

    pub(crate) async fn dht_peers(&self, filter: DhtPeerFilterDto) -> Result<DhtPeersDto, Problem> {
        let peers = match (filter.role, filter.capability) {
            (None, None) => self.handle.dht_peers().await?,
            (Some(role), None) => self.handle.dht_find_peers_by_role(&role).await?,
            (None, Some(capability)) => self.handle.dht_find_peers_by_capability(&capability).await?,
            (Some(_), Some(_)) => {
                return Err(Problem::new(Code::Invalid, "a role and a capability were given")
                    .hint("ask for one of them, and pick from the answer"));
            }
        };
        Ok(DhtPeersDto { peers: peers.into_iter().map(convert::dht_peer).collect() })
    }

    pub(crate) async fn dht_announce(&self, said: DhtAnnounceDto) -> Result<DhtPeerDto, Problem> {
        let DhtAnnounceDto { peer_id, agent, roles, capabilities } = said;
        let node = peer_id.map(|text| {
            let node = text.parse::<NodeId>();
            node.map_err(|_| Problem::bad_value("peer_id", &text, "leave it out: a node speaks for itself"))
        });
        let what = DhtRegistration { agent, roles, capabilities };
        Ok(convert::dht_peer(self.handle.dht_register_peer(node.transpose()?, what).await?))
    }
}

fn topic_of(text: &str) -> Result<Topic, Problem> {
    dht_topic(text).map_err(|error| Problem::from(&error))
}

/// What to say where there is nobody to be in a network with.
fn alone() -> FindingDto {
    FindingDto {
        what: "this node is alone in its team, so there is no network to enter yet".to_owned(),
        fix: "antiphon invite --role backend_developer, then antiphon join TICKET on the other machine".to_owned(),
    }
}
