//! A fleet at a glance: who is there, and how much of what they send is accepted and stored.
//!
//! ```text
//!  ingest ─▶ throughput (counts in memory) ─┐ every few seconds, by owner
//!  worker ─▶ its own counts ────────────────┴▶ throughput_counts ─▶ routes ◀─ devices, device_state
//!                                                                  └◀ the broker: how much waits
//! ```

pub mod routes;
mod store;
mod throughput;
mod types;

pub use throughput::Throughput;
