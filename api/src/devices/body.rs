//! What comes in.

use pulso_shared::ids::DeviceId;
use secrecy::SecretString;
use utoipa::ToSchema;

use super::spans::Grace;
use super::types::{DeviceChanges, DeviceSettings, IngestAuth, Label};
use crate::http::extract::json::{Fields, FromFields};

const SERIAL_NUMBER: [&str; 2] = ["serial_number", "sn"];

/// A device, as its owner describes it.
#[derive(ToSchema)]
#[schema(example = json!({"name": "Boiler 3", "location": "Hall B", "sn": "000123456789"}))]
#[expect(dead_code, reason = "documents the body; DeviceSettings reads it")]
pub struct DeviceBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Where it is.
    #[schema(max_length = 200)]
    location: Option<String>,
    /// Its serial number, unique among one's own devices. `serial_number` is another name for this field.
    #[schema(pattern = "^[0-9]{12}$")]
    sn: Option<String>,
    /// What it is.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// How long it may be silent before it counts as offline, s; 180, for servers 10.
    #[schema(minimum = 1, maximum = 604800)]
    offline_after_s: Option<i32>,
    /// What its senders have to show. `open`: nothing, its id is enough. `token`: a credential. At registration it is
    /// always `token`, for servers `open`.
    ingest_auth: Option<IngestAuth>,
}

/// Changes of a device; what is left out stays.
#[derive(ToSchema)]
#[schema(example = json!({"location": "Hall C", "description": null}))]
#[expect(dead_code, reason = "documents the body; DeviceChanges reads it")]
pub struct DeviceChangesBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Where it is; `null` clears it.
    #[schema(max_length = 200)]
    location: Option<String>,
    /// Its serial number; `null` clears it. `serial_number` is another name for this field.
    #[schema(pattern = "^[0-9]{12}$")]
    sn: Option<String>,
    /// What it is; `null` clears it.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// How long it may be silent before it counts as offline, s.
    #[schema(minimum = 1, maximum = 604800)]
    offline_after_s: Option<i32>,
    /// What its senders have to show.
    ingest_auth: Option<IngestAuth>,
}

impl FromFields for DeviceSettings {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let settings = (fields.optional_text("location"), fields.optional_text(fields.name_given(SERIAL_NUMBER)));
        let (location, serial_number) = settings;
        let description = fields.optional_text("description");
        let (ingest_auth, offline_after) = (fields.optional("ingest_auth"), fields.optional("offline_after_s"));
        Some(Self { name: name?, location, serial_number, description, ingest_auth, offline_after })
    }
}

impl FromFields for DeviceChanges {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            name: fields.change("name"),
            location: fields.change_text("location"),
            serial_number: fields.change_text(fields.name_given(SERIAL_NUMBER)),
            description: fields.change_text("description"),
            ingest_auth: fields.change("ingest_auth"),
            offline_after: fields.change("offline_after_s"),
        })
    }
}

/// A server.
#[derive(ToSchema)]
pub struct ServerBody {
    /// What it is called.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Dolly #1")]
    pub server_name: Label,
}

impl FromFields for ServerBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { server_name: fields.required("server_name")? })
    }
}

/// How a new secret takes over.
#[derive(ToSchema)]
pub struct CredentialBody {
    /// How long the older secrets live on, s.
    #[schema(value_type = Option<u32>, maximum = 2592000, default = 0)]
    pub grace_s: Grace,
}

impl FromFields for CredentialBody {
    const MAY_BE_EMPTY: bool = true;

    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { grace_s: fields.optional("grace_s").unwrap_or_default() })
    }
}

/// A device that wants a token.
#[derive(ToSchema)]
#[schema(example = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "secret": "d8764ae7…"}))]
pub struct DeviceLoginBody {
    /// Which.
    pub device_id: DeviceId,
    /// One of its secrets.
    #[schema(value_type = String, format = "password")]
    pub secret: SecretString,
}

impl FromFields for DeviceLoginBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (device_id, secret) = (fields.required("device_id"), fields.required::<String>("secret"));
        Some(Self { device_id: device_id?, secret: secret?.into() })
    }
}
