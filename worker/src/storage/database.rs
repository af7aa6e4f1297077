//! The writer's connection, reopened whenever it breaks.

use pulso_shared::amqp::watermark::WatermarkProbe;
use secrecy::SecretString;
use tokio_postgres::Client;

use super::connect::connect;
use super::dead_letter_outbox::{self, Letter};
use super::rows::Rows;
use super::store::{self, Statements, Stored};
use super::watermark_probes;
use crate::error::StoreError;
use crate::metrics::as_count;

/// The database, connected on demand.
pub struct Database {
    url: SecretString,
    session: Option<Session>,
    /// Whether the last transaction found rows that were there already: where devices send the values of an instant one by
    /// one, nearly every one does.
    found_existing: bool,
}

/// A connection and the statements prepared on it.
struct Session {
    client: Client,
    statements: Statements,
}

impl Database {
    /// The database at `url`, not connected yet.
    pub fn new(url: SecretString) -> Self {
        Self { url, session: None, found_existing: false }
    }

    /// Stores rows in one transaction. Duplicates are no error; `suspect_duplicates` only chooses which statement is
    /// tried first.
    pub async fn store(&mut self, rows: &Rows, suspect_duplicates: bool) -> Result<Stored, StoreError> {
        // Taken out, and put back when the transaction has ended: when this future is dropped half-way, the connection
        // is dropped with it, and with the connection the open transaction.
        let session = self.take_session().await?;
        let suspect_existing = suspect_duplicates || self.found_existing;
        let stored = store::store(&session.client, &session.statements, rows, suspect_existing).await;
        if let Ok(Stored { inserted, .. }) = stored {
            self.found_existing = inserted < as_count(rows.len());
        }
        if !matches!(stored, Err(StoreError::Transient(_))) {
            self.session = Some(session);
        }
        // After a transient error the connection itself may be the cause: the next attempt opens another one.
        stored
    }

    /// Which of these devices still exist.
    pub async fn existing_devices(&mut self, devices: &[uuid::Uuid]) -> Result<Vec<uuid::Uuid>, StoreError> {
        store::existing_devices(&self.session().await?.client, devices).await
    }

    /// Records watermark probes.
    pub async fn record_probes(&mut self, probes: &[WatermarkProbe]) -> Result<(), StoreError> {
        let recorded = match self.session().await {
            Ok(session) => watermark_probes::record(&session.client, probes).await,
            Err(error) => Err(error),
        };
        self.keep_session_if(recorded)
    }

    /// Appends dead letters to those that wait for the broker.
    pub async fn insert_dead_letters(&mut self, letters: &[Letter]) -> Result<(), StoreError> {
        let inserted = match self.session().await {
            Ok(session) => dead_letter_outbox::insert(&session.client, letters).await,
            Err(error) => Err(error),
        };
        self.keep_session_if(inserted)
    }

    /// After an error the connection itself may be the cause: the next attempt opens another one.
    fn keep_session_if(&mut self, done: Result<(), StoreError>) -> Result<(), StoreError> {
        if done.is_err() {
            self.session = None;
        }
        done
    }

    async fn session(&mut self) -> Result<&Session, StoreError> {
        let session = self.take_session().await?;
        Ok(self.session.insert(session))
    }

    async fn take_session(&mut self) -> Result<Session, StoreError> {
        match self.session.take().filter(|session| !session.client.is_closed()) {
            Some(session) => Ok(session),
            None => open_session(&self.url).await,
        }
    }
}

async fn open_session(url: &SecretString) -> Result<Session, StoreError> {
    let client = connect(url).await?;
    let statements = Statements::prepare(&client).await?;
    Ok(Session { client, statements })
}
