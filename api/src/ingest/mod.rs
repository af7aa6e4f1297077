//! What devices send: heartbeats and sensor readings, one at a time or in arrays.
//!
//! ```text
//!  request ─▶ IngestRequest ─▶ Body ─▶ RawItem ─▶ Measured ─▶ Submission ─▶ Receipt ─▶ 2xx
//!             (request)       (item)     │ target: which device, may this caller send for it
//!                                        ├ item rules: every fault of every item, named
//!                                        └ limit: the device's budget
//! ```

mod accepted;
mod ack;
mod array;
mod context;
mod in_flight;
mod intake;
mod item;
mod limit;
mod metrics;
mod parts;
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::expect_used, reason = "a property that does not hold says so")]
mod properties;
mod rejections;
mod request;
pub mod routes;
mod rules;
mod stored;
mod target;
mod types;

pub use parts::{IngestParts, IngestThread};
#[cfg(any(test, feature = "fuzzing"))]
pub use properties::body_property;
pub use stored::StoredWatch;
