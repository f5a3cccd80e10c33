//! Shared memory for AI agents that lives on your own machines.
fn main() {}
