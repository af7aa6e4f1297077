//! Which device an item is for, and whether this caller may send for it.

use std::str::FromStr;

use pulso_shared::ids::DeviceId;

use super::item::{Field, Named};
use crate::auth::caller::Caller;
use crate::auth::revocations::Revocations;
use crate::devices::{DeviceFacts, DeviceName};
use crate::http::error::{ApiError, FieldError};

/// Why an item cannot be accepted for its device.
#[derive(Debug)]
pub enum TargetError {
    /// The body's reference is missing or cannot be one: 422.
    Field(FieldError),
    /// Unknown, or somebody else's: 404.
    Unknown,
    /// It takes data with a credential only, and there was none: 401.
    CredentialNeeded,
    /// A device that sends for another one: 403.
    NotItself,
}

/// The device of an item, as far as it is known without the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A device that sends for itself.
    Known(DeviceId),
    /// The one of this name, if it exists and [`decide`] allows it.
    Named(DeviceName),
}

/// What is said of a device that does not exist to those who may not send for it either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownDevice {
    /// The same as of one that does.
    Hidden,
    /// 404.
    Told,
}

/// Reads which device an item is for: the path's where there is one, else the body's, else the sending device itself.
pub fn read(
    caller: Caller,
    path: Option<DeviceId>,
    body: Option<&Named<'_>>,
    unknown: UnknownDevice,
) -> Result<Target, TargetError> {
    let reference = match (path, body) {
        (Some(id), _) => Some(Reference::Id(id)),
        (None, Some(named)) => Some(Reference::read(named)?),
        (None, None) => None,
    };
    match (caller, reference) {
        (Caller::Device(own), None) => Ok(Target::Known(own)),
        (Caller::Device(own), Some(Reference::Id(id))) if id == own => Ok(Target::Known(own)),
        (Caller::Device(_), Some(Reference::Id(_))) if unknown == UnknownDevice::Hidden => Err(TargetError::NotItself),
        (Caller::Device(own), Some(Reference::SerialNumber(number))) => {
            Ok(Target::Named(DeviceName::Itself(own, number)))
        }
        (_, Some(Reference::Id(id))) => Ok(Target::Named(DeviceName::Id(id))),
        (Caller::User(user), Some(Reference::SerialNumber(number))) => {
            Ok(Target::Named(DeviceName::SerialNumber(user, number)))
        }
        (Caller::Anonymous, _) => Err(TargetError::CredentialNeeded),
        (Caller::User(_), None) => {
            Err(TargetError::Field(FieldError::new("device_id", "required", "is required: which device sends this?")))
        }
    }
}

/// Whether an item names this device, by its id.
pub fn is_named(device: DeviceId, named: &Named<'_>) -> bool {
    matches!(&named.value, Field::Text(text) if DeviceId::from_str(text) == Ok(device))
}

/// Whether this caller may send for the device that it has named, if there is one.
///
/// `allow_open`: whether devices that are open to it may be sent for without a credential.
pub fn decide(
    caller: Caller,
    device: Option<DeviceFacts>,
    revocations: &Revocations,
    allow_open: bool,
    unknown: UnknownDevice,
) -> Result<DeviceId, TargetError> {
    // Deleted a moment ago, or its owner, and still cached.
    let is_gone = |device: &DeviceFacts| {
        revocations.contains(device.id.as_uuid()) || revocations.contains(device.owner_id.as_uuid())
    };
    let device = device.filter(|device| !is_gone(device));
    match (caller, device) {
        (_, None) if unknown == UnknownDevice::Told => Err(TargetError::Unknown),
        (Caller::Device(own), Some(device)) if device.id == own => Ok(own),
        (Caller::Device(_), _) => Err(TargetError::NotItself),
        (Caller::User(user), Some(device)) if device.owner_id == user => Ok(device.id),
        (Caller::User(_), _) => Err(TargetError::Unknown),
        (Caller::Anonymous, Some(device)) if device.ingest_open && allow_open => Ok(device.id),
        // Unknown and closed alike: whoever has no credential learns of no device that it exists.
        (Caller::Anonymous, _) => Err(TargetError::CredentialNeeded),
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

impl TargetError {
    /// As a fault of one item, whose device is in `field`.
    pub fn into_fault(self, field: &str) -> FieldError {
        match self {
            Self::Field(fault) => fault,
            Self::Unknown => FieldError::new(field, "unknown_device", "there is no such device"),
            Self::CredentialNeeded => FieldError::new(field, "unauthorized", "this device's data needs a credential"),
            Self::NotItself => FieldError::new(field, "forbidden", "a device can send only for itself"),
        }
    }
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
        }
    }
}
