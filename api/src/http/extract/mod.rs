//! What handlers take in their signatures: a parsed body, a query, a page, a precondition.

pub mod accept;
mod arrival;
pub mod blank;
pub mod body;
pub mod etag;
pub mod fields;
pub mod form;
pub mod json;
pub mod large_bodies;
pub mod page;
pub mod path;
pub mod query;
pub mod value;
