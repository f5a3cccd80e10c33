//! What is shared with whom, how far it has come, and why something is not there.

use std::time::Duration;

use antiphon_core::address::SCHEME;
use antiphon_node::{DOMAINS_MAX, Domains, NodeMode, PeerMode, PeerView};

use super::Service;
use crate::convert;
use crate::dto::{FederationDto, ModeDto, PeerSettingsDto, PeersDto, ShareDto, SyncNowDto, WhyDto};
use crate::error::{Code, Problem};

/// Longest name of a domain, in bytes.
const DOMAIN_BYTES_MAX: usize = 1_024;
/// How long a comparison with every member is waited for when nobody says, in seconds.
const SYNC_WAIT_SECONDS: u64 = 10;
/// Longest wait for it, in seconds.
const SYNC_WAIT_SECONDS_MAX: u64 = 60;

impl Service {
    pub(crate) async fn federation(&self) -> Result<FederationDto, Problem> {
        Ok(convert::federation(self.handle.federation().await?, self.now()))
    }

    pub(crate) async fn set_node_mode(&self, mode: &ModeDto) -> Result<ModeDto, Problem> {
        let wrong = || Problem::bad_value("mode", &mode.mode, "use sync, publish or subscribe");
        let mode = NodeMode::named(&mode.mode).ok_or_else(wrong)?;
        self.handle.set_node_mode(mode).await?;
        Ok(ModeDto { mode: mode.name().to_owned() })
    }

    /// Compares with every member now; answers how they stand then.
    pub(crate) async fn sync_now(&self, ask: &SyncNowDto) -> Result<PeersDto, Problem> {
        let wait = ask.wait.unwrap_or(SYNC_WAIT_SECONDS).min(SYNC_WAIT_SECONDS_MAX);
        let (peers, now) = (self.handle.sync_now(Duration::from_secs(wait)).await?, self.now());
        Ok(PeersDto { peers: peers.into_iter().map(|peer| convert::peer(peer, now)).collect() })
    }

    pub(crate) async fn set_peer_mode(&self, peer: &str, mode: &ModeDto) -> Result<PeerSettingsDto, Problem> {
        let mode = match mode.mode.as_str() {
            "sync" => PeerMode::Sync,
            "paused" => PeerMode::Paused,
            other => return Err(Problem::bad_value("mode", other, "use sync or paused")),
        };
        let peer = self.handle.set_peer_mode(peer, mode).await?;
        self.settings_of(peer).await
    }

    pub(crate) async fn share_with(&self, peer: &str, share: ShareDto) -> Result<PeerSettingsDto, Problem> {
        let domains = Domains { only: domains_of("only", share.only)?, except: domains_of("except", share.except)? };
        let peer = self.handle.share_with(peer, domains).await?;
        self.settings_of(peer).await
    }

    async fn settings_of(&self, peer: PeerView) -> Result<PeerSettingsDto, Problem> {
        let view = self.handle.federation().await?;
        let domains = view.peers.into_iter().find(|standing| standing.peer.peer_id == peer.peer_id);
        Ok(PeerSettingsDto {
            peer_id: peer.peer_id.to_string(),
            mode: convert::mode(peer.mode).to_owned(),
            name: peer.name,
            domains: domains.map(|standing| convert::share(standing.domains)).unwrap_or_default(),
        })
    }

    /// `item` is a fact's id, the beginning of one, or a document's address.
    pub(crate) async fn why(&self, item: Option<&str>, peer: &str) -> Result<WhyDto, Problem> {
        let view = match item.map(str::trim).filter(|item| item.starts_with(SCHEME)) {
            Some(text) => {
                let (address, selector) = convert::address_of(text)?;
                self.handle.why_document(&address, selector, peer).await?
            }
            None => self.handle.why(item, peer).await?,
        };
        Ok(convert::why(view))
    }
}

/// Names of domains as they are kept: each once, none empty.
fn domains_of(list: &str, domains: Vec<String>) -> Result<Vec<String>, Problem> {
    let mut names: Vec<String> = Vec::new();
    for domain in domains {
        let name = domain.trim();
        if name.is_empty() || name.len() > DOMAIN_BYTES_MAX {
            return Err(Problem::bad_value(list, name, "name domains as facts do: antiphon facts list shows them"));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    if names.len() > DOMAINS_MAX {
        let what = format!("{list} names {} domains, at most {DOMAINS_MAX} can be kept of one peer", names.len());
        return Err(Problem::new(Code::TooLarge, what).hint("name those that are to be kept back: --except DOMAIN,…"));
    }
    Ok(names)
}
