//! Beats, written down once the data before them is stored.

use std::time::Duration;

use pulso_shared::amqp::watermark::WatermarkProbe;

use crate::metrics::STORE;
use crate::storage::Database;

/// First wait after a failure; doubled up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Writes them down, however long that takes: a lost one would look like a moment in which nobody could hear.
pub async fn record_beats(database: &mut Database, beats: &[WatermarkProbe]) {
    let mut backoff = FIRST_BACKOFF;
    while !beats.is_empty() {
        let Err(error) = database.upsert_beats(beats).await else { return };
        tracing::warn!(%error, retry_in = ?backoff, "beats not stored; waiting");
        STORE.retries.increment(1);
        tokio::time::sleep(backoff).await;
        backoff = LONGEST_BACKOFF.min(backoff.saturating_mul(2));
    }
}
