//! Watermark probes become runs in `availability_runs`.

use pulso_shared::amqp::watermark::WatermarkProbe;
use tokio_postgres::Client;

use crate::error::StoreError;

const UPSERT_AVAILABILITY: &str = include_str!("upsert_availability.sql");

/// Records probes; one that is older than what is known changes nothing.
pub async fn record(client: &Client, probes: &[WatermarkProbe]) -> Result<(), StoreError> {
    let replica: Vec<_> = probes.iter().map(|probe| probe.replica).collect();
    let since: Vec<_> = probes.iter().map(|probe| probe.since).collect();
    let until: Vec<_> = probes.iter().map(|probe| probe.until).collect();
    client.execute(UPSERT_AVAILABILITY, &[&replica, &since, &until]).await?;
    Ok(())
}
