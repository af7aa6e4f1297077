//! A line of the ledger's file: `device,timestamp in µs,cpu_usage,accepted|unanswered`.

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};
use pulso_shared::ids::DeviceId;

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a line of a ledger")]
pub(super) struct EntryError;

/// One reading that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) device_id: DeviceId,
    pub(super) timestamp_us: i64,
    pub(super) cpu_hundredths: u32,
    /// Whether it got a 2xx; if not, it never got an answer.
    pub(super) accepted: bool,
}

const ACCEPTED: &str = "accepted";
const UNANSWERED: &str = "unanswered";

impl std::fmt::Display for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { device_id, timestamp_us, cpu_hundredths, accepted } = *self;
        let (whole, hundredths) = (cpu_hundredths / 100, cpu_hundredths % 100);
        let word = if accepted { ACCEPTED } else { UNANSWERED };
        write!(formatter, "{device_id},{timestamp_us},{whole}.{hundredths:02},{word}")
    }
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(line: &str) -> Result<Self, EntryError> {
        let fields: Vec<_> = line.split(',').collect();
        let [device_id, timestamp_us, cpu, word] = fields.as_slice() else { return Err(EntryError) };
        let (whole, hundredths) =
            cpu.split_once('.').filter(|(_, hundredths)| hundredths.len() == 2).ok_or(EntryError)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| EntryError);
        Ok(Self {
            device_id: device_id.parse().map_err(|_| EntryError)?,
            timestamp_us: timestamp_us.parse().map_err(|_| EntryError)?,
            cpu_hundredths: number(whole)?.checked_mul(100).ok_or(EntryError)?.saturating_add(number(hundredths)?),
            accepted: match *word {
                ACCEPTED => true,
                UNANSWERED => false,
                _ => return Err(EntryError),
            },
        })
    }
}

impl Entry {
    /// As PostgreSQL's COPY reads it: uuid, timestamptz, double precision, boolean, divided by tabs.
    pub(super) fn copy_line(&self) -> Option<String> {
        let Self { device_id, timestamp_us, cpu_hundredths, accepted } = *self;
        let timestamp = DateTime::from_timestamp_micros(timestamp_us)?.to_rfc3339_opts(SecondsFormat::Micros, true);
        let (whole, hundredths) = (cpu_hundredths / 100, cpu_hundredths % 100);
        Some(format!("{}\t{timestamp}\t{whole}.{hundredths:02}\t{accepted}\n", device_id.as_uuid()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, EntryError};

    fn entry() -> Entry {
        Entry {
            device_id: "01JD3ZK8M4T0Q2V6X9Y7B5C1RA".parse().unwrap(),
            timestamp_us: 1_795_262_400_000_042,
            cpu_hundredths: 5_307,
            accepted: true,
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for written in [entry(), Entry { accepted: false, cpu_hundredths: 9, ..entry() }] {
            assert_eq!(written.to_string().parse(), Ok(written));
        }
        assert_eq!(entry().to_string(), "01JD3ZK8M4T0Q2V6X9Y7B5C1RA,1795262400000042,53.07,accepted");
    }

    #[test]
    fn a_torn_line_is_none() {
        let whole = entry().to_string();
        for end in 0..whole.len() {
            let torn = whole.get(..end).unwrap();
            assert_eq!(torn.parse::<Entry>(), Err(EntryError), "{torn}");
        }
    }

    #[test]
    fn copy_gets_what_the_column_types_read() {
        let line = entry().copy_line().unwrap();
        assert_eq!(line, "019347f9-a284-d02e-2d9b-a9f1d656070a\t2026-11-21T12:00:00.000042Z\t53.07\ttrue\n");
    }
}
