//! What handlers ask for in their signatures: the caller, a parsed body, a page.

pub mod auth;
pub mod json;
pub mod page;
pub mod path;
