//! What a device sent, read back.
//!
//! ```text
//!  caller ─▶ access::Reader: the device's owner, or the device itself; for anybody else it does not exist
//!  query ──▶ HistoryQuery::parse ─┬▶ RowsQuery ───▶ queries ─▶ store ─▶ rows ─▶ JSON or CSV, Link: rel="next"
//!              │                  └▶ PointsQuery ─▶ queries ─▶ aggregation ──▶ JSON or CSV, ETag
//!              └▶ every fault of the query, by name
//! ```

mod access;
mod csv;
mod queries;
pub mod routes;
mod store;
mod types;
mod windows;

pub use access::Reader;
pub use queries::list_latest;
pub use store::custom_metrics::CustomMetrics;
pub use store::rows::Latest;
