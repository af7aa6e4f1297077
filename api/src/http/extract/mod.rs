//! What handlers take in their signatures: a parsed body, a query, a page, a precondition.

pub mod accept;
pub mod blank;
pub mod body;
pub mod etag;
pub mod fields;
pub mod form;
pub mod json;
pub mod page;
pub mod path;
pub mod query;
pub mod value;
