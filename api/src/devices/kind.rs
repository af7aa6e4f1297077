//! The two kinds of devices, and what their senders have to prove.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::offline_after::OfflineAfter;

/// What a sender of a device's data has to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IngestAuth {
    /// The device's id is enough.
    Open,
    /// A credential is needed.
    Token,
}

impl IngestAuth {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
        }
    }

    pub fn from_open(is_open: bool) -> Self {
        if is_open { Self::Open } else { Self::Token }
    }
}

/// What was registered; decides the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A device, at `/devices`.
    Device,
    /// A server, at `/servers`: a device that needs no credential and counts as offline sooner.
    Server,
}

impl DeviceKind {
    /// The default of its `ingest_auth`.
    pub fn default_ingest_auth(self) -> IngestAuth {
        match self {
            Self::Device => IngestAuth::Token,
            Self::Server => IngestAuth::Open,
        }
    }

    /// The default of its `offline_after_s`.
    pub fn default_offline_after(self) -> OfflineAfter {
        match self {
            Self::Device => OfflineAfter::DEVICE,
            Self::Server => OfflineAfter::SERVER,
        }
    }
}
