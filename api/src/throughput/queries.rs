//! A fleet's summary, put together from the database and the broker.

use chrono::{DateTime, Utc};

use super::store;
use super::types::FleetSummaryResponse;
use crate::broker::Publisher;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::UserId;
use crate::presence;

/// `owner`'s devices by status, and how much of what they send is accepted and stored.
pub async fn summarize(
    db: &DbPool,
    publisher: &Publisher,
    owner: UserId,
    now: DateTime<Utc>,
) -> Result<FleetSummaryResponse, ApiError> {
    let mut connection = db.get().await?;
    let availability = presence::availability(&mut connection, now).await?;
    let devices = store::count_devices(&mut connection, owner, &availability).await?;
    let readings = store::count_readings(&mut connection, owner, now).await?;
    drop(connection);
    let queue_depth = publisher.store_queue_depth().await;
    let (devices, readings) = ((devices.total, devices.online), (readings.accepted, readings.stored));
    Ok(FleetSummaryResponse::new(devices, readings, queue_depth))
}
