//! Devices and their secrets.

mod credentials;
mod quota;
mod registry;
mod servers;
mod sheets;
