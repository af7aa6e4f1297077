//! Which device an item is for, and whether this caller may send for it.

use std::str::FromStr;

use pulso_shared::ids::{DeviceId, UserId};

use super::body::{Field, Named};
use crate::devices::{DeviceFacts, DeviceName};
use crate::error::{ApiError, FieldError};
use crate::extract::auth::Caller;
use crate::state::AppState;

/// Why an item has no device.
#[derive(Debug)]
pub enum TargetError {
    /// The body's reference is missing or cannot be one: 422.
    Field(FieldError),
    /// Unknown, or somebody else's: 404.
    Unknown,
    /// It takes data with a credential only, and there was none: 401.
    CredentialNeeded,
    /// A device that wants to speak for another one: 403.
    NotItself,
    /// It could not be found out.
    Failed(ApiError),
}

/// The device for an item: the path's where there is one, else the body's, else the sending device itself.
///
/// # Errors
/// When there is none that this caller may send for.
pub async fn resolve(
    state: &AppState,
    caller: Caller,
    path: Option<DeviceId>,
    body: Option<&Named<'_>>,
) -> Result<DeviceId, TargetError> {
    let named = match (path, body) {
        (Some(id), _) => Some(Reference::Id(id)),
        (None, Some(named)) => Some(Reference::read(named)?),
        (None, None) => None,
    };
    match (caller, named) {
        (Caller::Device(own), None) => Ok(own),
        (Caller::Device(own), Some(Reference::Id(id))) if id == own => Ok(own),
        (Caller::Device(own), Some(Reference::SerialNumber(serial_number))) => {
            let owner = find(state, DeviceName::Id(own)).await?.owner_id;
            let named = find(state, DeviceName::SerialNumber(owner, serial_number)).await?;
            if named.id == own { Ok(own) } else { Err(TargetError::NotItself) }
        }
        (Caller::Device(_), Some(Reference::Id(_))) => Err(TargetError::NotItself),
        (Caller::User(user), Some(reference)) => of_user(state, user, reference).await,
        (Caller::Anonymous, Some(Reference::Id(id))) => open_device(state, id).await,
        (Caller::Anonymous, _) => Err(TargetError::CredentialNeeded),
        (Caller::User(_), None) => {
            Err(TargetError::Field(FieldError::new("device_id", "required", "is required: which device sends this?")))
        }
    }
}

/// A device as a body names it.
enum Reference {
    Id(DeviceId),
    SerialNumber(String),
}

impl Reference {
    fn read(named: &Named<'_>) -> Result<Self, TargetError> {
        let fault = |code, detail: &str| TargetError::Field(FieldError::new(&named.name, code, detail));
        let Field::Text(text) = &named.value else {
            return Err(fault("wrong_type", "must be a string"));
        };
        if let Ok(id) = DeviceId::from_str(text) {
            return Ok(Self::Id(id));
        }
        let is_serial_number = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_serial_number {
            return Ok(Self::SerialNumber(text.clone().into_owned()));
        }
        Err(fault("invalid", "must be a device's ULID, UUID or 12-digit serial number"))
    }
}

async fn of_user(state: &AppState, user: UserId, reference: Reference) -> Result<DeviceId, TargetError> {
    let name = match reference {
        Reference::Id(id) => DeviceName::Id(id),
        Reference::SerialNumber(serial_number) => DeviceName::SerialNumber(user, serial_number),
    };
    let device = find(state, name).await?;
    if device.owner_id == user { Ok(device.id) } else { Err(TargetError::Unknown) }
}

async fn open_device(state: &AppState, id: DeviceId) -> Result<DeviceId, TargetError> {
    // Unknown and closed alike: whoever has no credential learns of no device that it exists.
    let device = match find(state, DeviceName::Id(id)).await {
        Err(TargetError::Unknown) => return Err(TargetError::CredentialNeeded),
        found => found?,
    };
    if device.ingest_open && state.config.ingest.allow_open_ingest {
        Ok(device.id)
    } else {
        Err(TargetError::CredentialNeeded)
    }
}

async fn find(state: &AppState, name: DeviceName) -> Result<DeviceFacts, TargetError> {
    let device = state.devices.find(name).await.map_err(|error| match error.as_ref() {
        ApiError::NotFound(_) => TargetError::Unknown,
        ApiError::Unavailable { what, cause } => {
            TargetError::Failed(ApiError::Unavailable { what, cause: cause.clone() })
        }
        other => TargetError::Failed(ApiError::Internal(other.to_string().into())),
    })?;
    // Deleted a moment ago, and still remembered.
    if state.revocations.contains(device.id.as_uuid()) { Err(TargetError::Unknown) } else { Ok(device) }
}

impl From<TargetError> for ApiError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Field(fault) => Self::Validation(vec![fault]),
            TargetError::Unknown => Self::NotFound("device"),
            TargetError::CredentialNeeded => {
                Self::Unauthorized("Send the device's access token or its owner's: Authorization: Bearer ….")
            }
            TargetError::NotItself => Self::Forbidden("A device can send only for itself."),
            TargetError::Failed(error) => error,
        }
    }
}
