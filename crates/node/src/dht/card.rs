//! What this node says of itself: its card, and the keys that follow from what is known of it.

use std::collections::BTreeSet;

use antiphon_core::dht::{
    ADDRESS_BYTES_MAX, Body, CAPABILITIES_MAX, CAPABILITY_BYTES_MAX, Card, Key, LIFE_MS, Record, Refusal, Topic,
};
use antiphon_core::fact::check_label;
use antiphon_core::ids::NodeId;
use antiphon_store::{DhtItem, DhtPut, DhtSource, Error as StoreError, Reader};

use super::{Context, News, Sight};
use crate::api::Error;
use crate::clock::now;

/// Most capabilities that are announced; a card lists the first of them.
const ANNOUNCED_MAX: usize = 256;

/// What the database knows of this node.
struct Known {
    agent: Option<String>,
    /// What was announced by a person.
    announced: Vec<Topic>,
    /// What the own catalogue can do.
    capabilities: BTreeSet<String>,
    /// The card that stands.
    card: Option<Record>,
}

impl Known {
    fn read(reader: &Reader<'_>, own: &NodeId, path: &[u8]) -> Result<Self, StoreError> {
        let catalogue = reader.catalogue(own)?;
        let capabilities = catalogue.into_iter().flat_map(|resource| resource.capabilities);
        let fit = |text: &String| check_label("the capability", text, CAPABILITY_BYTES_MAX).is_ok();
        let capabilities = capabilities.filter(fit).take(ANNOUNCED_MAX).collect();
        let announced = reader.dht_provided_as(DhtSource::Announced)?.into_iter().map(|one| one.topic).collect();
        let card = reader.dht_record(path)?.filter(|row| row.own && row.expires > now());
        let card = card.map(|row| row.read()).transpose()?;
        Ok(Self { agent: reader.dht_agent()?, announced, capabilities, card })
    }

    /// The card, as it should be.
    fn wanted(&self, sight: &Sight) -> Card {
        let announced = self.announced.iter().filter_map(|topic| match topic {
            Topic::Capability(capability) => Some(capability),
            // Its roles are those that were granted, whatever was announced.
            Topic::Role(_) | Topic::Content(_) | Topic::Peer => None,
        });
        // What a person said comes before what merely follows.
        let mut capabilities = BTreeSet::new();
        for capability in announced.chain(&self.capabilities) {
            if capabilities.len() < CAPABILITIES_MAX {
                capabilities.insert(capability.clone());
            }
        }
        let fits = |text: &&String| text.len() <= ADDRESS_BYTES_MAX;
        Card {
            name: sight.name.clone(),
            agent: self.agent.clone(),
            roles: sight.roles(),
            capabilities,
            addresses: sight.listen.iter().filter(fits).cloned().collect(),
        }
    }

    /// The keys that follow from what is known.
    fn topics(&self, sight: &Sight) -> BTreeSet<Topic> {
        let roles = sight.roles().into_iter().map(Topic::Role);
        let capabilities = self.capabilities.iter().cloned().map(Topic::Capability);
        roles.chain(capabilities).chain([Topic::Peer]).collect()
    }
}

impl Context {
    /// Says what is to be said of this node, where it is not said already.
    pub(super) async fn introduce(self) {
        if let Err(error) = self.try_introduce().await {
            tracing::warn!(%error, "what this node is was not announced");
        }
        let _stopping = self.tell(News::Introduced).await;
    }

    /// The same, for whoever waits for it.
    pub(super) async fn try_introduce(&self) -> Result<(), Error> {
        let sight = self.sight.borrow().clone();
        // Nobody asks somebody who does not belong to the team.
        if !sight.is_member(&sight.own) {
            return Ok(());
        }
        let _alone = self.introducing.lock().await;
        let (own, path) = (sight.own, Key::Member(sight.own).path(&sight.realm.prefix).into_bytes());
        let known = self.store.read(move |reader| Known::read(reader, &own, &path)).await?;
        let topics = known.topics(&sight);
        let changed = self.store.share(move |db| db.provide_known_dht(&topics, now())).await?;
        for row in changed.new {
            self.tell(News::Waits(DhtItem::Provide(row))).await?;
        }
        for (row, topic) in changed.gone {
            self.tell(News::Dropped(DhtItem::Provide(row))).await?;
            self.stop_providing(&topic).await;
        }
        let card = known.wanted(&sight);
        if known.card.as_ref().is_some_and(|held| held.body == Body::Card(card.clone())) {
            return Ok(());
        }
        self.put_card(&sight, card, known.card.map_or(0, |held| held.version)).await
    }

    async fn put_card(&self, sight: &Sight, card: Card, before: u64) -> Result<(), Error> {
        // By the clock, so that a machine that was restored from an older copy does not count the same again.
        let version = now().0.max(before.saturating_add(1));
        let body = Body::Card(card);
        let record = Record { team: sight.realm.team, author: sight.own, version, expires: now().after(LIFE_MS), body };
        let value = match signed(record.clone(), self.key.as_ref()) {
            Ok(value) => value,
            Err(refusal) => {
                tracing::error!(%refusal, "this node's card cannot be written");
                return Ok(());
            }
        };
        let key = record.key().path(&sight.realm.prefix).into_bytes();
        match self.keep(key, value).await? {
            DhtPut::Kept { id, .. } => self.tell(News::Waits(DhtItem::Record(id))).await?,
            DhtPut::Known { .. } => {}
            DhtPut::Refused(refusal) => tracing::warn!(%refusal, "this node's card does not stand"),
            DhtPut::Full => tracing::warn!("there is no room for this node's card"),
        }
        Ok(())
    }
}

/// Signs a card; one that is too long leaves addresses out, which members know from elsewhere too.
fn signed(mut record: Record, key: &dyn antiphon_core::sign::Signer) -> Result<Vec<u8>, Refusal> {
    loop {
        match (record.sign(key), &mut record.body) {
            (Err(Refusal::TooLarge { .. }), Body::Card(card)) if !card.addresses.is_empty() => {
                card.addresses.pop();
            }
            (signed, _) => return signed,
        }
    }
}
