//! How many readings of which devices: counted in memory by whoever accepts or stores them, and written down by owner
//! every few seconds. What a process had not written down when it was killed is missing from the rates, nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use uuid::Uuid;

use crate::ids::DeviceId;

/// How often counts are written down: several times a slot.
pub const FLUSH_EVERY: Duration = Duration::from_secs(3);
/// Adds counts to those of the present slot: `$1` devices, `$2` accepted, `$3` stored, `$4` slot, `$5` source.
pub const FLUSH: &str = include_str!("flush.sql");
/// Deletes what no rate is made of any more: `$1` is the oldest slot that stays.
pub const FORGET: &str = "DELETE FROM ingest_tallies WHERE slot < $1";
/// What is counted together.
const SLOT: TimeDelta = TimeDelta::seconds(10);
/// What a rate is made of.
pub const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// The slot that `instant` is in.
#[must_use]
pub fn slot_of(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.duration_trunc(SLOT).unwrap_or(instant)
}

/// Readings by device since the last time they were taken.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<DeviceId, i64>>);

impl Tally {
    /// Counts one reading of each of `devices`.
    pub fn add(&self, devices: impl IntoIterator<Item = DeviceId>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for device in devices {
            let count = counts.entry(device).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Takes what was counted: devices, and how many readings of each.
    #[must_use]
    pub fn take(&self) -> (Vec<Uuid>, Vec<i64>) {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_iter().map(|(device, count)| (device.as_uuid(), count)).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, slot_of};
    use crate::ids::DeviceId;

    #[test]
    fn readings_are_counted_by_device_and_taken_once() {
        let (tally, one, other) = (Tally::default(), DeviceId::generate(), DeviceId::generate());
        tally.add([one, other, one]);
        let (devices, counts) = tally.take();
        let mut counted: Vec<_> = devices.into_iter().zip(counts).collect();
        counted.sort_by_key(|(_, count)| *count);
        assert_eq!(counted, [(other.as_uuid(), 1), (one.as_uuid(), 2)]);
        assert_eq!(tally.take(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_slot_is_ten_seconds() {
        let slot = slot_of("2026-11-25T08:00:19.999999Z".parse().unwrap());
        assert_eq!(slot.to_rfc3339(), "2026-11-25T08:00:10+00:00");
    }
}
