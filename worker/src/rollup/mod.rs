//! Rollups: what each device sent in an hour, computed once the hour is over, and again when a late row has come.
//!
//! ```text
//!  storage transaction: rows, and a mark for each hour before `marking_until` ─┐ one shared advisory lock
//!  roller (one among all workers):                                              │
//!    1. marking_until ─▶ the last full hour    (alone: waits for transactions) ─┘
//!    2. rolled_until ─▶ some hours further: their rollups from raw, until it has reached marking_until
//!    3. marks before rolled_until taken away, their hours computed again: one transaction
//!  reader: one snapshot; rollups before rolled_until without a mark, raw rows for all the rest
//! ```
//!
//! Why that is exact. A row that is stored while `marking_until` is before its hour is visible to step 2, because step
//! 1 has waited for its transaction; any later one leaves a mark. A mark is taken away before its hour is computed, by
//! an earlier statement; whatever it stood for has committed with it and is seen; a mark made meanwhile is another row
//! and stays for the next round.

mod compute;
mod frontier;
mod marks;
mod roller;

pub use roller::keep_rolled;
