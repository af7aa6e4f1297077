//! Devices and their credentials. A device belongs to the user who registered it; nobody else can see that it exists.
//!
//! ```text
//!  routes, server_routes ─▶ lifecycle, deletion, views ─▶ store ─▶ devices, device_state
//!  credential_routes ─────▶ credentials ────────────────▶ credential_store ─▶ device_credentials
//!          └▶ body ◀ types, spans; answer
//!  sheet ─▶ many at once, as CSV
//!  orders ────────────────▶ bought: devices that were shipped, registered for their buyer
//!  ingest ────────────────▶ registry: who may send for which device, from memory
//! ```
//!
//! A server is a device that was registered at `/servers`.

mod answer;
mod body;
mod bought;
mod credential_routes;
mod credential_store;
mod credentials;
mod deletion;
mod lifecycle;
mod registry;
pub mod routes;
mod server_routes;
mod sheet;
mod spans;
mod store;
mod types;
mod views;

use crate::http::error::ApiError;

pub use bought::register_bought;
pub use deletion::{DeletedDevices, announce_deleted, delete_all_of};
pub use registry::{DeviceFacts, DeviceName, DeviceRegistry};
pub use store::{OnlineBounds, online_bounds};

/// For a device that is not there, and for somebody else's.
const NO_DEVICE: ApiError = ApiError::NotFound("device");
