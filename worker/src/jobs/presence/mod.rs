//! Presence: which devices went offline or came back, without blaming a device for an outage of Pulso.
//!
//! ```text
//!  api replicas ─ watermark probes, behind the data ─▶ queue ─▶ batch committed ─▶ availability_runs
//!  every worker: InFlight ─▶ WatermarkReporter ──────────────────────────────────▶ worker_watermarks
//!                                                                                       │
//!                     ingest_availability(): stored_through, outage windows ◀───────────┘
//!                              ▼
//!  one worker: offline_detector ─▶ status_tracker (shared::presence) ─▶ device_status_changes
//! ```
//!
//! Devices are judged as of the watermark `stored_through`: all that the API accepted up to then is stored. When
//! storage falls behind, the watermark stands still, and nobody is judged. When no API replica could take data in,
//! there is a gap between the runs: an outage window, which does not count. Nor does a partial outage, for up to a
//! minute: one replica could not, while its devices still held on to it.

mod offline_detector;
mod status_tracker;
mod store;
mod watermark;

pub use offline_detector::run as run_offline_detector;
pub use watermark::WatermarkReporter;
