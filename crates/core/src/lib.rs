//! Words and laws of Antiphon: pure values, no IO.
pub mod ids;
pub mod sign;
pub mod time;
