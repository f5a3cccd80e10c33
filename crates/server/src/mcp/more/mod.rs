//! The tools of the full profile: the team, its genes, peers, incidents, and what is carried by hand.
//!
//! An agent may look at everything here and report what it sees. What needs a person's judgement is left out: nobody is
//! granted, removed or appointed, no gene is added, and nothing unsigned is taken.

mod args;
mod audit;
mod contents;
mod custody;
mod dht;
mod list;
mod outbox;
mod replication;
mod resources;
mod show;

use data_encoding::BASE64;
use rmcp::model::JsonObject;

use super::args::{Nothing, read};
use super::call::Caller;
use super::render::{Rendered, written};
use crate::dto::{BundleAskDto, BundleTakeDto, CheckProofDto, DivergenceDto, DivergenceFilterDto, SyncNowDto};
use crate::error::{Code, Problem};
use crate::service::Service;
use args::{Address, Answer, ById, Document, Facts, Handshake, Incidents, Peer, Report, UpdateIncident};
pub(super) use list::all;
pub(super) use show::why;

/// The sides of a divergence as a tool shows them.
pub(super) fn divergence_text(divergence: &DivergenceDto) -> Result<String, Problem> {
    Ok(show::divergence(divergence)?.text)
}

/// Longest document that an agent is handed, in bytes: more would fill its memory with what it cannot use.
const DOCUMENT_BYTES_MAX: u64 = 256 * 1024;

/// A tool of the full profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    FactsList,
    FactsHistory,
    Divergences,
    ResolveDivergence,
    GenesList,
    GeneShow,
    GeneProve,
    GeneCheck,
    GeneVerify,
    TeamMembers,
    TeamRoles,
    PeersList,
    PeerShow,
    PeerHandshake,
    SyncNow,
    BackupsList,
    IncidentsList,
    IncidentShow,
    IncidentReport,
    IncidentUpdate,
    Audit,
    Receipts,
    WipeCheck,
    BundleHandshake,
    BundleAnswer,
    BundleComplete,
    BundleExport,
    BundleImport,
    Why,
    Outbox,
    OutboxRetry,
    Resources,
    ResourcePublish,
    ResourceVerify,
    Contents,
    ContentShow,
    Dht,
    Replication,
    ReplicationRun,
}

impl More {
    /// Every one.
    pub(super) const ALL: [Self; 39] = [
        Self::FactsList,
        Self::FactsHistory,
        Self::Divergences,
        Self::ResolveDivergence,
        Self::GenesList,
        Self::GeneShow,
        Self::GeneProve,
        Self::GeneCheck,
        Self::GeneVerify,
        Self::TeamMembers,
        Self::TeamRoles,
        Self::PeersList,
        Self::PeerShow,
        Self::PeerHandshake,
        Self::SyncNow,
        Self::BackupsList,
        Self::IncidentsList,
        Self::IncidentShow,
        Self::IncidentReport,
        Self::IncidentUpdate,
        Self::Audit,
        Self::Receipts,
        Self::WipeCheck,
        Self::BundleHandshake,
        Self::BundleAnswer,
        Self::BundleComplete,
        Self::BundleExport,
        Self::BundleImport,
        Self::Why,
        Self::Outbox,
        Self::OutboxRetry,
        Self::Resources,
        Self::ResourcePublish,
        Self::ResourceVerify,
        Self::Contents,
        Self::ContentShow,
        Self::Dht,
        Self::Replication,
        Self::ReplicationRun,
    ];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::FactsList => "facts_list",
            Self::FactsHistory => "facts_history",
            Self::Divergences => "divergences",
            Self::ResolveDivergence => "resolve_divergence",
            Self::GenesList => "genes_list",
            Self::GeneShow => "gene_show",
            Self::GeneProve => "gene_prove",
            Self::GeneCheck => "gene_check",
            Self::GeneVerify => "gene_verify",
            Self::TeamMembers => "team_members",
            Self::TeamRoles => "team_roles",
            Self::PeersList => "peers_list",
            Self::PeerShow => "peer_show",
            Self::PeerHandshake => "peer_handshake",
            Self::SyncNow => "sync_now",
            Self::BackupsList => "backups_list",
            Self::IncidentsList => "incidents_list",
            Self::IncidentShow => "incident_show",
            Self::IncidentReport => "incident_report",
            Self::IncidentUpdate => "incident_update",
            Self::Audit => "audit",
            Self::Receipts => "receipts",
            Self::WipeCheck => "wipe_check",
            Self::BundleHandshake => "bundle_handshake",
            Self::BundleAnswer => "bundle_answer",
            Self::BundleComplete => "bundle_complete",
            Self::BundleExport => "bundle_export",
            Self::BundleImport => "bundle_import",
            Self::Why => "why",
            Self::Resources => "resources",
            Self::ResourcePublish => "resource_publish",
            Self::ResourceVerify => "resource_verify",
            Self::Contents => "contents",
            Self::ContentShow => "content_show",
            Self::Dht => "dht",
            Self::Replication => "replication",
            Self::ReplicationRun => "replication_run",
            Self::Outbox => "outbox",
            Self::OutboxRetry => "outbox_retry",
        }
    }

    /// Whether it changes nothing. Making a request by hand notes its nonce, so that is a write.
    pub(super) const fn only_reads(self) -> bool {
        !matches!(
            self,
            Self::PeerHandshake
                | Self::SyncNow
                | Self::ResolveDivergence
                | Self::IncidentReport
                | Self::IncidentUpdate
                | Self::BundleHandshake
                | Self::BundleAnswer
                | Self::BundleComplete
                | Self::BundleImport
                | Self::ResourcePublish
                | Self::ResourceVerify
                | Self::OutboxRetry
                | Self::ReplicationRun
        )
    }
}

