//! The rules of devices and their credentials.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::spans::OfflineAfter;
use crate::http::text::{self, text_type};

/// Secrets of one device that may count at the same time. More would be a client that replaces them without end.
pub const MAX_CREDENTIALS: usize = 20;

text_type! {
    /// What a device is called.
    Label, text::line, 200
}
text_type! {
    /// Where it is.
    Location, text::line, 200
}
text_type! {
    /// What it is; may have several lines.
    Description, text::paragraph, 2_000
}
text_type! {
    /// A piece of text to look for.
    SearchText, text::line, 200
}

/// A text that is no serial number; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be exactly 12 digits")]
pub struct SerialNumberError;

/// A device's serial number; unique among its owner's devices.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SerialNumber(String);

impl SerialNumber {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = SerialNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_one = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_one { Ok(Self(text)) } else { Err(SerialNumberError) }
    }
}

/// What a sender has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IngestAuth {
    /// The device's id is enough.
    Open,
    /// A credential is needed.
    Token,
}

impl IngestAuth {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
        }
    }

    /// From whether the id is enough.
    #[must_use]
    pub fn from_open(is_open: bool) -> Self {
        if is_open { Self::Open } else { Self::Token }
    }
}

/// What was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A device, at `/devices`.
    Device,
    /// A server, at `/servers`: a device that needs no credential and is missed sooner.
    Server,
}

impl DeviceKind {
    /// What its senders have to show, unless its owner says otherwise.
    #[must_use]
    pub fn default_ingest_auth(self) -> IngestAuth {
        match self {
            Self::Device => IngestAuth::Token,
            Self::Server => IngestAuth::Open,
        }
    }

    /// How long it may be silent, unless its owner says otherwise.
    #[must_use]
    pub fn default_offline_after(self) -> OfflineAfter {
        match self {
            Self::Device => OfflineAfter::DEVICE,
            Self::Server => OfflineAfter::SERVER,
        }
    }
}

/// Everything of a device that its owner decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSettings {
    /// What it is called.
    pub name: Label,
    /// Where it is.
    pub location: Option<Location>,
    /// Its serial number.
    pub serial_number: Option<SerialNumber>,
    /// What it is.
    pub description: Option<Description>,
    /// What its senders have to show; the default is its kind's.
    pub ingest_auth: Option<IngestAuth>,
    /// How long it may be silent; the default is its kind's.
    pub offline_after: Option<OfflineAfter>,
}

/// What is to change of a device; `None` leaves it, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceChanges {
    /// What it is called.
    pub name: Option<Label>,
    /// Where it is.
    pub location: Option<Option<Location>>,
    /// Its serial number.
    pub serial_number: Option<Option<SerialNumber>>,
    /// What it is.
    pub description: Option<Option<Description>>,
    /// What its senders have to show.
    pub ingest_auth: Option<IngestAuth>,
    /// How long it may be silent.
    pub offline_after: Option<OfflineAfter>,
}

impl DeviceChanges {
    /// The changes that make a device what `settings` say, and nothing else: what they leave out gets its default.
    #[must_use]
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

#[cfg(test)]
mod tests {
    use super::{DeviceChanges, DeviceKind, DeviceSettings, IngestAuth, Label, SerialNumber};
    use crate::devices::spans::OfflineAfter;
    use crate::http::text::TextError;

    #[test]
    fn a_serial_number_is_exactly_12_digits() {
        assert!(SerialNumber::try_from("012345678901".to_owned()).is_ok());
        for bad in ["", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦", " 12345678901", "12345678901\0"]
        {
            assert!(SerialNumber::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

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
