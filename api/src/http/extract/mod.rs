//! What handlers ask for in their signatures: a parsed body, a page, a precondition.

pub mod accept;
pub mod body;
pub mod etag;
pub mod fields;
pub mod form;
pub mod json;
pub mod page;
pub mod path;
pub mod value;
