//! This worker's watermark: what the API accepted up to that instant, this worker has stored or never had in flight.
//!
//! A probe that another worker stored proves nothing about what is in flight here. So each report first reads the
//! newest probe, and the next report vouches for it: whatever was in the queue before that probe has been delivered by
//! then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::ids::ProcessId;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Statement};

use crate::error::StoreError;
use crate::pipeline::InFlight;
use crate::storage::connect;

const UPSERT: &str = include_str!("upsert_watermark.sql");
/// Losing the newest watermarks in a crash of the database is harmless; waiting for its disk several times a second is
/// not.
const SESSION: &str =
    "SET application_name = 'pulso-worker watermark'; SET synchronous_commit = off; SET statement_timeout = '5s'";
const BACKEND: &str = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";
/// Twice this time is part of how late a silent device is noticed.
const REPORT_EVERY: Duration = Duration::from_millis(150);
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// A report takes a millisecond; after this time the connection is given up.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Limit for the start of the worker. Without a database nothing can be stored either.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit for the end of the worker.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Reports this worker's watermark.
pub struct WatermarkReporter {
    url: SecretString,
    worker_id: ProcessId,
    in_flight: Arc<InFlight>,
    is_leaving: AtomicBool,
    session: Mutex<Option<Session>>,
}

struct Session {
    client: Client,
    upsert: Statement,
    backend_pid: i32,
    backend_start: DateTime<Utc>,
    /// The newest probe at the report before.
    newest_probe: Option<DateTime<Utc>>,
}

impl WatermarkReporter {
    /// For a worker that has nothing in flight yet.
    pub fn new(url: SecretString, in_flight: Arc<InFlight>) -> Self {
        let worker_id = ProcessId::generate();
        Self { url, worker_id, in_flight, is_leaving: AtomicBool::new(false), session: Mutex::default() }
    }

    /// The first report. To be awaited before consuming: a worker without a watermark does not hold the common one
    /// back.
    pub async fn report_first(&self) {
        let reported = tokio::time::timeout(FIRST_TIMEOUT, async {
            while let Err(error) = self.report().await {
                tracing::warn!(%error, "watermark not reported; retrying");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        });
        if reported.await.is_err() {
            tracing::warn!("watermark not reported in time; nothing is taken until it is");
        }
    }

    /// Reports for as long as the process runs.
    pub async fn run(self: Arc<Self>) {
        loop {
            let pause = match self.report().await {
                Ok(()) => REPORT_EVERY,
                Err(error) => {
                    tracing::debug!(%error, "watermark not reported");
                    RETRY_AFTER
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The last report: what this worker had in flight is stored, or delivered again at once.
    pub async fn report_last(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        if !matches!(tokio::time::timeout(LAST_TIMEOUT, self.report()).await, Ok(Ok(()))) {
            tracing::debug!("last watermark not reported");
        }
    }

    async fn report(&self) -> Result<(), StoreError> {
        let mut slot = self.session.lock().await;
        let mut session = match slot.take().filter(|session| !session.client.is_closed()) {
            Some(session) => session,
            None => Session::open(&self.url).await?,
        };
        // Read after the newest probe, which the report before has read.
        let before_oldest = self.in_flight.oldest().map(|oldest| oldest - TimeDelta::microseconds(1));
        let report = session.report(self.worker_id, before_oldest, self.is_leaving.load(Ordering::Relaxed));
        let reported = tokio::time::timeout(REPORT_TIMEOUT, report).await;
        reported.map_err(|_| StoreError::Transient("no answer in time".into()))??;
        *slot = Some(session);
        self.in_flight.reported();
        Ok(())
    }
}

impl Session {
    async fn open(url: &SecretString) -> Result<Self, StoreError> {
        let client = connect(url).await?;
        client.batch_execute(SESSION).await?;
        let upsert = client.prepare(UPSERT).await?;
        let row = client.query_one(BACKEND, &[]).await?;
        let (backend_pid, backend_start) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Self { client, upsert, backend_pid, backend_start, newest_probe: None })
    }

    async fn report(
        &mut self,
        worker_id: ProcessId,
        before_oldest: Option<DateTime<Utc>>,
        is_leaving: bool,
    ) -> Result<(), StoreError> {
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
            &worker_id.as_uuid(),
            &self.newest_probe,
            &before_oldest,
            &is_leaving,
            &self.backend_pid,
            &self.backend_start,
        ];
        let row = self.client.query_one(&self.upsert, &parameters).await?;
        self.newest_probe = row.try_get(0)?;
        Ok(())
    }
}
