//! One item of a request: from bytes to what it measured, or to its faults, all of them at once.
//!
//! ```text
//!  bytes ─▶ body::parse ─▶ RawItem (fields as they came) ─▶ measured::check ─▶ Measured | ItemFaults
//! ```

mod body;
mod faults;
mod field;
mod ignored;
mod kind;
mod measured;
mod not_finite;
mod object;
mod raw;
mod time;
mod values;

pub use body::{Body, Items, MAX_ITEMS, parse, parse_otherwise, unreadable_value};
pub use faults::ItemFaults;
pub use field::{Field, Named};
pub use ignored::IgnoredNames;
pub use kind::Kind;
pub use measured::{Measured, check};
pub use raw::RawItem;
pub use time::{GivenTimestamps, TimeRules};
