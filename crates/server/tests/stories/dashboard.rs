//! What people see in a browser, and what nobody else does.

mod browser;
mod entrance;
mod live;
mod pages;
