//! The worker's one connection that writes, made anew whenever it breaks.

use std::time::Duration;

use pulso_shared::amqp::watermark::WatermarkProbe;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::beats;
use super::rows::Rows;
use super::store::{self, Statements, Stored};
use crate::error::StoreError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection whose other end has vanished is given up after this long without an answer to TCP's probes.
const DEAD_PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// A statement that takes longer is stuck behind something, or has too much to do; it is cancelled, and tried again
/// with fewer rows.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '60s'; SET application_name = 'pulso-worker'";

/// The database, connected when needed.
pub struct Database {
    url: SecretString,
    session: Option<Session>,
}

/// A connection and the statements prepared on it.
struct Session {
    client: Client,
    statements: Statements,
}

impl Database {
    /// The database at `url`; connects to nothing yet.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self { url, session: None }
    }

    /// Stores rows in one transaction. Rows that are there already are no error; `suspect_duplicates` only chooses
    /// which statement is tried first.
    ///
    /// # Errors
    /// With the verdict whether trying again can help.
    pub async fn store(&mut self, rows: &Rows, suspect_duplicates: bool) -> Result<Stored, StoreError> {
        // Taken out, and put back when the transaction has ended one way or another: of a store that is given up half-way
        // nothing must remain, and with its connection its transaction ends.
        let session = self.take_session().await?;
        let stored = store::store(&session.client, &session.statements, rows, suspect_duplicates).await;
        if !matches!(stored, Err(StoreError::Transient(_))) {
            self.session = Some(session);
        }
        // Else, whatever it was, a fresh connection is a cheap way to be sure that it is not this one.
        stored
    }

    /// Which of these devices are still there.
    ///
    /// # Errors
    /// When the database cannot tell.
    pub async fn existing_devices(&mut self, devices: &[uuid::Uuid]) -> Result<Vec<uuid::Uuid>, StoreError> {
        store::existing_devices(&self.session().await?.client, devices).await
    }

    /// Notes what API replicas say they could hear.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn upsert_beats(&mut self, beats: &[WatermarkProbe]) -> Result<(), StoreError> {
        let noted = match self.session().await {
            Ok(session) => beats::upsert_beats(&session.client, beats).await,
            Err(error) => Err(error),
        };
        if noted.is_err() {
            self.session = None;
        }
        noted
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

/// Opens a connection of the worker's kind.
///
/// # Errors
/// When the database is away.
pub async fn connect(url: &SecretString) -> Result<Client, StoreError> {
    let mut config: Config = url.expose_secret().parse().map_err(StoreError::from)?;
    config
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(DEAD_PEER_TIMEOUT / 2)
        .tcp_user_timeout(DEAD_PEER_TIMEOUT);
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls)).await;
    let (client, connection) = connected.map_err(|_| StoreError::Transient("no connection in time".into()))??;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "database connection ended");
        }
    });
    client.batch_execute(STATEMENT_TIMEOUT).await?;
    Ok(client)
}

/// Prepares one statement.
///
/// # Errors
/// The database's.
pub async fn prepare(client: &Client, sql: &str) -> Result<Statement, StoreError> {
    Ok(client.prepare(sql).await?)
}
