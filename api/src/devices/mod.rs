//! Devices. A device belongs to the user who registered it; nobody else can see that it exists.
//!
//! ```text
//!  routes ─▶ commands, queries ─▶ store ─▶ devices, device_state
//!     └▶ types ─▶ kind, serial_number, offline_after
//!  credentials/  their secrets and tokens            servers/  devices that older clients register at `/servers`
//!  sheet/        many at once, as CSV
//!  quota         how many one account may have
//!  ingest ─▶ registry: who may send for which device, from memory ─▶ store
//! ```

mod commands;
mod credentials;
mod kind;
mod list_query;
mod offline_after;
mod queries;
mod quota;
mod registry;
pub mod routes;
mod serial_number;
mod servers;
mod sheet;
mod store;
mod types;

pub use commands::register_bought;
pub use quota::DeviceQuota;
pub use registry::{DeviceFacts, DeviceName, DeviceRegistry};
pub use store::{OnlineBounds, online_bounds};
