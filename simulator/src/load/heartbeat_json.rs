//! Heartbeats as JSON, written into a reused buffer.
//!
//! Written by hand instead of with serde: the generator runs on the cores it measures, and this takes a third of serde's
//! time.

use bytes::{BufMut, BytesMut};
use chrono::DateTime;

use crate::random::SeededRandom;

/// Length of `2026-11-21T12:00:00`.
const SECOND_LEN: usize = 19;

/// More than one heartbeat can take.
pub(super) const MAX_HEARTBEAT_BYTES: usize = 256;

/// Writes timestamps as RFC 3339 with microseconds; the part down to the second is formatted once a second.
pub(super) struct TimestampWriter {
    second: i64,
    text: String,
}

impl TimestampWriter {
    pub(super) fn new() -> Self {
        Self { second: i64::MIN, text: String::with_capacity(SECOND_LEN) }
    }

    pub(super) fn write(&mut self, out: &mut BytesMut, micros: i64) {
        let second = micros.div_euclid(1_000_000);
        if second != self.second {
            self.second = second;
            self.text = DateTime::from_timestamp(second, 0)
                .map(|instant| instant.format("%Y-%m-%dT%H:%M:%S").to_string())
                .unwrap_or_default();
        }
        out.put_slice(self.text.as_bytes());
        out.put_u8(b'.');
        put_digits(out, u32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0), 100_000);
        out.put_u8(b'Z');
    }
}

/// Writes one heartbeat with all its fields and returns its `cpu_usage` in hundredths of a percent.
pub(super) fn put_heartbeat(out: &mut BytesMut, timestamp: &[u8], boot_time: &[u8], random: &mut SeededRandom) -> u32 {
    let cpu = random.between(200, 9_900);
    out.put_slice(b"{\"timestamp\":\"");
    out.put_slice(timestamp);
    out.put_slice(b"\",\"cpu_usage\":");
    put_hundredths(out, cpu);
    out.put_slice(b",\"ram_usage\":");
    put_hundredths(out, random.between(2_000, 9_500));
    out.put_slice(b",\"disk_free\":");
    put_hundredths(out, random.between(500, 9_500));
    out.put_slice(b",\"temperature\":");
    put_hundredths(out, random.between(2_500, 8_500));
    out.put_slice(b",\"latency\":");
    put_hundredths(out, random.between(100, 25_000));
    out.put_slice(b",\"connectivity\":");
    out.put_u8(if random.between(0, 50) == 0 { b'0' } else { b'1' });
    out.put_slice(b",\"boot_time\":\"");
    out.put_slice(boot_time);
    out.put_slice(b"\"}");
    cpu
}

fn put_hundredths(out: &mut BytesMut, hundredths: u32) {
    out.put_slice(itoa::Buffer::new().format(hundredths / 100).as_bytes());
    out.put_u8(b'.');
    put_digits(out, hundredths % 100, 10);
}

/// Writes `value` with leading zeros; `place` is the weight of its first digit.
fn put_digits(out: &mut BytesMut, value: u32, mut place: u32) {
    while place > 0 {
        let digit = u8::try_from(value / place % 10).unwrap_or(0);
        out.put_u8(b'0'.saturating_add(digit));
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use serde_json::Value;

    use super::{MAX_HEARTBEAT_BYTES, TimestampWriter, put_heartbeat};
    use crate::random::SeededRandom;

    #[test]
    fn a_timestamp_is_written_to_the_microsecond() {
        let mut writer = TimestampWriter::new();
        let mut written = |micros| {
            let mut out = BytesMut::new();
            writer.write(&mut out, micros);
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!(written(1_795_262_400_000_042), "2026-11-21T12:00:00.000042Z");
        assert_eq!(written(1_795_262_400_999_999), "2026-11-21T12:00:00.999999Z");
        assert_eq!(written(1_795_262_401_000_000), "2026-11-21T12:00:01.000000Z");
    }

    #[test]
    fn a_heartbeat_is_json_with_every_field_and_tells_its_cpu_usage() {
        let mut random = SeededRandom::new(3);
        for _ in 0..200 {
            let mut out = BytesMut::new();
            let cpu = put_heartbeat(&mut out, b"2026-11-21T12:00:00.000042Z", b"2026-11-20T00:00:00Z", &mut random);
            let heartbeat: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(heartbeat.as_object().unwrap().len(), 8);
            assert_eq!(heartbeat["cpu_usage"].as_f64(), Some(f64::from(cpu) / 100.0));
            assert!(out.len() <= MAX_HEARTBEAT_BYTES);
        }
    }
}
