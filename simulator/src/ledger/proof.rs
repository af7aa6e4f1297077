//! The proof: the ledger beside what the database holds.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use super::VerifyArgs;
use super::entry::Entry;
use crate::backoff::Backoff;
use crate::cli::Failure;
use crate::screen::Screen;

/// Bytes handed to COPY at a time.
const CHUNK_BYTES: usize = 128 * 1024;
/// How long a database that is starting is waited for.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);
/// Longest pause between two looks: each one joins the whole ledger.
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

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    /// Readings that got a 2xx.
    pub accepted: u64,
    /// Of those, not in the database.
    pub missing: u64,
    /// Readings that are in the database more than once.
    pub twice: u64,
    /// Of the accepted, stored with another `cpu_usage`.
    pub different: u64,
    /// Rows of these devices in this time that are not in the ledger at all.
    pub unknown: u64,
    /// Readings that never got an answer; they may be stored or not.
    pub unanswered: u64,
    /// Of those, stored.
    pub unanswered_stored: u64,
    /// Lines of the file that are torn.
    pub torn: u64,
}

impl Proof {
    /// Whether exactly what was accepted is stored.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.accepted > 0 && self.missing == 0 && self.twice == 0 && self.different == 0 && self.unknown == 0
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> Vec<String> {
        let row = |name: &str, value: u64, note: &str| format!("  {name:<26}{value:>12}  {note}");
        let stored = self.accepted.saturating_sub(self.missing);
        let mut lines = vec![
            row("accepted (2xx)", self.accepted, ""),
            row("of those stored", stored, ""),
            row("accepted - stored", self.missing, must_be_zero(self.missing)),
            row("stored twice", self.twice, must_be_zero(self.twice)),
            row("stored with other values", self.different, must_be_zero(self.different)),
            row("stored but never sent", self.unknown, must_be_zero(self.unknown)),
            row("never answered", self.unanswered, "may be stored or not"),
            row("of those stored", self.unanswered_stored, ""),
        ];
        if self.torn > 0 {
            lines.push(row("torn lines in the file", self.torn, "left out: the simulator was killed while writing"));
        }
        lines.push(match (self.holds(), self.accepted) {
            (true, _) => "proved: every accepted reading is stored, exactly once, as it was sent".to_owned(),
            (false, 0) => "NOT proved: nothing was accepted".to_owned(),
            (false, _) => "NOT proved: what is stored is not what was accepted".to_owned(),
        });
        lines
    }
}

fn must_be_zero(value: u64) -> &'static str {
    if value == 0 { "ok" } else { "MUST BE 0" }
}

/// Waits until the database holds what was accepted, or the time is over, and compares.
///
/// # Errors
/// When the file or the database cannot be read.
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
    let mut backoff = Backoff::new(0);
    let end = Instant::now() + CONNECT_PATIENCE;
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
            Err(_) => tokio::time::sleep(backoff.next(None)).await,
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

#[cfg(test)]
mod tests {
    use super::Proof;

    #[test]
    fn a_proof_holds_only_when_everything_fits() {
        let good = Proof { accepted: 10, unanswered: 3, unanswered_stored: 1, ..Proof::default() };
        assert!(good.holds());
        for bad in [
            Proof::default(),
            Proof { missing: 1, ..good },
            Proof { twice: 1, ..good },
            Proof { different: 1, ..good },
            Proof { unknown: 1, ..good },
        ] {
            assert!(!bad.holds(), "{bad:?}");
            assert!(bad.table().last().unwrap().starts_with("NOT proved"));
        }
    }
}
