//! The documented JSON shapes of the doors. They are apart from the core's types so that either can change without
//! the other: what is signed has one canonical encoding, what is shown has this one.
//!
//! Ids are texts, times are RFC 3339 texts in UTC. A key whose value is not known is left out. What comes in is
//! strict: an unknown key is an error that names it. What goes out may grow new keys.

mod arg;
mod bundles;
mod content;
mod context;
mod custody;
mod dashboard;
mod dht;
mod divergence;
mod doctor;
mod erasure;
mod export;
mod fact;
mod federation;
mod gene;
mod history;
mod incident;
mod members;
mod message;
mod node;
mod outbox;
mod recall;
mod recovery;
mod replication;
mod resource;
mod restored;
mod settings;
mod team;
mod trail;
mod trust;

pub use arg::{Change, Scalar};
pub use bundles::{
    BadEntryDto, BundleAskDto, BundleFileDto, BundleTakeDto, CarriedDto, CursorDto, GapDto, ImportedDto, RefusedLogDto,
};
pub use content::{
    ContentAnnouncedDto, ContentAskDto, ContentCleanedDto, ContentDto, ContentFilterDto, ContentMetricsDto,
    ContentPlanDto, ContentProviderDto, ContentProvidersDto, ContentRemoveDto, ContentRemovedDto, ContentStatusDto,
    ContentStoredDto, ContentVersionsDto, ContentsDto, LeftOutDto, NewContentDto, RoleKeyAskDto, RoleKeyDto,
};
pub use context::{ContextAskDto, ContextDto, ContextItemDto};
pub use custody::{
    FactHoldingDto, FactReceiptsDto, MemberReceiptDto, ReceiptsAskedDto, ReceiptsDto, StuckDto, WipeCheckDto,
    WipeDocumentsDto, WipeItemDto,
};
pub use dashboard::{ChangedTopicsDto, DashboardLinkDto};
pub use dht::{
    DhtAnnounceDto, DhtBackendDto, DhtCardDto, DhtChoiceDto, DhtEnteredDto, DhtKeyDto, DhtOperationDto, DhtPeerDto,
    DhtPeerFilterDto, DhtPeersDto, DhtPointerDto, DhtProvideDto, DhtProvidedDto, DhtProviderDto, DhtProvidersDto,
    DhtProvidesDto, DhtQueueDto, DhtRecordDto, DhtStatsDto, DhtStatusDto, DhtStoredDto, DhtTopicDto, NewDhtRecordDto,
};
pub use divergence::{
    BeforeDto, DivergedFieldDto, DivergenceDto, DivergenceFilterDto, DivergencesDto, ResolveDto, ResolvedDto,
    ResolvedFieldDto, SideDto,
};
pub use doctor::{DoctorCheckDto, DoctorDto, DoctorFindingDto, DoctorMendDto};
pub use erasure::{ErasedAtDto, ErasureDto};
pub use export::{
    EXPORT_VERSION, ExportAskDto, ExportBeginDto, ExportEndDto, ExportLineDto, ExportedFactDto, KnownAskDto, KnownDto,
    RecordedDto,
};
pub use fact::{
    ActorDto, AnchorDto, BatchDto, BatchItemDto, BatchResultDto, EditDto, FactAskDto, FactDto, FactFilterDto, FactsDto,
    HistoryDto, HistoryEntryDto, LEFT_WITH_OTHERS, NewFactDto, ProvenanceDto, WrittenDto,
};
pub use federation::{
    CursorsDto, FederationDto, ForkDto, ModeDto, PeerSettingsDto, PeerStandingDto, ShareDto, SyncNowDto, UncountedDto,
    WhyAskDto, WhyDto, WhyFindingDto,
};
pub use gene::{CheckProofDto, GeneAddedDto, GeneDto, GenesDto, GenomeReportDto, NewGeneDto, ProofDto, ProvenDto};
pub use history::{FigureDto, FigureLineDto, FigurePointDto, FiguresAskDto, FiguresDto};
pub use incident::{IncidentDto, IncidentEditDto, IncidentFilterDto, IncidentsDto, NewIncidentDto};
pub use members::{
    AdoptDto, AdoptedDto, ApproveDto, ChangedDto, FormerDto, GrantedDto, MemberDto, MembersDto, RenewDto, RevokeDto,
    RevokedDto, RoleDto, RolesDto, RotateDto, RotatedDto, SetRolesDto, StewardDto, WaitingDto,
};
pub use message::{
    DeleteMessagesDto, DeletedMessagesDto, MarkReadDto, MarkedDto, MessageDto, MessageFilterDto, MessageReceiverDto,
    MessagesDto, NewMessageDto,
};
pub use node::{
    FindingDto, HandshakeDto, HandshakeRequestDto, NothingDto, PeerDto, PeersDto, ReasonDto, SharesDto, StateHashDto,
    StatusDto, StorageDto, TeamDto, VerifyDto,
};
pub use outbox::{
    OutboxBoundsDto, OutboxCountersDto, OutboxDto, OutboxFilterDto, OutboxItemDto, OutboxItemsDto, OutboxLevelDto,
    OutboxLevelsDto, OutboxPeerDto, OutboxRestoredDto, OutboxRetriedDto, OutboxRetryDto, OutboxStatsDto, OutboxWaitDto,
};
pub use recall::{
    AskedMemberDto, ExplanationDto, FoldedDto, HitDto, RecallDto, RecallRequestDto, ShownDto, ToldByDto, WordPartDto,
};
pub use recovery::{
    CopyGapDto, DamagedPartDto, ExpectedLogDto, FormerPlaceDto, FormerPlaceRequestDto, HolderDto, KeptForDto,
    RecoverDto, RecoveryDto, RecoveryRequestDto, SealDto, SealResultDto, SealedDto, SealedToDto, UnaskedDto,
    UnsealedDto,
};
pub use replication::{
    GarbageDto, GarbageItemDto, HealthCountsDto, ReplicaDto, ReplicaHolderDto, ReplicaHoldersAskDto, ReplicaHoldersDto,
    ReplicationAskDto, ReplicationDto, ReplicationMetricsDto, ReplicationPriorityDto, ReplicationRanDto,
    ReplicationRunDto, ReplicationSettingsDto,
};
pub use resource::{
    ConsiderDto, NewConsiderDto, NewResourceDto, OfferDto, OfferListDto, OffersDto, ResourceCheckedDto,
    ResourceDetailDto, ResourceDto, ResourceEditDto, ResourceFilterDto, ResourcePlanDto, ResourceSearchDto,
    ResourceToldDto, ResourceVerifiedDto, ResourcesDto, SearchedPeerDto, WindowDto,
};
pub use restored::RestoredDto;
pub use settings::{NextSettingDto, ReloadedDto, SettingDto, SettingsDto};
pub use team::{InvitationDto, InviteDto, JoinDto, JoinedDto};
pub use trail::{TrailCheckDto, TrailDto, TrailFilterDto, TrailLineDto, TrailVerdictDto};
pub use trust::{
    AuditDto, AuditFilterDto, AuditLineDto, BackupDto, BackupsDto, CountersDto, HeadDto, HealthDto, HealthErrorDto,
    PeerIdDto, PeerStatsDto, RefusalDto, TransitionDto,
};
