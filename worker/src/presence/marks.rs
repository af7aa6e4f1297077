//! How far this worker is, told to the others: what the API received up to an instant, it has stored or never had.
//!
//! A beat that another worker stored proves nothing about what is in hand here. So each worker looks which beat is the
//! newest, and at its next look says what it holds: whatever was in the queue before that beat has reached it by then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::ids::ProcessId;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Statement};

use super::holdings::Holdings;
use crate::error::StoreError;
use crate::storage::connect;

const MARK: &str = include_str!("upsert_mark.sql");
/// Losing the last marks in a crash of the database is harmless; waiting for its disk several times a second is not.
const SESSION: &str =
    "SET application_name = 'pulso-worker marks'; SET synchronous_commit = off; SET statement_timeout = '5s'";
const BACKEND: &str = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";
/// Two looks are part of how late a silence is noticed.
const MARK_EVERY: Duration = Duration::from_millis(150);
/// Wait after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// One mark takes a millisecond; after this the connection is given up.
const MARK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the start waits for the first mark. Without a database there is nothing to store either.
const ENTER_TIMEOUT: Duration = Duration::from_secs(10);
/// The end waits no longer for the last one.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// This worker's marks.
pub struct Marks {
    url: SecretString,
    worker_id: ProcessId,
    holdings: Arc<Holdings>,
    is_leaving: AtomicBool,
    session: Mutex<Option<Session>>,
}

struct Session {
    client: Client,
    mark: Statement,
    backend_pid: i32,
    backend_start: DateTime<Utc>,
    /// The newest beat there was at the look before.
    newest_beat: Option<DateTime<Utc>>,
}

impl Marks {
    /// Marks of a worker that has taken nothing yet.
    #[must_use]
    pub fn new(url: SecretString, holdings: Arc<Holdings>) -> Self {
        let worker_id = ProcessId::generate();
        Self { url, worker_id, holdings, is_leaving: AtomicBool::new(false), session: Mutex::default() }
    }

    /// Makes the first mark. To be waited for before anything is taken from the queue: who is not known is not asked.
    pub async fn enter(&self) {
        let entered = tokio::time::timeout(ENTER_TIMEOUT, async {
            while let Err(error) = self.mark().await {
                tracing::warn!(%error, "this worker has not made its first mark yet");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        });
        if entered.await.is_err() {
            tracing::warn!("no mark made; going on without");
        }
    }

    /// Makes marks, for ever.
    pub async fn keep(self: Arc<Self>) {
        loop {
            let pause = match self.mark().await {
                Ok(()) => MARK_EVERY,
                Err(error) => {
                    tracing::debug!(%error, "no mark made");
                    RETRY_AFTER
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes the last one: what this worker had in hand is stored, or delivered again at once.
    pub async fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        if !matches!(tokio::time::timeout(LEAVE_TIMEOUT, self.mark()).await, Ok(Ok(()))) {
            tracing::debug!("left without a mark");
        }
    }

    async fn mark(&self) -> Result<(), StoreError> {
        let mut slot = self.session.lock().await;
        let mut session = match slot.take().filter(|session| !session.client.is_closed()) {
            Some(session) => session,
            None => Session::open(&self.url).await?,
        };
        // Read after the look that found the newest beat, which was the one before this.
        let held = self.holdings.oldest().map(|oldest| oldest - TimeDelta::microseconds(1));
        let mark = session.mark(self.worker_id, held, self.is_leaving.load(Ordering::Relaxed));
        let marked = tokio::time::timeout(MARK_TIMEOUT, mark).await;
        marked.map_err(|_| StoreError::Transient("no answer in time".into()))??;
        *slot = Some(session);
        Ok(())
    }
}

impl Session {
    async fn open(url: &SecretString) -> Result<Self, StoreError> {
        let client = connect(url).await?;
        client.batch_execute(SESSION).await?;
        let mark = client.prepare(MARK).await?;
        let row = client.query_one(BACKEND, &[]).await?;
        let (backend_pid, backend_start) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Self { client, mark, backend_pid, backend_start, newest_beat: None })
    }

    async fn mark(
        &mut self,
        worker_id: ProcessId,
        held: Option<DateTime<Utc>>,
        is_leaving: bool,
    ) -> Result<(), StoreError> {
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&worker_id.as_uuid(), &self.newest_beat, &held, &is_leaving, &self.backend_pid, &self.backend_start];
        let row = self.client.query_one(&self.mark, &parameters).await?;
        self.newest_beat = row.try_get(0)?;
        Ok(())
    }
}
