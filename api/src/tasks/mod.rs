//! Tasks: what people have to do, about a device of theirs or about anything. Each user has their own; nobody else sees
//! them.
//!
//! ```text
//!  routes ─▶ commands, queries ─▶ store ─▶ tasks
//!     ├▶ list_query: which tasks, and which page of them ─▶ folding: text as it is searched
//!     └▶ types
//! ```

mod commands;
mod folding;
mod list_query;
mod queries;
pub mod routes;
mod store;
mod types;

pub use commands::fold_titles;
