//! The hash table: what is said under keys, who provides what, who does what.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::address::Address;
use antiphon_core::dht::{Body, CAPABILITY_BYTES_MAX, Card, Key, Record, Topic};
use antiphon_core::fact::check_label;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_store::{DHT_OWN_RECORDS_MAX, DhtCounts, DhtPut, DhtSource, ResourceFilter};
use tokio::sync::oneshot;

use super::Handle;
use crate::api::{
    DhtChoice, DhtError, DhtKnownBy, DhtPeerView, DhtProvidedView, DhtProviderView, DhtRecordView, DhtRegistration,
    DhtStats, DhtStatus, DhtStored, Error,
};
use crate::clock::now;
use crate::dht::{Answer, Dht, News, Shown, Sight};
use crate::tasks::Tasks;

/// Most members whose cards are asked for at once.
const CARDS_AT_ONCE_MAX: usize = 32;
/// Most resources that are looked at for a capability.
const RESOURCES_MAX: usize = 1_000;
/// Most characters of what was given that an error repeats.
const SHOWN_CHARS_MAX: usize = 200;
/// Longest name of an agent, in bytes.
const AGENT_BYTES_MAX: usize = antiphon_core::dht::AGENT_BYTES_MAX;

impl Handle {
    pub(crate) fn dht(&self) -> &Dht {
        &self.shared.dht
    }

    /// How the hash table does.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`]; so for all that follow.
    pub async fn dht_status(&self) -> Result<DhtStatus, Error> {
        let shown = self.dht_shown().await?;
        let (sight, net) = (self.dht().sight(), self.dht().net());
        let counts = self.store().read(|reader| reader.dht_counts()).await?;
        let network = net.stats().await.map_err(|_| Error::Stopped)?;
        let routing = net.peers().await.map_err(|_| Error::Stopped)?;
        let Shown { choice, using, local, kad, bootstrapped, attempts, items, waiting, under_way, next_due, seen } =
            shown;
        Ok(DhtStatus {
            prefix: sight.realm.prefix,
            choice,
            using,
            local,
            kad,
            bootstrapped,
            bootstrap_attempts: attempts,
            routing,
            connected: sight.present.into_iter().collect(),
            seen,
            items,
            waiting,
            under_way,
            next_due,
            counts,
            network,
            uptime_ms: now().since(self.shared.started),
        })
    }

    /// The hash table in numbers.
    ///
    /// # Errors
    /// As [`Handle::dht_status`].
    pub async fn dht_stats(&self) -> Result<DhtStats, Error> {
        let status = self.dht_status().await?;
        let DhtCounts { own, others, provides, .. } = status.counts;
        Ok(DhtStats {
            total_peers: status.seen.len(),
            total_keys: own.saturating_add(others).saturating_add(provides),
            uptime_ms: status.uptime_ms,
            routing_table_size: status.routing.len(),
            connected_peers: status.connected.len(),
        })
    }

