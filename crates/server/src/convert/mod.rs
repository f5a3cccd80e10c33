//! Between the documented shapes and the node's values. Everything that knows both is here.

mod bundle;
mod custody;
mod divergence;
mod draft;
mod erasure;
mod federation;
mod incident;
mod page;
mod recovery;
mod restored;
mod team;
mod trust;
mod view;

pub(crate) use bundle::{carried, cursor, imported};
pub(crate) use custody::{fact_receipts, receipts, wipe_check};
pub(crate) use divergence::{choice_of, divergence, fact_sides, resolved};
pub(crate) use draft::{Actor, after_of, duration_of, edit_of, filter_of, provenance_of, query_of, remember_of};
pub(crate) use erasure::erasure;
pub(crate) use federation::{federation, share, why};
pub(crate) use incident::{
    after_incident_of, incident, incident_filter_of, incident_history, incidents, report_of, update_of,
};
pub(crate) use page::{node_named, page};
pub(crate) use recovery::{expected_of, former_place, recovery, sealed, sealed_to};
pub(crate) use team::{change_name, changed, gene, gene_proof, genes, genome_report, member, members, role};
pub(crate) use trust::{audit_line, backup, counters, mode, peer_stats};
pub(crate) use view::{Seen, fact, handshake, history, invitation, joined, peer, recall, status, verify, written};
