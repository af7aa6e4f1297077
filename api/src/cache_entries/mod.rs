//! A small cache for users' programs: a value under a key, for a while. Each user has a key space of their own.
//!
//! ```text
//!  routes ─▶ types (what a key, a value, a life may be) ─▶ commands, queries ─▶ crate::redis ─▶ Redis
//! ```
//!
//! An entry may be gone at any moment, as in any cache; while Redis is unavailable the routes answer 503.

mod commands;
mod queries;
pub mod routes;
mod types;

pub use commands::delete_all_of;
