//! The one event loop of an Antiphon node and its public Handle.
