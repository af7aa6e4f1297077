//! The ledger's file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pulso_shared::ids::DeviceId;

use super::entry::Entry;
use crate::load::{Journal, SentReading};

/// What a killed simulator may lose of its file.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// Appends to a file.
pub struct FileJournal {
    /// In the order of the load's tokens.
    devices: Vec<DeviceId>,
    file: Mutex<Buffered>,
}

struct Buffered {
    writer: BufWriter<File>,
    flushed_at: Instant,
    /// The first failure: what is missing in the file cannot be proved.
    failure: Option<std::io::Error>,
}

impl FileJournal {
    /// Opens (or creates) the file.
    pub fn open(path: &Path, devices: Vec<DeviceId>) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        let writer = BufWriter::with_capacity(256 * 1024, file);
        Ok(Self { devices, file: Mutex::new(Buffered { writer, flushed_at: Instant::now(), failure: None }) })
    }

    /// Writes out what is in memory.
    pub fn close(&self) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.writer.flush()?;
        file.failure.take().map_or(Ok(()), Err)
    }

    fn write(&self, device: usize, readings: &[SentReading], accepted: bool) {
        let Some(device_id) = self.devices.get(device).copied() else { return };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        for reading in readings {
            let SentReading { timestamp_us, cpu_hundredths } = *reading;
            let written = writeln!(file.writer, "{}", Entry { device_id, timestamp_us, cpu_hundredths, accepted });
            file.record(written);
        }
        if file.flushed_at.elapsed() >= FLUSH_EVERY {
            let flushed = file.writer.flush();
            file.record(flushed);
            file.flushed_at = Instant::now();
        }
    }
}

impl Buffered {
    fn record(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }
}

impl Journal for FileJournal {
    fn accepted(&self, device: usize, readings: &[SentReading]) {
        self.write(device, readings, true);
    }

    fn unanswered(&self, device: usize, readings: &[SentReading]) {
        self.write(device, readings, false);
    }
}
