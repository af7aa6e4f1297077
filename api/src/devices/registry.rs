//! What ingest needs to know of a device, kept in memory for a few seconds: it is asked on every reading that comes
//! with a person's token or with none.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::db::DbPool;
use crate::ids::UserId;
use crate::schema::devices;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use moka::future::Cache;
use pulso_shared::ids::DeviceId;

use crate::http::error::ApiError;

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
    /// A device itself, if that is its serial number.
    Itself(DeviceId, String),
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

    /// The devices of these names, in one query for all that are not remembered. That there is none of a name is not
    /// remembered: the next moment there may be one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find(&self, names: HashSet<DeviceName>) -> Result<HashMap<DeviceName, DeviceFacts>, ApiError> {
        let mut found = HashMap::with_capacity(names.len());
        let mut unknown = Vec::new();
        for name in names {
            match self.known.get(&name).await {
                Some(facts) => found.extend([(name, facts)]),
                None => unknown.push(name),
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        for (name, facts) in load(&self.db, &unknown).await? {
            self.known.insert(name.clone(), facts).await;
            found.insert(name, facts);
        }
        Ok(found)
    }

    /// Forgets a device that has changed.
    pub async fn forget(&self, id: DeviceId) {
        self.known.invalidate(&DeviceName::Id(id)).await;
    }
}

/// A device, and all that it could be named by.
#[derive(Queryable)]
struct Row {
    id: DeviceId,
    owner_id: UserId,
    ingest_auth: String,
    serial_number: Option<String>,
}

async fn load(db: &DbPool, names: &[DeviceName]) -> Result<HashMap<DeviceName, DeviceFacts>, ApiError> {
    let (mut ids, mut owners, mut serial_numbers) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match name {
            DeviceName::Id(id) | DeviceName::Itself(id, _) => ids.push(*id),
            DeviceName::SerialNumber(owner, serial_number) => {
                owners.push(*owner);
                serial_numbers.push(serial_number.as_str());
            }
        }
    }
    let by_serial_number = devices::owner_id.eq_any(owners).and(devices::serial_number.eq_any(serial_numbers));
    let rows: Vec<Row> = devices::table
        .filter(devices::id.eq_any(ids).or(by_serial_number.assume_not_null()))
        .select((devices::id, devices::owner_id, devices::ingest_auth, devices::serial_number))
        .load(&mut db.get().await?)
        .await?;
    let asked: HashSet<&DeviceName> = names.iter().collect();
    let found = rows.iter().flat_map(|row| row.names().map(|name| (name, row.facts())));
    Ok(found.filter(|(name, _)| asked.contains(name)).collect())
}

impl Row {
    fn names(&self) -> impl Iterator<Item = DeviceName> {
        let by_serial_number = self.serial_number.iter().flat_map(|serial_number| {
            [
                DeviceName::SerialNumber(self.owner_id, serial_number.clone()),
                DeviceName::Itself(self.id, serial_number.clone()),
            ]
        });
        std::iter::once(DeviceName::Id(self.id)).chain(by_serial_number)
    }

    fn facts(&self) -> DeviceFacts {
        DeviceFacts { id: self.id, owner_id: self.owner_id, ingest_open: self.ingest_auth == "open" }
    }
}
