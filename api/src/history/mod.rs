//! What devices sent, read back.
//!
//! ```text
//!  caller ─▶ access::Reader: the device's owner, or the device itself; for anybody else it does not exist
//!  query ──▶ HistoryQuery::parse ─▶ Stretch ─▶ store ─▶ rows ─▶ JSON, Link: rel="next"
//!              └▶ every fault of the query, named
//! ```

mod access;
mod metrics;
pub mod routes;
mod rows;
mod store;
mod stretch;
mod types;

pub use rows::Latest;
pub use store::list_latest;
pub use stretch::Cursor;
pub use types::parse_instant;
