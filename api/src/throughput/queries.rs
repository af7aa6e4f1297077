//! A fleet's summary, put together from the database and the broker.

use chrono::{DateTime, Utc};

use super::store;
use super::types::FleetSummaryResponse;
use crate::broker::Publisher;
use crate::http::error::ApiError;
use crate::ids::UserId;
use crate::presence;
use crate::rate_limit::HeavyDb;

/// `owner`'s devices by status, and how much of what they send is accepted and stored.
pub async fn summarize(
    db: &HeavyDb,
    publisher: &Publisher,
    owner: UserId,
    now: DateTime<Utc>,
) -> Result<FleetSummaryResponse, ApiError> {
    let (devices, readings) = db
        .run(async |connection| {
            let availability = presence::availability(connection, now).await?;
            let devices = store::count_devices(connection, owner, &availability).await?;
            Ok((devices, store::count_readings(connection, owner, now).await?))
        })
        .await?;
    let queue_depth = publisher.store_queue_depth().await;
    let (devices, readings) = ((devices.total, devices.online), (readings.accepted, readings.stored));
    Ok(FleetSummaryResponse::new(devices, readings, queue_depth))
}
