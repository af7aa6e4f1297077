//! What people have to do: tasks of their own, seen by nobody else, about a device of theirs or about anything.
//!
//! ```text
//!  routes ─▶ listing (which page of which tasks), edits ─▶ store ─▶ tasks
//!     └▶ body ◀ types, folding; answer
//! ```

mod answer;
mod body;
mod edits;
mod folding;
mod listing;
pub mod routes;
mod store;
mod types;

use crate::http::error::ApiError;

/// For a task that is not there, and for somebody else's.
const NO_TASK: ApiError = ApiError::NotFound("task");
