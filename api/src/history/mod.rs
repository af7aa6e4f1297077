//! What devices sent, read back.
//!
//! ```text
//!  caller ─▶ access::Reader: the device's owner, or the device itself; for anybody else it does not exist
//!  query ──▶ HistoryQuery::parse ─┬▶ RawQuery ────▶ store ─▶ rows ─▶ JSON or CSV, Link: rel="next"
//!              │                  └▶ PointsQuery ─▶ points: grid (intervals) ─▶ partials (SQL) ─▶ JSON or CSV, ETag
//!              └▶ every fault of the query, named
//!  GET /data ▶ data_query ─▶ data_routes ─┬▶ data_raw: page after page, no connection held between them
//!                                         └▶ data_points: piece after piece, by the same grid and partials;
//!                                            short ones about times that are over from answers, while their version holds
//! ```
//!
//! How an aggregated answer is exact is told in `docs/reading.md`.

mod access;
mod answers;
mod csv;
mod data_points;
mod data_query;
mod data_raw;
mod data_routes;
mod grid;
mod measure;
mod metrics;
mod partials;
mod plan;
mod points;
pub mod routes;
mod rows;
mod store;
mod stretch;
mod types;
mod version;
mod zone;

pub use answers::Answers;
pub use rows::Latest;
pub use store::list_latest;
pub use stretch::Cursor;
pub use types::parse_instant;
