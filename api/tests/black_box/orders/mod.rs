//! Orders, one at a time and many at once.

mod lifecycle;
mod races;
