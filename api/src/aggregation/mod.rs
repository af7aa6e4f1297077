//! Statistics of stored rows by time bucket: one point a bucket.
//!
//! ```text
//!  AggregateQuery: Scope (whose rows), Measures (which statistic of which metrics), Buckets (minute, hour, days in a zone)
//!      │
//!      ├▶ store::load_bounds ─▶ DataBounds: the range that has rows, how far rollups are computed, which hours are dirty
//!      ├▶ Plan ─▶ the range that rollups answer for, the hours and the ends that raw rows answer for
//!      └▶ store::load_points: one statement over both ─▶ Point: one a bucket ─▶ points: JSON or CSV
//! ```
//!
//! How such a response is exact is described in `docs/reading.md`. HTTP, a device's history and the export build upon this;
//! nothing here knows of them.

mod buckets;
mod plan;
mod points;
mod statistic;
mod store;
mod time_zone;
mod types;

pub use buckets::{Aggregation, Buckets, MAX_BUCKETS, Step};
pub use points::{PointWriter, to_csv, to_json};
pub use statistic::{Measures, Metric, Statistic};
pub use store::{fragments, load_bounds, load_points, prepare_snapshot};
pub use time_zone::floor;
pub use types::{AggregateQuery, Point, Scope};
