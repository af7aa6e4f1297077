//! What one connection sends: its devices in turn, with timestamps that no other connection uses.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::HeaderValue;
use pulso_shared::clock::Clock;

use super::heartbeat_json::{MAX_HEARTBEAT_BYTES, TimestampWriter, put_heartbeat};
use crate::random::SeededRandom;

/// How long before the first heartbeat the simulated devices were started, µs.
const BOOTED_BEFORE_US: i64 = 86_400_000_000;

/// A device and its credentials.
#[derive(Debug, Clone)]
pub(super) struct Device {
    /// Its place in the plan's tokens.
    pub(super) index: usize,
    pub(super) authorization: HeaderValue,
}

/// One reading of a payload, as far as the ledger needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentReading {
    /// Microseconds since 1970.
    pub timestamp_us: i64,
    /// `cpu_usage` in hundredths of a percent.
    pub cpu_hundredths: u32,
}

/// One request's content; retried unchanged.
#[derive(Clone)]
pub(super) struct Payload {
    pub(super) device: usize,
    pub(super) authorization: HeaderValue,
    pub(super) body: Bytes,
    pub(super) items: usize,
    /// Filled only when a ledger is kept.
    pub(super) readings: Arc<[SentReading]>,
}

/// Which timestamps belong to a connection: those that are `slot` modulo `stride`. Connections that share a device
/// have different slots, so no two of them ever send the same (device, timestamp).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    stride: i64,
    slot: i64,
}

impl Grid {
    pub(super) fn new(stride: usize, slot: usize) -> Self {
        let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        Self { stride: number(stride).max(1), slot: number(slot) }
    }

    /// The first of `count` timestamps that end near `now` and come after `last`.
    fn first(self, now: i64, count: i64, last: i64) -> i64 {
        let aligned = now.saturating_sub(now.rem_euclid(self.stride)).saturating_add(self.slot);
        aligned.saturating_sub(count.saturating_sub(1).saturating_mul(self.stride)).max(self.next(last))
    }

    fn next(self, timestamp: i64) -> i64 {
        timestamp.saturating_add(self.stride)
    }
}

/// Makes one connection's payloads.
pub(super) struct Composer {
    devices: Vec<(Device, i64)>,
    next_device: usize,
    grid: Grid,
    array: Option<i64>,
    keeps_readings: bool,
    buffer: BytesMut,
    timestamp: BytesMut,
    boot_time: Bytes,
    timestamp_writer: TimestampWriter,
    random: SeededRandom,
}

impl Composer {
    /// For these devices; `array` items a request, or one heartbeat that is not in an array.
    pub(super) fn new(devices: Vec<Device>, grid: Grid, array: Option<u32>, keeps_readings: bool, seed: u64) -> Self {
        let mut timestamp_writer = TimestampWriter::new();
        let mut boot_time = BytesMut::new();
        timestamp_writer.write(&mut boot_time, now_us().saturating_sub(BOOTED_BEFORE_US));
        Self {
            // On the grid, so that every later timestamp is too.
            devices: devices.into_iter().map(|device| (device, grid.slot)).collect(),
            next_device: 0,
            grid,
            array: array.map(i64::from),
            keeps_readings,
            buffer: BytesMut::new(),
            timestamp: BytesMut::with_capacity(32),
            boot_time: boot_time.freeze(),
            timestamp_writer,
            random: SeededRandom::new(seed),
        }
    }

    /// The next device's next payload; `None` when there is no device.
    pub(super) fn compose(&mut self) -> Option<Payload> {
        let count = self.array.unwrap_or(1);
        let items = usize::try_from(count).unwrap_or(1);
        let (device, first) = self.next_device(count)?;
        let mut readings = Vec::new();
        // Reuses the memory of earlier payloads, once all of them have been answered.
        self.buffer.reserve(items.saturating_mul(MAX_HEARTBEAT_BYTES).saturating_add(2));
        self.bracket(b'[');
        for item in 0..count {
            if item > 0 {
                self.buffer.put_u8(b',');
            }
            let reading = self.put_reading(first.saturating_add(item.saturating_mul(self.grid.stride)));
            if self.keeps_readings {
                readings.push(reading);
            }
        }
        self.bracket(b']');
        let body = self.buffer.split().freeze();
        Some(Payload {
            device: device.index,
            authorization: device.authorization,
            body,
            items,
            readings: readings.into(),
        })
    }

    /// A random number at least 0 and below 1.
    pub(super) fn random_fraction(&mut self) -> f64 {
        self.random.fraction()
    }

    fn next_device(&mut self, count: i64) -> Option<(Device, i64)> {
        self.next_device = if self.next_device < self.devices.len() { self.next_device } else { 0 };
        let (device, last) = self.devices.get_mut(self.next_device)?;
        self.next_device = self.next_device.saturating_add(1);
        let first = self.grid.first(now_us(), count, *last);
        *last = first.saturating_add(count.saturating_sub(1).saturating_mul(self.grid.stride));
        Some((device.clone(), first))
    }

    fn put_reading(&mut self, timestamp_us: i64) -> SentReading {
        self.timestamp.clear();
        self.timestamp_writer.write(&mut self.timestamp, timestamp_us);
        let cpu_hundredths = put_heartbeat(&mut self.buffer, &self.timestamp, &self.boot_time, &mut self.random);
        SentReading { timestamp_us, cpu_hundredths }
    }

    fn bracket(&mut self, bracket: u8) {
        if self.array.is_some() {
            self.buffer.put_u8(bracket);
        }
    }
}

fn now_us() -> i64 {
    Clock::system().now().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::header::HeaderValue;
    use serde_json::Value;

    use super::{Composer, Device, Grid};

    fn device(index: usize) -> Device {
        Device { index, authorization: HeaderValue::from_static("Bearer x") }
    }

    #[test]
    fn connections_that_share_a_device_never_use_the_same_timestamp() {
        let mut seen = HashSet::new();
        for slot in 0..3 {
            let mut composer = Composer::new(vec![device(0)], Grid::new(3, slot), Some(10), true, 1);
            for _ in 0..100 {
                for reading in composer.compose().unwrap().readings.iter() {
                    assert!(seen.insert(reading.timestamp_us), "{}", reading.timestamp_us);
                }
            }
        }
    }

    #[test]
    fn devices_take_turns() {
        let mut composer = Composer::new(vec![device(4), device(7)], Grid::new(1, 0), None, false, 1);
        let turns: Vec<_> = (0..4).map(|_| composer.compose().unwrap().device).collect();
        assert_eq!(turns, [4, 7, 4, 7]);
    }

    #[test]
    fn one_heartbeat_is_an_object_and_several_are_an_array() {
        let body = |array| {
            let payload = Composer::new(vec![device(0)], Grid::new(1, 0), array, false, 1).compose().unwrap();
            serde_json::from_slice::<Value>(&payload.body).unwrap()
        };
        assert!(body(None).is_object());
        assert_eq!(body(Some(1)).as_array().unwrap().len(), 1);
        assert_eq!(body(Some(100)).as_array().unwrap().len(), 100);
    }

    #[test]
    fn timestamps_stay_near_the_present_and_grow() {
        let grid = Grid::new(10, 3);
        assert_eq!(grid.first(1_000_005, 1, 3), 1_000_003);
        assert_eq!(grid.first(1_000_005, 4, 3), 999_973);
        assert_eq!(grid.first(1_000_005, 1, 1_000_003), 1_000_013);
    }
}
