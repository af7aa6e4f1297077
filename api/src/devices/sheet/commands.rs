//! A sheet of devices imported: all of them, or none.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use secrecy::{ExposeSecret, SecretString};

use super::super::commands::device_error;
use super::super::quota::DeviceQuota;
use super::super::serial_number::SerialNumber;
use super::read::{fault_at, refuse};
use super::store::{self, NewRow};
use super::types::{ImportResponse, ImportedDevice, SheetRow};
use crate::auth::secret::{self, SecretHash};
use crate::http::error::ApiError;
use crate::ids::{CredentialId, UserId};
use crate::rate_limit::HeavyDb;

/// Registers a device for each row; 422 names the lines whose serial numbers are taken.
pub async fn import(
    db: &HeavyDb,
    clock: &Clock,
    quota: DeviceQuota,
    owner: UserId,
    rows: Vec<SheetRow>,
) -> Result<ImportResponse, ApiError> {
    let (new, secrets) = with_secrets(rows);
    let now = clock.now();
    db.run(async |connection| insert(connection, quota, owner, &new, now).await).await?;
    Ok(to_response(new, secrets))
}

async fn insert(
    connection: &mut AsyncPgConnection,
    quota: DeviceQuota,
    owner: UserId,
    new: &[NewRow],
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let inserted = connection.transaction(async |connection| {
        quota.reserve(connection, owner, new.len()).await?;
        store::insert_devices(connection, owner, new, now).await.map_err(device_error)
    });
    match inserted.await {
        Ok(_) => Ok(()),
        // A serial number, or several.
        Err(taken @ ApiError::Conflict(_)) => Err(find_taken(connection, owner, new).await?.unwrap_or(taken)),
        Err(error) => Err(error),
    }
}

/// Each row with an id and a secret. The ids rise with the lines, so that lists show the devices in the sheet's order.
fn with_secrets(rows: Vec<SheetRow>) -> (Vec<NewRow>, Vec<SecretString>) {
    let mut ids: Vec<_> = rows.iter().map(|_| DeviceId::generate()).collect();
    ids.sort();
    let with_secret = |(id, row)| {
        let secret = secret::generate();
        let credential_id = CredentialId::generate();
        (NewRow { id, row, credential_id, secret_hash: SecretHash::of(&secret) }, secret)
    };
    ids.into_iter().zip(rows).map(with_secret).unzip()
}

/// The fault of every line whose serial number is taken; `None` where none is any more.
async fn find_taken(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    rows: &[NewRow],
) -> Result<Option<ApiError>, ApiError> {
    let numbered = || rows.iter().filter_map(|new| Some((new.row.line, new.row.serial_number.as_ref()?.as_str())));
    let numbers: Vec<_> = numbered().map(|(_, number)| number).collect();
    let taken: HashSet<_> = store::list_taken(connection, owner, &numbers).await?.into_iter().collect();
    let faults: Vec<_> = numbered()
        .filter(|(_, number)| taken.contains(*number))
        .map(|(line, _)| fault_at(line, "sn", "taken", "is that of another device of yours"))
        .collect();
    Ok((!faults.is_empty()).then(|| refuse(faults)))
}

fn to_response(rows: Vec<NewRow>, secrets: Vec<SecretString>) -> ImportResponse {
    let device = |(new, secret): (NewRow, SecretString)| ImportedDevice {
        line: new.row.line,
        id: new.id,
        name: new.row.name.as_str().to_owned(),
        sn: new.row.serial_number.as_ref().map(SerialNumber::as_str).map(str::to_owned),
        credential_id: new.credential_id,
        secret: secret.expose_secret().to_owned(),
    };
    let devices: Vec<_> = rows.into_iter().zip(secrets).map(device).collect();
    ImportResponse { imported: devices.len(), devices }
}
