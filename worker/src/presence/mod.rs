//! The offline clock: who has gone, and who is back, without ever blaming a device for what Pulso did not hear.
//!
//! ```text
//!  api replicas ──beats, behind the data──▶ queue ─▶ batch committed ─▶ beats ─▶ ingest_beats    heard since … until
//!  every worker: holdings ─▶ marks ─────────────────────────────────────────────▶ storage_marks   stored until
//!                                                                                     │
//!                                       hearing(): heard_through, the deaf spans ◀────┘
//!                                             ▼
//!  one worker, under an advisory lock: clock ─▶ roster (shared::presence::IngestAvailability) ─▶ device_status_changes
//! ```
//!
//! A device is judged as of `heard_through`, up to which everything that the API took in is stored. When storage falls
//! behind, that instant stands still, and so does the clock. When no API replica could take anything in, there is a
//! gap between the beats, and the gap does not count.

mod beats;
mod clock;
mod holdings;
mod marks;
mod roster;
mod store;

pub use beats::record_beats;
pub use clock::keep_clock;
pub use holdings::Holdings;
pub use marks::Marks;
