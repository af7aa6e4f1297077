//! A load whose accepted readings are recorded in a ledger, which is then compared with what is stored.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pulso_shared::ids::DeviceId;
use pulso_simulator::ledger::{FileJournal, Proof, VerifyArgs, prove};
use pulso_simulator::load::{HEARTBEATS, Journal, LoadPlan, LoadRun, Tally, Target};
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;

/// A load is ended by its case, not by its duration.
const UNLIMITED: Duration = Duration::from_secs(86_400);
/// How long storage may take to catch up with what was accepted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(180);
/// Share of accepted requests that are sent a second time on purpose.
const RESEND_SHARE: f64 = 0.02;
/// Devices of a load, unless a case says otherwise.
pub const DEVICES: usize = 20;
/// More than the rate needs: each may wait for seconds while something is down.
const CONNECTIONS: usize = 64;

/// What to send.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    /// The API's address.
    pub url: String,
    /// Readings a second.
    pub rate: u32,
    /// Heartbeats in a request's array; `None`: single heartbeats.
    pub array: Option<u32>,
    /// Share of accepted requests that are sent a second time on purpose.
    pub resend_share: f64,
    /// Devices that send.
    pub devices: usize,
}

impl LoadSpec {
    /// Single heartbeats.
    pub fn new(url: &str, rate: u32) -> Self {
        Self { url: url.to_owned(), rate, array: None, resend_share: RESEND_SHARE, devices: DEVICES }
    }
}

/// A load under way.
pub struct Load {
    run: LoadRun,
    journal: Arc<FileJournal>,
    file: PathBuf,
    spec: LoadSpec,
    started: tokio::time::Instant,
}

impl Load {
    /// Starts it.
    pub fn start(spec: LoadSpec, ids: Vec<DeviceId>, tokens: Vec<String>, file: PathBuf) -> Result<Self, Failure> {
        let journal = Arc::new(FileJournal::open(&file, ids)?);
        let recorder: Arc<dyn Journal> = Arc::<FileJournal>::clone(&journal);
        let plan = LoadPlan {
            target: Target::new(&spec.url, HEARTBEATS)?,
            tokens,
            connections: NonZeroUsize::new(CONNECTIONS).unwrap_or(NonZeroUsize::MIN),
            threads: NonZeroUsize::MIN,
            duration: UNLIMITED,
            rate: Some(f64::from(spec.rate) / f64::from(spec.array.unwrap_or(1))),
            array: spec.array.and_then(NonZeroU32::new),
            resend_share: spec.resend_share,
            retry_timeout: UNLIMITED,
            journal: Some(recorder),
        };
        let run = LoadRun::start(plan)?;
        Ok(Self { run, journal, file, spec, started: tokio::time::Instant::now() })
    }

    /// The responses so far.
    pub fn tally(&self) -> Tally {
        self.run.tally()
    }

    /// Ends the sending, and waits for the last responses.
    pub async fn finish(mut self) -> Result<Ledger, Failure> {
        let lasted = self.started.elapsed();
        self.run.stop();
        self.run.wait().await?;
        self.journal.close()?;
        Ok(Ledger { file: self.file, spec: self.spec, tally: self.run.tally(), lasted })
    }
}

/// What was accepted, on disk.
pub struct Ledger {
    file: PathBuf,
    /// What was sent.
    pub spec: LoadSpec,
    /// The responses.
    pub tally: Tally,
    /// How long it was sent.
    pub lasted: Duration,
}

impl Ledger {
    /// Compares it with the database, once that holds everything or the time is over.
    pub async fn compare(&self, database_url: &str) -> Result<Proof, Failure> {
        let verify = VerifyArgs::new(self.file.clone(), database_url.into(), DRAIN_TIMEOUT);
        prove(&verify, &Screen::silent()).await
    }
}
