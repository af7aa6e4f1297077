//! Devices as a sheet (CSV, RFC 4180): taken in whole or not at all, and given out as they were taken in.
//!
//! ```text
//!  POST /devices/import ─▶ import: bytes ─▶ read ─▶ rows, every fault by its line ─▶ one transaction
//!  GET  /devices/export ─▶ export: page after page ─▶ write ─▶ the client, while it reads
//!                                       └ cell: no cell is ever a formula
//! ```

mod cell;
mod export;
mod import;
mod read;
pub mod routes;
mod store;
mod write;

/// The columns, in the order in which they are written.
const COLUMNS: [&str; 4] = ["name", "location", "sn", "description"];