/// Runs a tool.
pub(super) async fn run(
    service: &Service,
    tool: More,
    arguments: JsonObject,
    caller: Caller,
) -> Result<Rendered, Problem> {
    match tool {
        More::FactsList | More::FactsHistory => facts(service, tool, arguments).await,
        More::Divergences => {
            let args::Divergences { id, limit, after } = read(arguments)?;
            match id {
                Some(id) => show::divergence(&service.divergence(&id).await?),
                None => {
                    let filter = DivergenceFilterDto { limit: Some(args::page(limit)), after };
                    show::divergences(&service.divergences(filter).await?)
                }
            }
        }
        More::ResolveDivergence => {
            let (id, resolve) = read::<args::ResolveDivergence>(arguments)?.into_resolve(caller);
            show::resolved(&service.resolve(&id, resolve).await?)
        }
        More::GenesList | More::GeneShow | More::GeneProve | More::GeneCheck | More::GeneVerify => {
            genes(service, tool, arguments).await
        }
        More::TeamMembers => {
            let Nothing {} = read(arguments)?;
            show::members(&service.members().await?)
        }
        More::TeamRoles => {
            let Nothing {} = read(arguments)?;
            show::roles(&service.roles().await?)
        }
        More::PeersList | More::PeerShow | More::PeerHandshake | More::SyncNow | More::BackupsList => {
            peers(service, tool, arguments).await
        }
        More::Why => {
            let args::Why { peer, fact } = read(arguments)?;
            show::why(&service.why(fact.as_deref(), &peer).await?)
        }
        More::IncidentsList | More::IncidentShow | More::IncidentReport | More::IncidentUpdate => {
            incidents(service, tool, arguments, caller).await
        }
        More::Audit => audit::run(service, arguments).await,
        More::Outbox => outbox::show(service, arguments).await,
        More::Dht => dht::show(service, arguments).await,
        More::OutboxRetry => outbox::retry(service, arguments).await,
        More::Resources | More::ResourcePublish | More::ResourceVerify => {
            resources::run(service, tool, arguments).await
        }
        More::Replication | More::ReplicationRun => replication::run(service, tool, arguments).await,
        More::Contents | More::ContentShow => contents::run(service, tool, arguments).await,
        More::Receipts | More::WipeCheck => custody::run(service, tool, arguments).await,
        _ => bundles(service, tool, arguments).await,
    }
}

