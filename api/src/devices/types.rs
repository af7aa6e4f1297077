//! Bodies and responses of devices.

use chrono::{DateTime, Utc};
use pulso_shared::ids::{DeviceId, Uuid};
use serde::Serialize;
use utoipa::ToSchema;

use super::credentials::types::NewCredentialResponse;
use super::kind::{DeviceKind, IngestAuth};
use super::offline_after::OfflineAfter;
use super::serial_number::SerialNumber;
use crate::history::Latest;
use crate::http::error::ApiError;
use crate::http::extract::fields::{body, change, change_text, optional, optional_text, required};
use crate::http::text::{self, text_type};
use crate::presence::PresenceStatus;

/// For a device that does not exist, and for somebody else's.
pub const NO_DEVICE: ApiError = ApiError::NotFound("device");

text_type! {
    /// A device's name.
    Label, text::line, 200
}
text_type! {
    /// Where a device is.
    Location, text::line, 200
}
text_type! {
    /// What a device is; may have several lines.
    Description, text::paragraph, 2_000
}

body! {
    /// A device, as its owner describes it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[schema(as = DeviceBody, example = json!({"name": "Boiler 3", "location": "Hall B", "sn": "000123456789"}))]
    pub struct DeviceSettings {
        /// One line.
        #[schema(value_type = String, format = "line", min_length = 1, max_length = 200)]
        pub name: Label = required,
        /// One line, such as a hall or a site; blank is none.
        #[schema(value_type = Option<String>, format = "line", max_length = 200)]
        pub location: Option<Location> = optional_text,
        /// Serial number, unique among one's own devices. `serial_number` is another name for this field.
        #[schema(rename = "sn", value_type = Option<String>, pattern = "^([0-9]{12})?$")]
        pub serial_number: Option<SerialNumber> = optional_text("serial_number", "sn"),
        /// Free text; may have several lines.
        #[schema(value_type = Option<String>, format = "paragraph", max_length = 2000)]
        pub description: Option<Description> = optional_text,
        /// What a sender has to prove. `open`: nothing, the device's id is enough. `token`: a credential. At registration
        /// it is always `token`, for servers `open`.
        pub ingest_auth: Option<IngestAuth> = optional,
        /// How long it may be silent before it counts as offline, s; 180, for servers 10. At least `OFFLINE_AFTER_MIN_S`,
        /// which is 5 unless set.
        #[schema(rename = "offline_after_s", value_type = Option<i32>, minimum = 5, maximum = 604800)]
        pub offline_after: Option<OfflineAfter> = optional("offline_after_s"),
    }
}

body! {
    /// Changes of a device; what is left out stays.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    #[schema(as = DeviceChangesBody, example = json!({"location": "Hall C", "description": null}))]
    pub struct DeviceChanges {
        /// One line.
        #[schema(value_type = String, required = false, format = "line", min_length = 1, max_length = 200)]
        pub name: Option<Label> = change,
        /// `null` clears it.
        #[schema(value_type = Option<String>, format = "line", max_length = 200)]
        pub location: Option<Option<Location>> = change_text,
        /// Serial number; `null` clears it. `serial_number` is another name for this field.
        #[schema(rename = "sn", value_type = Option<String>, pattern = "^([0-9]{12})?$")]
        pub serial_number: Option<Option<SerialNumber>> = change_text("serial_number", "sn"),
        /// `null` clears it.
        #[schema(value_type = Option<String>, format = "paragraph", max_length = 2000)]
        pub description: Option<Option<Description>> = change_text,
        /// `open`: its id is enough to send data for it. `token`: a credential is needed.
        #[schema(value_type = IngestAuth, required = false)]
        pub ingest_auth: Option<IngestAuth> = change,
        /// How long it may be silent before it counts as offline, s. At least `OFFLINE_AFTER_MIN_S`, which is 5 unless set.
        #[schema(rename = "offline_after_s", value_type = i32, required = false, minimum = 5, maximum = 604800)]
        pub offline_after: Option<OfflineAfter> = change("offline_after_s"),
    }
}

impl DeviceChanges {
    /// The changes that make a device what `settings` say, and nothing else: what they leave out gets its default.
    pub fn replace_by(settings: DeviceSettings, kind: DeviceKind) -> Self {
        Self {
            name: Some(settings.name),
            location: Some(settings.location),
            serial_number: Some(settings.serial_number),
            description: Some(settings.description),
            ingest_auth: Some(settings.ingest_auth.unwrap_or(kind.default_ingest_auth())),
            offline_after: Some(settings.offline_after.unwrap_or(kind.default_offline_after())),
        }
    }
}

/// A device.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA",
    "uuid": "019347f9-a284-d02e-2d9b-a9f1d656070a", "name": "Boiler 3", "location": "Hall B", "sn": "000123456789",
    "description": null, "ingest_auth": "token", "offline_after_s": 180, "status": "online",
    "last_seen_at": "2026-11-21T12:00:00Z", "latest": {"heartbeat": {"timestamp": "2026-11-21T12:00:00Z",
    "cpu_usage": 41.5, "received_at": "2026-11-21T12:00:00.012345Z"}, "reading": null},
    "created_at": "2026-11-21T02:27:10.308280Z", "updated_at": "2026-11-21T02:27:10.308280Z"}))]
pub struct DeviceResponse {
    /// ULID.
    pub id: DeviceId,
    /// The same 128 bits as a UUID.
    pub uuid: Uuid,
    pub name: String,
    pub location: Option<String>,
    /// Serial number: 12 digits, unique among one's own devices.
    pub sn: Option<String>,
    pub description: Option<String>,
    /// `open`: its id is enough to send data for it. `token`: a credential is needed.
    pub ingest_auth: IngestAuth,
    /// How long it may be silent before it counts as offline, s.
    pub offline_after_s: i32,
    /// As of this response.
    pub status: PresenceStatus,
    /// The newest instant it has sent data for: the earlier of its own timestamp and our receipt. `null`: never.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// The newest of what it sent; `null` where it has sent nothing.
    pub latest: Option<Latest>,
    /// Registration.
    pub created_at: DateTime<Utc>,
    /// The device's version: each change by its owner has a later one.
    pub updated_at: DateTime<Utc>,
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

#[cfg(test)]
mod tests {
    use super::{DeviceChanges, DeviceKind, DeviceSettings, IngestAuth, Label, OfflineAfter};
    use crate::http::text::TextError;

    #[test]
    fn a_name_has_1_to_200_characters() {
        assert_eq!(Label::try_from(" Caldeira 3 ".to_owned()).unwrap().as_str(), "Caldeira 3");
        assert_eq!(Label::try_from("x".repeat(201)), Err(TextError::TooLong(200)));
    }

    #[test]
    fn a_put_gives_what_it_leaves_out_its_kinds_default() {
        let name = Label::try_from("x".to_owned()).unwrap();
        let bare = DeviceSettings {
            name,
            location: None,
            serial_number: None,
            description: None,
            ingest_auth: None,
            offline_after: None,
        };
        let server = DeviceChanges::replace_by(bare.clone(), DeviceKind::Server);
        assert_eq!((server.ingest_auth, server.location), (Some(IngestAuth::Open), Some(None)));
        let device = DeviceChanges::replace_by(bare, DeviceKind::Device);
        assert_eq!(device.ingest_auth, Some(IngestAuth::Token));
        assert_eq!(device.offline_after.map(OfflineAfter::as_secs), Some(180));
    }
}
