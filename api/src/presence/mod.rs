//! Who is there: a device is online while the newest of what it sent is fresh enough, and silence counts only while
//! Pulso could hear (`pulso_shared::presence`).
//!
//! ```text
//!  beat: this replica could hear ─▶ queue ─▶ worker ─▶ ingest_availability()
//!  routes ─────────▶ types ─▶ store: ingest_availability(), device_state          who is there now
//!  timeline_routes ─▶ timeline_types ─▶ timeline_store                who was there when: the worker's changes
//! ```

mod beat;
pub mod routes;
mod store;
mod timeline_routes;
mod timeline_store;
mod timeline_types;
mod types;

pub use beat::keep_beating;
pub use store::hearing;
pub use types::PresenceStatus;
