//! Devices as a sheet (CSV, RFC 4180): imported as a whole or not at all, and exported in the same form.
//!
//! ```text
//!  POST /devices/import ─▶ read: bytes ─▶ rows, every fault by its line ─▶ commands: one transaction ─▶ store
//!  GET  /devices/export ─▶ queries: page by page ─▶ store; write ─▶ the client, while it reads
//!                                            └ cell: no cell is ever a formula
//! ```

mod cell;
mod commands;
mod queries;
mod read;
pub(super) mod routes;
mod store;
mod types;
mod write;
