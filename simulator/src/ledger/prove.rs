//! The comparison of the ledger with what the database holds.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures_util::SinkExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use super::entry::Entry;
use super::proof::Proof;
use crate::duration;
use crate::failure::Failure;
use crate::retry::RetryDelays;
use crate::screen::Screen;

/// Bytes handed to COPY at a time.
const CHUNK_BYTES: usize = 128 * 1024;
/// How long a database may take to start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest pause between two comparisons: each one joins the whole ledger.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const CREATE: &str = "CREATE TEMPORARY TABLE sent (
    device_id uuid NOT NULL, ts timestamptz NOT NULL, cpu_usage double precision NOT NULL, accepted boolean NOT NULL)";
const COPY: &str = "COPY sent FROM STDIN";
/// The same reading may stand in the file twice, when two runs overlapped; accepted once is accepted.
const PREPARE: &str = "CREATE TEMPORARY TABLE ledger AS
    SELECT device_id, ts, min(cpu_usage) AS cpu_usage, bool_or(accepted) AS accepted FROM sent GROUP BY device_id, ts;
    DROP TABLE sent;
    CREATE TEMPORARY TABLE span AS
    SELECT device_id, min(ts) AS first, max(ts) AS last FROM ledger GROUP BY device_id;
    ANALYZE ledger; ANALYZE span";

const COMPARE: &str = include_str!("compare.sql");

/// Settings of a proof.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Where accepted readings are written down, one a line (appended).
    #[arg(long)]
    pub(super) file: PathBuf,
    /// The database they must be in.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: SecretString,
    /// How long the database may take until it holds them all.
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    drain_timeout: Duration,
}

impl VerifyArgs {
    /// A proof of what is in `file` from the database at `database_url`, which may take so long to hold it all.
    pub fn new(file: PathBuf, database_url: SecretString, drain_timeout: Duration) -> Self {
        Self { file, database_url, drain_timeout }
    }
}

/// Compares until the database holds what was accepted, or the time is over.
pub async fn prove(args: &VerifyArgs, screen: &Screen) -> Result<Proof, Failure> {
    let client = connect(&args.database_url).await?;
    let torn = load(&client, &args.file).await?;
    let end = Instant::now() + args.drain_timeout;
    let mut pause = Duration::from_millis(200);
    loop {
        let proof = Proof { torn, ..compare(&client).await? };
        if proof.missing == 0 || Instant::now() + pause >= end {
            return Ok(proof);
        }
        screen.live(&format!("{} of {} not stored yet", proof.missing, proof.accepted));
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
    }
}

async fn connect(url: &SecretString) -> Result<Client, Failure> {
    let mut delays = RetryDelays::new(0);
    let end = Instant::now() + CONNECT_TIMEOUT;
    loop {
        match tokio_postgres::connect(url.expose_secret(), NoTls).await {
            Ok((client, connection)) => {
                // Ends with the client; its error is the client's too.
                tokio::spawn(connection);
                return Ok(client);
            }
            Err(error) if Instant::now() >= end => {
                return Err(format!("cannot connect to the database: {error}").into());
            }
            Err(_) => tokio::time::sleep(delays.next(None)).await,
        }
    }
}

/// Copies the file into a temporary table; the number of torn lines.
async fn load(client: &Client, path: &Path) -> Result<u64, Failure> {
    client.batch_execute(CREATE).await?;
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut sink = pin!(client.copy_in::<_, Bytes>(COPY).await?);
    let (mut chunk, mut torn) = (Vec::with_capacity(CHUNK_BYTES), 0_u64);
    for line in BufReader::new(file).lines() {
        match line?.parse::<Entry>().ok().and_then(|entry| entry.copy_line()) {
            Some(line) => chunk.extend_from_slice(line.as_bytes()),
            None => torn = torn.saturating_add(1),
        }
        if chunk.len() >= CHUNK_BYTES {
            sink.send(std::mem::take(&mut chunk).into()).await?;
        }
    }
    sink.send(chunk.into()).await?;
    sink.as_mut().finish().await?;
    client.batch_execute(PREPARE).await?;
    Ok(torn)
}

async fn compare(client: &Client) -> Result<Proof, Failure> {
    let row = client.query_one(COMPARE, &[]).await?;
    let count = |name: &str| row.try_get::<_, i64>(name).map(|count| u64::try_from(count).unwrap_or(0));
    Ok(Proof {
        accepted: count("accepted")?,
        missing: count("missing")?,
        twice: count("twice")?,
        different: count("different")?,
        unknown: count("unknown")?,
        unanswered: count("unanswered")?,
        unanswered_stored: count("unanswered_stored")?,
        torn: 0,
    })
}
