//! Secrets of devices, and the tokens they are exchanged for.

pub(super) mod commands;
mod queries;
pub(super) mod routes;
pub(super) mod store;
pub(super) mod types;
