//! Devices as a sheet (CSV, RFC 4180): imported as a whole or not at all, and exported in the same form.
//!
//! ```text
//!  POST /devices/import ─▶ read: bytes ─▶ rows, every fault by its line ─▶ commands: one transaction ─▶ store
//!  GET  /devices/export ─▶ queries: page by page ─▶ store; write ─▶ the client, while it reads
//!                                            └ cell: no cell is ever a formula
//! ```

mod cell;
mod commands;
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::expect_used, clippy::panic, reason = "a property that does not hold says so")]
mod properties;
mod queries;
mod read;
pub(super) mod routes;
mod store;
mod types;
mod write;

#[cfg(any(test, feature = "fuzzing"))]
pub use properties::sheet_property;
