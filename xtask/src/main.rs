//! Chores of the project: tidy, docs, release.
fn main() {}
