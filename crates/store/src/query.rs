//! Questions about facts, incidents, logs and the whole.

pub(crate) mod as_of;
pub(crate) mod counts;
pub(crate) mod divergence;
pub(crate) mod domain;
pub(crate) mod facts;
pub(crate) mod history;
pub(crate) mod incidents;
pub(crate) mod listing;
pub(crate) mod logs;
pub(crate) mod state;
