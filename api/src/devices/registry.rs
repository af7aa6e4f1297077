//! What ingest needs to know of a device, cached for a few seconds: it is looked up on every reading that comes with a
//! person's token or with none.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use moka::future::Cache;
use pulso_shared::ids::DeviceId;

use super::store::{self, NamedRow};
use crate::db::SignInDb;
use crate::http::error::ApiError;
use crate::ids::UserId;

/// What was read longer ago is not used any more: a change made on another replica applies here within this time.
const FRESH_FOR: Duration = Duration::from_secs(4);
/// Devices in the cache; beyond, the least used are evicted.
const CAPACITY: u64 = 100_000;

/// How a caller names a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeviceName {
    Id(DeviceId),
    /// A serial number is unique only among its owner's devices.
    SerialNumber(UserId, String),
    /// The device of this id, if that is its serial number.
    Itself(DeviceId, String),
}

/// What ingest needs to know of a device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceFacts {
    pub id: DeviceId,
    pub owner_id: UserId,
    /// Whether its id is enough to send data for it.
    pub ingest_open: bool,
}

/// Devices by name.
#[derive(Clone)]
pub struct DeviceRegistry {
    db: SignInDb,
    known: Cache<DeviceName, Known>,
}

/// What was read, and when that began.
#[derive(Clone, Copy)]
struct Known {
    facts: DeviceFacts,
    asked_at: Instant,
}

impl DeviceRegistry {
    pub fn new(db: SignInDb) -> Self {
        Self { db, known: Cache::builder().max_capacity(CAPACITY).time_to_live(FRESH_FOR).build() }
    }

    /// The devices of these names, in one query for all that are not cached. That a name has none is not cached: the
    /// next moment it may have one.
    pub async fn find(&self, names: HashSet<DeviceName>) -> Result<HashMap<DeviceName, DeviceFacts>, ApiError> {
        let mut found = HashMap::with_capacity(names.len());
        let mut unknown = Vec::new();
        for name in names {
            match self.known.get(&name).await.filter(|known| known.asked_at.elapsed() < FRESH_FOR) {
                Some(known) => found.extend([(name, known.facts)]),
                None => unknown.push(name),
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        let asked_at = Instant::now();
        for (name, facts) in load(&self.db, &unknown).await? {
            self.known.insert(name.clone(), Known { facts, asked_at }).await;
            found.insert(name, facts);
        }
        Ok(found)
    }

    /// Drops a device that has changed from the cache.
    pub async fn forget(&self, id: DeviceId) {
        self.known.invalidate(&DeviceName::Id(id)).await;
    }

    /// Returns when a serial number that was taken from a device names it no longer, on any replica. Another device may
    /// get it next, and data that is sent by it then must not be accepted for the one that had it.
    pub async fn forget_serial_number(&self, owner: UserId, id: DeviceId, serial_number: String) {
        self.known.invalidate(&DeviceName::Itself(id, serial_number.clone())).await;
        self.known.invalidate(&DeviceName::SerialNumber(owner, serial_number)).await;
        tokio::time::sleep(FRESH_FOR).await;
    }
}

async fn load(db: &SignInDb, names: &[DeviceName]) -> Result<HashMap<DeviceName, DeviceFacts>, ApiError> {
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
    let rows = store::list_named(&mut *db.get().await?, &ids, &owners, &serial_numbers).await?;
    let wanted: HashSet<&DeviceName> = names.iter().collect();
    let found = rows.iter().flat_map(|row| names_of(row).map(|name| (name, DeviceFacts::of(row))));
    Ok(found.filter(|(name, _)| wanted.contains(name)).collect())
}

/// All names that a device has.
fn names_of(row: &NamedRow) -> impl Iterator<Item = DeviceName> {
    let by_serial_number = row.serial_number.iter().flat_map(|serial_number| {
        [
            DeviceName::SerialNumber(row.owner_id, serial_number.clone()),
            DeviceName::Itself(row.id, serial_number.clone()),
        ]
    });
    std::iter::once(DeviceName::Id(row.id)).chain(by_serial_number)
}

impl DeviceFacts {
    fn of(row: &NamedRow) -> Self {
        Self { id: row.id, owner_id: row.owner_id, ingest_open: row.is_open }
    }
}

#[cfg(test)]
mod tests {
    use pulso_shared::ids::DeviceId;

    use super::{DeviceName, NamedRow, names_of};
    use crate::ids::UserId;

    #[test]
    fn a_device_is_found_by_its_id_its_owners_serial_number_and_its_own() {
        let (id, owner_id) = (DeviceId::generate(), UserId::generate());
        let mut row = NamedRow { id, owner_id, is_open: false, serial_number: None };
        assert_eq!(names_of(&row).collect::<Vec<_>>(), [DeviceName::Id(id)]);
        let number = "000123456789".to_owned();
        row.serial_number = Some(number.clone());
        let names =
            [DeviceName::Id(id), DeviceName::SerialNumber(owner_id, number.clone()), DeviceName::Itself(id, number)];
        assert_eq!(names_of(&row).collect::<Vec<_>>(), names);
    }
}
