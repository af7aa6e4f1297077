//! What ingest needs to know of a device, kept in memory for a few seconds: it is asked on every reading that comes
//! with a person's token or with none.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use moka::future::Cache;
use pulso_shared::db::DbPool;
use pulso_shared::ids::{DeviceId, UserId};
use pulso_shared::schema::devices;

use crate::error::ApiError;

/// A change made on another replica counts here within this time.
const FRESH_FOR: Duration = Duration::from_secs(4);
/// Devices kept; beyond, the least used are forgotten.
const CAPACITY: u64 = 100_000;

/// How a caller names a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// By its id.
    Id(DeviceId),
    /// By its serial number, which counts only among its owner's devices.
    SerialNumber(UserId, String),
}

/// What ingest needs to know of a device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceFacts {
    /// The device.
    pub id: DeviceId,
    /// Whose it is.
    pub owner_id: UserId,
    /// Whether its id is enough to send data for it.
    pub ingest_open: bool,
}

/// Devices by name.
#[derive(Clone)]
pub struct DeviceRegistry {
    db: DbPool,
    known: Cache<DeviceName, DeviceFacts>,
}

impl DeviceRegistry {
    /// A registry that reads from `db`.
    #[must_use]
    pub fn new(db: DbPool) -> Self {
        Self { db, known: Cache::builder().max_capacity(CAPACITY).time_to_live(FRESH_FOR).build() }
    }

    /// The device of that name. That there is none is not remembered: the next moment there may be one.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], or that the database is away.
    pub async fn find(&self, name: DeviceName) -> Result<DeviceFacts, Arc<ApiError>> {
        let load = load(&self.db, name.clone());
        self.known.try_get_with(name, load).await
    }

    /// Forgets a device that has changed.
    pub async fn forget(&self, id: DeviceId) {
        self.known.invalidate(&DeviceName::Id(id)).await;
    }
}

async fn load(db: &DbPool, name: DeviceName) -> Result<DeviceFacts, ApiError> {
    let columns = (devices::id, devices::owner_id, devices::ingest_auth);
    let mut connection = db.get().await?;
    let query = devices::table.select(columns).into_boxed();
    let query = match name {
        DeviceName::Id(id) => query.filter(devices::id.eq(id)),
        DeviceName::SerialNumber(owner, serial_number) => {
            query.filter(devices::owner_id.eq(owner)).filter(devices::serial_number.eq(serial_number))
        }
    };
    let row: Option<(DeviceId, UserId, String)> = query.first(&mut connection).await.optional()?;
    let (id, owner_id, ingest_auth) = row.ok_or(ApiError::NotFound("device"))?;
    Ok(DeviceFacts { id, owner_id, ingest_open: ingest_auth == "open" })
}
