//! The audit log: who did what, when, and how it was before and after.
//!
//! ```text
//!  other domains ─▶ record, in the transaction that does the thing ─▶ audit_log
//!  routes ────────▶ list, for administrators ──────────────────────▶ audit_log
//! ```

pub mod routes;
mod store;

pub use store::{Deed, record};
