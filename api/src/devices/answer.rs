//! What goes out.

use crate::ids::CredentialId;
use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::credential_store::CredentialRow;
use super::store::DeviceRow;
use super::types::{IngestAuth, Label};
use crate::history::Latest;
use crate::presence::PresenceStatus;

/// A device.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA",
    "uuid": "019347f9-a284-d02e-2d9b-a9f1d656070a", "name": "Boiler 3", "location": "Hall B", "sn": "000123456789",
    "description": null, "ingest_auth": "token", "offline_after_s": 180, "status": "online",
    "last_seen_at": "2026-11-21T12:00:00Z", "latest": {"heartbeat": {"timestamp": "2026-11-21T12:00:00Z",
    "cpu_usage": 41.5, "received_at": "2026-11-21T12:00:00.012345Z"}, "reading": null},
    "created_at": "2026-11-21T02:27:10.308280Z", "updated_at": "2026-11-21T02:27:10.308280Z"}))]
pub struct DeviceResponse {
    /// Its id.
    pub id: DeviceId,
    /// The same 128 bits as a UUID.
    uuid: Uuid,
    /// What it is called.
    name: String,
    /// Where it is.
    location: Option<String>,
    /// Its serial number.
    sn: Option<String>,
    /// What it is.
    description: Option<String>,
    /// What its senders have to show.
    ingest_auth: IngestAuth,
    /// How long it may be silent before it counts as offline, s.
    offline_after_s: i32,
    /// Whether it is there now.
    status: PresenceStatus,
    /// When it was last heard of: the earlier of its own timestamp and our receipt. `null`: never.
    last_seen_at: Option<DateTime<Utc>>,
    /// The newest of what it sent; `null` where it has sent nothing.
    latest: Option<Latest>,
    /// When it was registered.
    created_at: DateTime<Utc>,
    /// When its owner last changed it.
    pub updated_at: DateTime<Utc>,
}

impl DeviceResponse {
    /// The answer that shows a device as it is, by what could be heard.
    #[must_use]
    pub fn new(row: DeviceRow, latest: Option<Latest>, hearing: &IngestAvailability) -> Self {
        Self {
            id: row.id,
            uuid: row.id.as_uuid(),
            name: row.name,
            location: row.location,
            sn: row.serial_number,
            description: row.description,
            ingest_auth: IngestAuth::from_open(row.is_open),
            offline_after_s: row.offline_after_s,
            status: PresenceStatus::of(hearing, row.last_seen_at, row.offline_after_s),
            last_seen_at: row.last_seen_at,
            latest,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A device that has just been registered.
#[derive(Serialize, ToSchema)]
pub struct NewDeviceResponse {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceResponse,
    /// Its first secret, shown this once.
    pub credential: NewCredentialResponse,
}

/// A secret, shown this once.
#[derive(Serialize, ToSchema)]
pub struct NewCredentialResponse {
    /// The secret's own id, to delete it by.
    credential_id: CredentialId,
    /// Whose it is.
    device_id: DeviceId,
    /// 256 random bits.
    secret: String,
}

impl NewCredentialResponse {
    /// The answer that shows a new secret.
    #[must_use]
    pub fn new(credential_id: CredentialId, device_id: DeviceId, secret: &SecretString) -> Self {
        Self { credential_id, device_id, secret: secret.expose_secret().to_owned() }
    }
}

/// A credential, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"credential_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "created_at": "2026-11-21T02:27:10.308280Z", "expires_at": null}))]
pub struct CredentialResponse {
    /// Its id.
    credential_id: CredentialId,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it and all tokens made from it stop working. `null`: it has not been replaced.
    expires_at: Option<DateTime<Utc>>,
}

impl From<CredentialRow> for CredentialResponse {
    fn from(row: CredentialRow) -> Self {
        Self { credential_id: row.id, created_at: row.created_at, expires_at: row.expires_at }
    }
}

/// A device's token.
#[derive(Serialize, ToSchema)]
pub struct DeviceTokenResponse {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Its life, s. It ends earlier when the secret it was made from does.
    #[schema(example = 86400)]
    pub expires_in: u32,
}

/// A server.
#[derive(Serialize, ToSchema)]
pub struct ServerResponse {
    /// Its id.
    pub server_ulid: DeviceId,
    /// What it is called.
    #[schema(example = "Dolly #1")]
    server_name: String,
}

impl ServerResponse {
    /// The answer that shows a server.
    #[must_use]
    pub fn new(server_ulid: DeviceId, name: &Label) -> Self {
        Self { server_ulid, server_name: name.as_str().to_owned() }
    }
}

impl From<DeviceRow> for ServerResponse {
    fn from(row: DeviceRow) -> Self {
        Self { server_ulid: row.id, server_name: row.name }
    }
}
