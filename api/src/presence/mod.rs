//! Who is there: a device is online while the newest of what it sent is fresh enough.

pub mod routes;
mod store;
mod types;

pub use types::{PresenceStatus, status_at};
