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
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::panic, reason = "a property that does not hold says so")]
mod properties;
mod queries;
pub mod routes;
mod store;
mod types;
mod windows;

pub use access::Reader;
#[cfg(any(test, feature = "fuzzing"))]
pub use properties::query_property;
pub use queries::list_latest;
pub use store::custom_metrics::CustomMetrics;
pub use store::rows::Latest;
