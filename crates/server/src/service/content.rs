//! Documents: storing, reading and finding them.

use std::io::Read;

use antiphon_core::address::{Address, Selector};
use antiphon_node::{ContentForm, OpenContent};
use zeroize::Zeroizing;

use super::{Service, name_of};
use crate::convert::{self, Actor};
use crate::dto::{
    ContentAnnouncedDto, ContentAskDto, ContentCleanedDto, ContentDto, ContentFilterDto, ContentMetricsDto,
    ContentPlanDto, ContentProvidersDto, ContentRemoveDto, ContentRemovedDto, ContentStatusDto, ContentStoredDto,
    ContentVersionsDto, ContentsDto, NewContentDto, RoleKeyAskDto, RoleKeyDto,
};
use crate::error::Problem;

/// Documents on a page when nobody says how many.
const PAGE_CONTENTS_DEFAULT: usize = 100;
/// Most documents on one page.
const PAGE_CONTENTS_MAX: usize = 1_000;

impl Service {
    /// Stores what `plain` reads. `source_kind` says who does it.
    pub(crate) async fn put_content(
        &self,
        new: NewContentDto,
        source_kind: &str,
        plain: impl Read + Send + 'static,
    ) -> Result<ContentStoredDto, Problem> {
        self.put_content_once(new, source_kind, plain, None).await
    }

    /// The same, but nothing where it was done under the same key before.
    pub(crate) async fn put_content_once(
        &self,
        new: NewContentDto,
        source_kind: &str,
        plain: impl Read + Send + 'static,
        key: Option<String>,
    ) -> Result<ContentStoredDto, Problem> {
        let new = convert::new_content_of(new, source_kind)?;
        let key = key.map(|key| name_of("content", &new.address.to_string(), &key));
        Ok(convert::content_stored(self.handle.put_content_once(new, plain, key).await?))
    }

    pub(crate) async fn content_plan(&self, new: NewContentDto) -> Result<ContentPlanDto, Problem> {
        let new = convert::new_content_of(new, "human")?;
        Ok(convert::content_plan(&new.address, self.handle.content_plan(&new).await?))
    }

    /// Opens a document for reading; whatever must be fetched is here when it returns.
    pub(crate) async fn open_content(&self, ask: ContentAskDto) -> Result<OpenContent, Problem> {
        let (address, selector) = convert::address_of(&ask.address)?;
        let form = if ask.ciphertext.unwrap_or_default() { ContentForm::Cipher } else { ContentForm::Plain };
        Ok(self.handle.open_content(&address, selector, form).await?)
    }

    /// A whole document, if it is not longer than `limit`.
    pub(crate) async fn read_content(&self, ask: ContentAskDto, limit: u64) -> Result<(ContentDto, Vec<u8>), Problem> {
        let open = self.open_content(ask).await?;
        let content = convert::open_content(&open);
        Ok((content, open.collect(limit).await?))
    }

    pub(crate) async fn contents(&self, filter: ContentFilterDto) -> Result<ContentsDto, Problem> {
        let limit = filter.limit.unwrap_or(PAGE_CONTENTS_DEFAULT).clamp(1, PAGE_CONTENTS_MAX);
        let (filter, after) = convert::content_query_of(filter)?;
        let page = self.handle.search_content(filter, limit, after).await?;
        let next = page.next.map(convert::content_cursor);
        let health = self.handle.health_of(page.contents.iter().map(|content| content.root).collect()).await?;
        let shown = page.contents.into_iter().zip(health);
        let shown = shown.map(|(content, health)| ContentDto {
            health: health.map(|health| health.name().to_owned()),
            ..convert::content(content)
        });
        Ok(ContentsDto { contents: shown.collect(), next })
    }

    pub(crate) async fn content_versions(&self, ask: ContentAskDto) -> Result<ContentVersionsDto, Problem> {
        let address = convert::whole_address_of(&ask.address)?;
        let versions = self.handle.content_versions(&address).await?;
        let versions = versions.into_iter().map(convert::content).collect();
        Ok(ContentVersionsDto { address: address.to_string(), versions })
    }

    pub(crate) async fn content_status(&self, ask: ContentAskDto) -> Result<ContentStatusDto, Problem> {
        let (address, selector) = convert::address_of(&ask.address)?;
        let content = self.handle.content(&address, selector).await?;
        let providers = self.handle.known_holders(&content).await?;
        let copies = self.handle.replication_status(content.root).await?.map(convert::replica);
        let health = copies.as_ref().map(|copies| copies.health.clone());
        Ok(ContentStatusDto {
            copies,
            dht_peers: providers.iter().map(|provider| provider.peer.to_string()).collect(),
            replication_factor: providers.len(),
            damaged: content.held.damaged,
            content: ContentDto { health, ..convert::content(content) },
        })
    }

    pub(crate) async fn content_providers(&self, ask: ContentAskDto) -> Result<ContentProvidersDto, Problem> {
        let (address, selector) = convert::address_of(&ask.address)?;
        let (content, providers) = self.handle.discover_peers(&address, selector).await?;
        Ok(ContentProvidersDto {
            address: address.to_string(),
            manifest: content.root.to_string(),
            providers: providers.into_iter().map(convert::content_provider).collect(),
        })
    }

    pub(crate) async fn announce_content(&self, ask: ContentAskDto) -> Result<ContentAnnouncedDto, Problem> {
        let (address, _): (Address, Selector) = convert::address_of(&ask.address)?;
        let (content, provided) = self.handle.announce_content(&address).await?;
        Ok(ContentAnnouncedDto { address: address.to_string(), version: content.version, provided })
    }

    pub(crate) async fn remove_content(&self, remove: ContentRemoveDto) -> Result<ContentRemovedDto, Problem> {
        let address = convert::whole_address_of(&remove.address)?;
        let provenance = convert::provenance_of(Actor::from(remove.actor()))?;
        let (event, freed_bytes) = self.handle.remove_content(&address, provenance).await?;
        Ok(ContentRemovedDto { address: address.to_string(), event: event.to_string(), freed_bytes })
    }

    pub(crate) async fn content_metrics(&self) -> Result<ContentMetricsDto, Problem> {
        Ok(convert::content_metrics(self.handle.content_metrics().await?))
    }

    pub(crate) async fn clean_content_cache(&self) -> Result<ContentCleanedDto, Problem> {
        let dropped = u64::try_from(self.handle.clean_content_cache()).unwrap_or(u64::MAX);
        Ok(ContentCleanedDto { dropped })
    }

    pub(crate) async fn role_key(&self, ask: RoleKeyAskDto) -> Result<RoleKeyDto, Problem> {
        let keys = self.handle.export_role_key(&ask.role, ask.all).await?;
        let lines: Zeroizing<String> = keys.iter().fold(Zeroizing::default(), |mut text, key| {
            text.push_str(key);
            text.push('\n');
            text
        });
        Ok(RoleKeyDto { role: ask.role, identities: lines.to_string(), keys: keys.len() })
    }
}
