//! What handlers ask for in their signatures: the caller, a parsed body, a page.

pub mod auth;
pub mod body;
pub mod etag;
pub mod form;
pub mod json;
pub mod page;
pub mod path;