    /// Whether this node has entered the network.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn dht_is_bootstrapped(&self) -> Result<bool, Error> {
        Ok(self.dht_shown().await?.bootstrapped)
    }

    /// Enters the network now; gives how many members the routing table has then.
    ///
    /// # Errors
    /// [`DhtError::LeftAlone`], [`DhtError::NotEntered`].
    pub async fn dht_bootstrap(&self) -> Result<usize, Error> {
        if self.dht_shown().await?.choice == DhtChoice::Local {
            return Err(DhtError::LeftAlone.into());
        }
        let (reply, answer) = oneshot::channel();
        self.dht().tell(News::Bootstrap(reply)).await?;
        answer.await.map_err(|_| Error::Stopped)?.ok_or_else(|| DhtError::NotEntered.into())
    }

    /// Chooses the backend, also for the starts to come.
    ///
    /// # Errors
    /// As [`Handle::dht_status`].
    pub async fn dht_backend(&self, choice: DhtChoice) -> Result<DhtStatus, Error> {
        let _one = self.shared.settings.lock().await;
        self.store().write(move |db| db.set_dht_backend(choice.name())).await?;
        let (reply, answer) = oneshot::channel();
        self.dht().tell(News::Choose { choice, reply }).await?;
        answer.await.map_err(|_| Error::Stopped)?;
        self.dht_status().await
    }

    /// Keeps a signed record under a key, and tells members if it is this node's. It is acknowledged when it is durable.
    ///
    /// # Errors
    /// [`DhtError::Key`], [`DhtError::Refused`], [`DhtError::Full`].
    pub async fn dht_put_value(&self, key: &str, value: Vec<u8>) -> Result<DhtStored, Error> {
        let key = self.dht_key(key).await?;
        let path = key.path(&self.dht().sight().realm.prefix);
        self.dht_put_signed(path, value).await
    }

    /// Keeps a signed record under the key that it names itself.
    ///
    /// # Errors
    /// As [`Handle::dht_put_value`].
    pub async fn dht_put_record(&self, value: Vec<u8>) -> Result<DhtStored, Error> {
        let record = Record::read(&value)
            .map_err(|refusal| DhtError::Refused { reason: refusal.name(), why: refusal.to_string() })?;
        self.dht_put_signed(record.key().path(&self.dht().sight().realm.prefix), value).await
    }

    async fn dht_put_signed(&self, path: String, value: Vec<u8>) -> Result<DhtStored, Error> {
        let changed = match self.dht().put(path.clone().into_bytes(), value).await? {
            DhtPut::Kept { .. } => true,
            DhtPut::Known { .. } => false,
            DhtPut::Refused(refusal) => {
                return Err(DhtError::Refused { reason: refusal.name(), why: refusal.to_string() }.into());
            }
            DhtPut::Full => return Err(DhtError::Full { what: "records", max: DHT_OWN_RECORDS_MAX }.into()),
        };
        let stands = self.dht().known(path.as_bytes()).await?.ok_or(DhtError::NotFound(path))?;
        Ok(DhtStored { record: self.dht_record_view(stands).await?, changed })
    }

    /// The record that stands under a key: a path of the table, an address, a member's name or id.
    ///
    /// # Errors
    /// [`DhtError::Key`], [`DhtError::NotFound`].
    pub async fn dht_get_value(&self, key: &str) -> Result<DhtRecordView, Error> {
        let key = self.dht_key(key).await?;
        let found = self.dht().get(key).await?;
        let found = found.ok_or_else(|| DhtError::NotFound(key.path(&self.dht().sight().realm.prefix)))?;
        self.dht_record_view(found).await
    }

    /// Provides a key from now on; says whether that is new. It is acknowledged when it is durable.
    ///
    /// # Errors
    /// [`DhtError::RoleNotHeld`], [`DhtError::Text`], [`DhtError::Full`].
    pub async fn dht_provide(&self, topic: &Topic) -> Result<bool, Error> {
        match topic {
            Topic::Role(role) => self.dht_check_role(role)?,
            Topic::Capability(capability) => check_label("the capability", capability, CAPABILITY_BYTES_MAX)?,
            Topic::Content(_) | Topic::Peer => {}
        }
        let new = self.dht().provide(topic, DhtSource::Announced).await?;
        self.dht().tell(News::Changed).await?;
        Ok(new)
    }

    /// Provides a key no more; says whether it did. What follows from what is known of this node is provided again.
    ///
    /// # Errors
    /// As [`Handle::dht_status`].
    pub async fn dht_withdraw(&self, topic: &Topic) -> Result<bool, Error> {
        let did = match topic {
            Topic::Content(root) => self.dht().withdraw_root(*root).await?,
            topic => self.dht().withdraw(topic).await?,
        };
        self.dht().tell(News::Changed).await?;
        Ok(did)
    }

    /// What this node provides but for documents, and then documents, at most `limit` in all.
    ///
    /// # Errors
    /// As [`Handle::dht_status`].
    pub async fn dht_provided(&self, limit: usize) -> Result<Vec<DhtProvidedView>, Error> {
        let read = self.store().read(move |reader| {
            let mut all = reader.dht_provided_as(DhtSource::Known)?;
            all.extend(reader.dht_provided_as(DhtSource::Announced)?);
            if all.len() < limit {
                let held = reader.dht_provided(0, limit)?;
                all.extend(held.into_iter().filter(|one| one.source == DhtSource::Held));
            }
            all.truncate(limit);
            Ok(all)
        });
        let view = |one: antiphon_store::DhtProvide| DhtProvidedView {
            topic: one.topic,
            source: one.source,
            since: one.since,
            published_at: one.published_at,
        };
        Ok(read.await?.into_iter().map(view).collect())
    }

    /// Members that provide a key, at most `limit`, this node first if it does.
    ///
    /// # Errors
    /// As [`Handle::dht_status`]. That the network does not answer is no error.
    pub async fn dht_find_providers(&self, topic: &Topic, limit: usize) -> Result<Vec<DhtProviderView>, Error> {
        let found = self.dht().providers(topic, limit).await?;
        let (names, sight) = (self.dht_names().await?, self.dht().sight());
        let view = |provider: crate::dht::Provider| DhtProviderView {
            node: provider.node,
            name: names.get(&provider.node).cloned().unwrap_or_default(),
            own: provider.node == sight.own,
            connected: sight.present.contains(&provider.node),
            added_at: provider.added_at,
            last_seen: provider.seen_at,
        };
        Ok(found.into_iter().map(view).collect())
    }

    /// Says what this node is and does. Only itself can: `node`, if it is given, must be this one.
    ///
    /// # Errors
    /// [`DhtError::NotOwn`], [`DhtError::RoleNotHeld`], [`DhtError::Text`], [`DhtError::Full`]; then nothing is said.
    pub async fn dht_register_peer(&self, node: Option<NodeId>, what: DhtRegistration) -> Result<DhtPeerView, Error> {
        let own = self.shared.key.node_id();
        if let Some(other) = node.filter(|node| *node != own) {
            return Err(DhtError::NotOwn(other).into());
        }
        let DhtRegistration { agent, roles, capabilities } = what;
        roles.iter().try_for_each(|role| self.dht_check_role(role))?;
        for capability in &capabilities {
            check_label("the capability", capability, CAPABILITY_BYTES_MAX)?;
        }
        if let Some(agent) = agent {
            check_label("the agent", &agent, AGENT_BYTES_MAX)?;
            self.store().write(move |db| db.set_dht_agent(&agent)).await?;
        }
        for topic in roles.into_iter().map(Topic::Role).chain(capabilities.into_iter().map(Topic::Capability)) {
            self.dht().provide(&topic, DhtSource::Announced).await?;
        }
        self.dht().introduce().await?;
        let peers = self.dht_peers().await?;
        peers.into_iter().find(|peer| peer.own).ok_or_else(|| DhtError::NotFound(own.to_string()).into())
    }

    /// Every member, with what its card says.
    ///
    /// # Errors
    /// As [`Handle::dht_status`].
    pub async fn dht_peers(&self) -> Result<Vec<DhtPeerView>, Error> {
        let sight = self.dht().sight();
        let all = sight.membership.members().map(|(node, _)| (*node, BTreeSet::from([DhtKnownBy::Charter])));
        self.dht_describe(&sight, all.collect()).await
    }

    /// Members that hold a role: the charter says who, their cards say more about them.
    ///
    /// # Errors
    /// [`Error::UnknownRole`].
    pub async fn dht_find_peers_by_role(&self, role: &str) -> Result<Vec<DhtPeerView>, Error> {
        self.team().await?.need_role(role)?;
        let sight = self.dht().sight();
        let holders = sight.membership.members().filter(|(_, member)| member.grant.roles.iter().any(|one| one == role));
        let mut found: BTreeMap<NodeId, BTreeSet<DhtKnownBy>> =
            holders.map(|(node, _)| (*node, BTreeSet::from([DhtKnownBy::Charter]))).collect();
        for (node, card) in self.dht_cards(&sight, found.keys().copied()).await? {
            if card.roles.contains(role) {
                found.entry(node).or_default().insert(DhtKnownBy::Card);
            }
        }
        self.dht_describe(&sight, found).await
    }

    /// Members that can do something: by the catalogues that they told, their cards, and what is announced.
    ///
    /// # Errors
    /// [`DhtError::Text`].
    pub async fn dht_find_peers_by_capability(&self, capability: &str) -> Result<Vec<DhtPeerView>, Error> {
        check_label("the capability", capability, CAPABILITY_BYTES_MAX)?;
        let sight = self.dht().sight();
        let mut found: BTreeMap<NodeId, BTreeSet<DhtKnownBy>> = BTreeMap::new();
        let filter = ResourceFilter { capability: Some(capability.to_owned()), ..ResourceFilter::default() };
        for row in self.store().read(move |reader| reader.resources(&filter, RESOURCES_MAX)).await? {
            found.entry(row.owner).or_default().insert(DhtKnownBy::Catalogue);
        }
        let topic = Topic::Capability(capability.to_owned());
        for provider in self.dht().providers(&topic, antiphon_store::DHT_PROVIDERS_PER_KEY_MAX).await? {
            found.entry(provider.node).or_default().insert(DhtKnownBy::Announced);
        }
        for (node, card) in self.dht_known_cards().await? {
            if card.capabilities.contains(capability) {
                found.entry(node).or_default().insert(DhtKnownBy::Card);
            }
        }
        found.retain(|node, _| sight.is_member(node));
        self.dht_describe(&sight, found).await
    }

    /// The key that a text names.
    async fn dht_key(&self, text: &str) -> Result<Key, Error> {
        let prefix = self.dht().sight().realm.prefix;
        if let Some(key) = Key::parse(text.as_bytes(), &prefix) {
            return Ok(key);
        }
        if text.starts_with("ucxl://") {
            return Address::parse(text)
                .map(|(address, _)| Key::Content(address.id()))
                .map_err(|_| DhtError::Key(shown(text)).into());
        }
        if text.starts_with('/') {
            return Err(DhtError::Key(shown(text)).into());
        }
        let own = self.team().await?.own;
        if text == own.name || text == own.node.to_string() {
            return Ok(Key::Member(own.node));
        }
        self.resolve_peer(text).await.map(Key::Member)
    }

    fn dht_check_role(&self, role: &str) -> Result<(), Error> {
        let held = self.dht().sight().roles();
        if held.contains(role) {
            return Ok(());
        }
        Err(DhtError::RoleNotHeld { role: shown(role), held: held.into_iter().collect() }.into())
    }

    async fn dht_shown(&self) -> Result<Shown, Error> {
        let (reply, answer) = oneshot::channel();
        self.dht().tell(News::Show(reply)).await?;
        answer.await.map_err(|_| Error::Stopped)
    }

    async fn dht_names(&self) -> Result<BTreeMap<NodeId, String>, Error> {
        let own = self.team().await?.own;
        let others = self.peers().await?.into_iter().map(|peer| (peer.peer_id, peer.name));
        Ok(others.chain([(own.node, own.name)]).collect())
    }

    async fn dht_record_view(&self, found: Answer) -> Result<DhtRecordView, Error> {
        let name = self.dht_names().await?.remove(&found.record.author).unwrap_or_default();
        Ok(DhtRecordView {
            key: String::from_utf8_lossy(&found.key).into_owned(),
            author: found.record.author,
            author_name: name,
            own: found.record.author == self.shared.key.node_id(),
            version: found.record.version,
            expires: found.record.expires,
            body: found.record.body,
            standing: found.standing,
            value: found.value,
            asked: found.asked,
            published_at: found.published_at,
        })
    }

    /// Cards as they are known here.
    async fn dht_known_cards(&self) -> Result<BTreeMap<NodeId, Card>, Error> {
        let cards = self.store().read(|reader| {
            let rows = reader.dht_cards(now())?;
            rows.into_iter().map(|row| Ok((row.author, row.read()?.body))).collect::<Result<Vec<_>, _>>()
        });
        let card = |(node, body)| match body {
            Body::Card(card) => Some((node, card)),
            Body::Pointer(_) => None,
        };
        Ok(cards.await?.into_iter().filter_map(card).collect())
    }

    /// Cards of these members; those that are not known here are asked for while the network does well.
    async fn dht_cards(
        &self,
        sight: &Sight,
        of: impl Iterator<Item = NodeId>,
    ) -> Result<BTreeMap<NodeId, Card>, Error> {
        let mut known = self.dht_known_cards().await?;
        let wanted: Vec<NodeId> = of.filter(|node| !known.contains_key(node) && *node != sight.own).collect();
        if !self.dht().is_online() {
            return Ok(known);
        }
        let ask = |node: &NodeId| {
            let (dht, key) = (self.dht().clone(), Key::Member(*node));
            async move { dht.get(key).await }
        };
        for found in Tasks::all(wanted.iter().take(CARDS_AT_ONCE_MAX).map(ask)).await {
            if let Some(Answer { record: Record { author, body: Body::Card(card), .. }, .. }) = found? {
                known.insert(author, card);
            }
        }
        Ok(known)
    }

    async fn dht_describe(
        &self,
        sight: &Sight,
        found: BTreeMap<NodeId, BTreeSet<DhtKnownBy>>,
    ) -> Result<Vec<DhtPeerView>, Error> {
        let (names, mut cards) = (self.dht_names().await?, self.dht_cards(sight, found.keys().copied()).await?);
        let ends = self.store().read(|reader| {
            Ok(reader.dht_cards(now())?.into_iter().map(|row| (row.author, row.expires)).collect::<BTreeMap<_, _>>())
        });
        let ends = ends.await?;
        let view = |(node, known_by): (NodeId, BTreeSet<DhtKnownBy>)| {
            let card = cards.remove(&node);
            let name = names.get(&node).filter(|name| !name.is_empty()).cloned();
            let card_name = card.as_ref().map(|card| card.name.clone()).unwrap_or_default();
            let member = sight.membership.member(&node);
            let card = card.unwrap_or_default();
            DhtPeerView {
                node,
                name: name.unwrap_or(card_name),
                own: node == sight.own,
                connected: sight.present.contains(&node),
                agent: card.agent,
                roles: member.map(|member| member.grant.roles.clone()).unwrap_or_default(),
                capabilities: card.capabilities,
                addresses: card.addresses,
                known_by,
                card_expires: ends.get(&node).copied(),
            }
        };
        let mut peers: Vec<DhtPeerView> = found.into_iter().map(view).collect();
        peers.sort_by(|one, other| (&one.name, one.node).cmp(&(&other.name, other.node)));
        Ok(peers)
    }
}

/// What a text names that can be provided: `content:ROOT`, `role:NAME`, `capability:NAME` or `peer`.
///
/// # Errors
/// [`DhtError::Topic`].
pub fn dht_topic(text: &str) -> Result<Topic, DhtError> {
    let wrong = || DhtError::Topic(shown(text));
    match text.split_once(':') {
        Some(("content", root)) => root.parse::<Hash>().map(Topic::Content).map_err(|_| wrong()),
        Some(("role", role)) if !role.is_empty() => Ok(Topic::Role(role.to_owned())),
        Some(("capability", capability)) if !capability.is_empty() => Ok(Topic::Capability(capability.to_owned())),
        None if text == "peer" => Ok(Topic::Peer),
        _ => Err(wrong()),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
