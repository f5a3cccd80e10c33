//! Many Antiphon nodes in one process, driven by one seed.