async fn facts(service: &Service, tool: More, arguments: JsonObject) -> Result<Rendered, Problem> {
    if tool == More::FactsHistory {
        let ById { id } = read(arguments)?;
        return show::history(&service.history(&id).await?);
    }
    let filter = read::<Facts>(arguments)?.into_filter();
    show::facts(service.facts(filter).await?, service.now())
}

async fn genes(service: &Service, tool: More, arguments: JsonObject) -> Result<Rendered, Problem> {
    match tool {
        More::GenesList => {
            let Nothing {} = read(arguments)?;
            show::genes(&service.genes().await?)
        }
        More::GeneShow => {
            let ById { id } = read(arguments)?;
            show::gene(&service.gene(&id).await?)
        }
        More::GeneProve => {
            let ById { id } = read(arguments)?;
            show::proof(&service.prove_gene(&id).await?)
        }
        More::GeneCheck => show::proven(&service.check_proof(read::<CheckProofDto>(arguments)?).await?),
        _ => {
            let Nothing {} = read(arguments)?;
            show::genome_report(&service.verify_genome().await?)
        }
    }
}

async fn peers(service: &Service, tool: More, arguments: JsonObject) -> Result<Rendered, Problem> {
    match tool {
        More::PeerShow => {
            let Peer { peer } = read(arguments)?;
            show::peer(&service.peer(&peer).await?)
        }
        More::PeerHandshake => {
            let Address { address } = read(arguments)?;
            show::handshake(&service.handshake(&address).await?)
        }
        More::SyncNow => {
            let ask: SyncNowDto = read(arguments)?;
            show::peers(&service.sync_now(&ask).await?)
        }
        More::BackupsList => {
            let Nothing {} = read(arguments)?;
            show::backups(&service.backups().await?)
        }
        _ => {
            let Nothing {} = read(arguments)?;
            show::peers(&service.peers().await?)
        }
    }
}

async fn incidents(service: &Service, tool: More, arguments: JsonObject, caller: Caller) -> Result<Rendered, Problem> {
    match tool {
        More::IncidentShow => {
            let ById { id } = read(arguments)?;
            show::incident(&service.incident(&id).await?)
        }
        More::IncidentReport => {
            let incident = read::<Report>(arguments)?.into_incident(caller);
            written("reported", service.report_incident(incident).await?)
        }
        More::IncidentUpdate => {
            let update: UpdateIncident = read(arguments)?;
            let (id, edit) = update.into_edit(caller);
            written("updated", service.update_incident(&id, edit).await?)
        }
        _ => show::incidents(&service.incidents(read::<Incidents>(arguments)?.into_filter()).await?),
    }
}

async fn bundles(service: &Service, tool: More, arguments: JsonObject) -> Result<Rendered, Problem> {
    let file = match tool {
        More::BundleComplete => {
            let Document { document } = read(arguments)?;
            return show::carried(&service.bundle_complete(document.as_bytes()).await?);
        }
        More::BundleImport => {
            let Document { document } = read(arguments)?;
            return show::imported(&service.bundle_import(document.as_bytes(), BundleTakeDto::default()).await?);
        }
        More::BundleAnswer => {
            let Answer { document, export } = read(arguments)?;
            let take = BundleTakeDto { export: Some(export), ..BundleTakeDto::default() };
            service.bundle_answer(document.as_bytes(), take).await?
        }
        More::BundleHandshake => {
            let Handshake { peer, export } = read(arguments)?;
            service.bundle_handshake(BundleAskDto { peer, export, ..BundleAskDto::default() }).await?
        }
        _ => {
            let args::Export { peer, since } = read(arguments)?;
            service.bundle_export(BundleAskDto { peer, since, ..BundleAskDto::default() }).await?
        }
    };
    if file.bytes > DOCUMENT_BYTES_MAX {
        let what = format!("the document has {} bytes, an agent is handed at most {DOCUMENT_BYTES_MAX}", file.bytes);
        return Err(Problem::new(Code::TooLarge, what)
            .hint("a person can write it to a file: antiphon bundle export --for PEER > facts.json"));
    }
    let bytes = BASE64.decode(file.file.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let document = bytes.ok_or_else(|| Problem::new(Code::Failed, "the document is no text"))?;
    show::document(&file, document)
}
