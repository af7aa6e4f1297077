//! What API replicas say they could hear.

use pulso_shared::amqp::watermark::WatermarkProbe;
use tokio_postgres::Client;

use crate::error::StoreError;

const UPSERT_BEATS: &str = include_str!("upsert_beats.sql");

/// Notes beats; that of an older moment changes nothing.
///
/// # Errors
/// The database's.
pub async fn upsert_beats(client: &Client, beats: &[WatermarkProbe]) -> Result<(), StoreError> {
    let replica: Vec<_> = beats.iter().map(|beat| beat.replica).collect();
    let since: Vec<_> = beats.iter().map(|beat| beat.since).collect();
    let until: Vec<_> = beats.iter().map(|beat| beat.until).collect();
    client.execute(UPSERT_BEATS, &[&replica, &since, &until]).await?;
    Ok(())
}
