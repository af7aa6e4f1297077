//! Servers: devices under the name that older clients use, which need no credential to send.

mod commands;
mod queries;
pub(super) mod routes;
mod types;
