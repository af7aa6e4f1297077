//! Devices and their secrets.

mod credentials;
mod registry;
mod servers;
mod sheets;
