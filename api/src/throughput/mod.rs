//! A fleet's summary: devices by status, and how much of what they send is accepted and stored.
//!
//! ```text
//!  broker: accepted readings by device ─▶ recorder ─┐ every few seconds, by owner
//!  worker: stored readings by device ───────────────┴▶ throughput_counts ─▶ store ─▶ queries ─▶ routes
//!                                                  devices, device_state ─┘          └◀ store queue depth
//! ```

mod queries;
mod recorder;
pub mod routes;
mod store;
mod types;

pub use recorder::keep_written;
