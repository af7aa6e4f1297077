//! Presence: a device is online while the newest of what it sent is fresh enough. Silence counts only while Pulso could
//! take data in (`pulso_shared::presence`).
//!
//! ```text
//!  probe: this replica could take data in ─▶ queue ─▶ worker ─▶ ingest_availability(): stored through, outage windows
//!  routes ─▶ queries ─▶ store ◀─ ingest_availability(), device_state (status now), device_status_changes (timeline)
//! ```

mod probe;
mod queries;
pub mod routes;
mod store;
mod types;

pub use probe::publish_probes;
pub use queries::availability;
pub use types::PresenceStatus;
