//! The embedded database of an Antiphon node: log, projections, search.
