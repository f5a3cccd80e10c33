//! The pages. Each is a file with its routes, what it shows, and a template of the same name.

mod audit;
mod card;
mod charter;
mod content;
mod divergences;
mod facts;
mod graph;
mod incidents;
mod invite;
mod messages;
mod metrics;
mod outbox;
mod overview;
mod peers;
mod settings;
mod wipe;
mod words;

use axum::Router;

use super::Dash;

/// Every page; each needs a session.
pub(super) fn routes() -> Router<Dash> {
    overview::routes()
        .merge(facts::routes())
        .merge(divergences::routes())
        .merge(peers::routes())
        .merge(wipe::routes())
        .merge(content::routes())
        .merge(messages::routes())
        .merge(outbox::routes())
        .merge(incidents::routes())
        .merge(charter::routes())
        .merge(audit::routes())
        .merge(metrics::routes())
        .merge(settings::routes())
        .merge(invite::routes())
}

/// What carries files; it needs a session too, and takes as long as the files are.
pub(super) fn files() -> Router<Dash> {
    content::files()
}
