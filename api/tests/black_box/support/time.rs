//! Timestamps as devices write them.

/// The present instant moved by some seconds.
pub fn seconds_from_now(offset_s: i64) -> String {
    (pulso_shared::clock::Clock::system().now() + chrono::TimeDelta::seconds(offset_s)).to_rfc3339()
}
