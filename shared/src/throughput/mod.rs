//! Throughput counters: how many readings of which devices a process accepted or stored. Counted in memory, added to
//! the owner's row every few seconds. A process that is killed loses the counts since its last flush, which only the
//! rates notice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use uuid::Uuid;

use crate::ids::DeviceId;

/// Several times a slot, so that a slot is nearly complete when it ends.
pub const FLUSH_EVERY: Duration = Duration::from_secs(3);
/// Adds counts to a slot: `$1` devices, `$2` accepted, `$3` stored, `$4` slot, `$5` source (the process).
pub const ADD_COUNTS: &str = include_str!("add_counts.sql");
const SLOT: TimeDelta = TimeDelta::seconds(10);
/// Rates are computed over this window.
pub const RATE_WINDOW: TimeDelta = TimeDelta::minutes(1);

/// The start of the slot that `instant` is in.
pub fn slot_of(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.duration_trunc(SLOT).unwrap_or(instant)
}

/// Readings by device since the last flush.
#[derive(Debug, Default)]
pub struct ThroughputCounter(Mutex<HashMap<DeviceId, i64>>);

impl ThroughputCounter {
    /// Counts one reading of each of `devices`.
    pub fn add(&self, devices: impl IntoIterator<Item = DeviceId>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for device in devices {
            let count = counts.entry(device).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Takes the counts: devices, and how many readings of each.
    pub fn take(&self) -> (Vec<Uuid>, Vec<i64>) {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_iter().map(|(device, count)| (device.as_uuid(), count)).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::{FLUSH_EVERY, RATE_WINDOW, SLOT, ThroughputCounter, slot_of};
    use crate::ids::DeviceId;

    #[test]
    fn readings_are_counted_by_device_and_taken_once() {
        let (counter, one, other) = (ThroughputCounter::default(), DeviceId::generate(), DeviceId::generate());
        counter.add([one, other, one]);
        let (devices, counts) = counter.take();
        let mut counted: Vec<_> = devices.into_iter().zip(counts).collect();
        counted.sort_by_key(|(_, count)| *count);
        assert_eq!(counted, [(other.as_uuid(), 1), (one.as_uuid(), 2)]);
        assert_eq!(counter.take(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_slot_is_ten_seconds() {
        let slot = |instant: &str| slot_of(instant.parse().unwrap()).to_rfc3339();
        assert_eq!(slot("2026-11-25T08:00:19.999999Z"), "2026-11-25T08:00:10+00:00");
        assert_eq!(slot("2026-11-25T08:00:20Z"), "2026-11-25T08:00:20+00:00");
        assert_eq!(slot("1969-12-31T23:59:59Z"), "1969-12-31T23:59:50+00:00");
    }

    #[test]
    fn a_rate_is_made_of_whole_slots_and_each_is_flushed_several_times() {
        assert_eq!(RATE_WINDOW.num_milliseconds() % SLOT.num_milliseconds(), 0);
        assert!(FLUSH_EVERY * 3 <= SLOT.to_std().unwrap());
    }

    #[test]
    fn nothing_is_lost_between_threads_that_count_and_one_that_flushes() {
        let (counter, device) = (ThroughputCounter::default(), DeviceId::generate());
        let flushed = std::thread::scope(|scope| {
            let counting: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1_000).for_each(|_| counter.add([device])))).collect();
            let mut flushed = 0;
            while counting.iter().any(|thread| !thread.is_finished()) {
                flushed += counter.take().1.iter().sum::<i64>();
            }
            flushed
        });
        assert_eq!(flushed + counter.take().1.iter().sum::<i64>(), 4_000);
    }
}
