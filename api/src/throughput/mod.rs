//! A fleet at a glance: who is there, and how much of what they send is accepted and stored.
//!
//! ```text
//!  ingest ─▶ throughput (counts in memory) ─┐ every few seconds, by owner
//!  worker ─▶ its own counts ────────────────┴▶ ingest_tallies ─▶ routes ◀─ devices, device_state
//!                                                                  └◀ the broker: how much waits
//! ```

mod recorder;
pub mod routes;
mod store;
mod types;

pub use recorder::keep_written;
