//! Rollups: what each device sent in an hour, computed once the hour is closed, and again when a late row has made it
//! dirty.
//!
//! ```text
//!  storage transaction: rows, and a dirty bucket for each hour before `closed_until` ─┐ one shared advisory lock
//!  roller (one worker at a time):                                                     │
//!    1. closed_until ─▶ the last full hour   (exclusive: waits for transactions) ─────┘
//!    2. rolled_until ─▶ some hours further: their rollups from raw rows, until it has reached closed_until
//!    3. dirty buckets before rolled_until deleted, and computed again: one transaction
//!  reader: one snapshot; rollups of clean buckets before rolled_until, raw rows for all the rest
//! ```
//!
//! Why that is exact. A row that is stored while `closed_until` is before its hour is visible to step 2, because step 1
//! has waited for its transaction; any later one makes its bucket dirty. A dirty bucket is deleted before it is
//! computed, by an earlier statement, so the rows that made it dirty are committed and visible; when it becomes dirty
//! meanwhile, that is another row of `dirty_buckets`, and stays for the next round.

mod compute;
mod dirty_buckets;
mod rebuild;
mod roller;
mod watermark;

pub use roller::run;
