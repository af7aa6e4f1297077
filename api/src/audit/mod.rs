//! The audit log: who did what, when, and how it was before and after.
//!
//! ```text
//!  other domains ─▶ record, in the transaction that makes the change ─▶ audit_log
//!  routes ────────▶ queries, for administrators ────────────────────▶ audit_log
//! ```

mod commands;
mod queries;
pub mod routes;
mod store;
mod types;

pub use commands::record;
pub use types::AuditEvent;
