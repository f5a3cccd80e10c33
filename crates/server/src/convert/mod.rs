//! Between the documented shapes and the node's values. Everything that knows both is here.

mod announce;
mod bundle;
mod content;
mod custody;
mod dht;
mod divergence;
mod doctor;
mod draft;
mod erasure;
mod export;
mod federation;
mod incident;
mod message;
mod outbox;
mod page;
mod recall;
mod recovery;
mod replication;
mod resource;
mod restored;
mod team;
mod trail;
mod trust;
mod view;

pub(crate) use bundle::{carried, cursor, imported};
pub(crate) use content::{
    address_of, content, content_cursor, content_metrics, content_plan, content_provider, content_query_of,
    content_stored, new_content_of, open_content, whole_address_of,
};
pub(crate) use custody::{fact_receipts, receipts, wipe_check};
pub(crate) use dht::{dht_peer, dht_provided, dht_provider, dht_record, dht_stats, dht_status, dht_stored};
pub(crate) use divergence::{choice_of, divergence, fact_sides, resolved};
pub(crate) use doctor::doctor;
pub(crate) use draft::{Actor, after_of, duration_of, edit_of, filter_of, provenance_of, remember_of};
pub(crate) use erasure::erasure;
pub(crate) use export::exported;
pub(crate) use federation::{federation, share, why};
pub(crate) use incident::{
    after_incident_of, incident, incident_filter_of, incident_history, incidents, report_of, update_of,
};
pub(crate) use message::{inbox_of, message, message_of, messages};
pub(crate) use outbox::{outbox_item, outbox_items, outbox_levels, outbox_retried, outbox_stats};
pub(crate) use page::{node_named, page};
pub(crate) use recall::{add_told, moment_of, query_of, recall, shown, shown_of};
pub(crate) use recovery::{expected_of, former_place, recovery, sealed, sealed_to};
pub(crate) use replication::{
    garbage, health_counts, health_of, holder, priority_of, replica, replication_cursor, replication_cursor_of,
    replication_metrics,
};
pub(crate) use resource::{
    offer, planned_use_of, question_of, resource_detail, resource_edit_of, resource_filter_of, resource_of,
    resource_search, resource_told, resource_verified, resources, windows_of,
};
pub(crate) use team::{change_name, changed, gene, gene_proof, genes, genome_report, member, members, role};
pub(crate) use trail::{trail_line, trail_verdict};
pub(crate) use trust::{audit_line, backup, counters, mode, peer_stats};
pub(crate) use view::{Seen, fact, handshake, history, invitation, joined, peer, status, verify, written};
