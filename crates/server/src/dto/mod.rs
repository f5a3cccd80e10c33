//! The documented JSON shapes of the doors. They are apart from the core's types so that either can change without
//! the other: what is signed has one canonical encoding, what is shown has this one.
//!
//! Ids are texts, times are RFC 3339 texts in UTC. A key whose value is not known is left out. What comes in is
//! strict: an unknown key is an error that names it. What goes out may grow new keys.

mod arg;
mod fact;
mod incident;
mod node;
mod recall;
mod team;
mod trust;

pub use arg::{Change, Scalar};
pub use fact::{
    ActorDto, AnchorDto, BatchDto, BatchItemDto, BatchResultDto, EditDto, FactDto, FactFilterDto, FactsDto, HistoryDto,
    HistoryEntryDto, NewFactDto, ProvenanceDto, WrittenDto,
};
pub use incident::{IncidentDto, IncidentEditDto, IncidentFilterDto, IncidentsDto, NewIncidentDto, SideDto};
pub use node::{
    FindingDto, GeneDto, GenesDto, HandshakeDto, HandshakeRequestDto, OutboxDto, PeerDto, PeersDto, ReasonDto,
    StateHashDto, StatusDto, TeamDto, VerifyDto,
};
pub use recall::{HitDto, RecallDto, RecallRequestDto};
pub use team::{InvitationDto, InviteDto, JoinDto, JoinedDto, RevokeDto, RevokedDto};
pub use trust::{
    AuditDto, AuditFilterDto, AuditLineDto, BackupDto, BackupsDto, CountersDto, HeadDto, HealthDto, HealthErrorDto,
    PeerIdDto, PeerStatsDto, RefusalDto, TransitionDto,
};
