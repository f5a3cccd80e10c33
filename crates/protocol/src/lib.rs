//! Conversations between Antiphon nodes as sans-IO state machines.
