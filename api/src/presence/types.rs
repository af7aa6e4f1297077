//! Who is there, as it is answered. The rule itself is [`IngestAvailability`]'s.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether a device is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// Its newest data is fresh enough.
    Online,
    /// Its newest data is too old, or it has never sent any.
    Offline,
}

impl PresenceStatus {
    /// The status of a device whose newest data is from `last_seen_at` and may be `offline_after_s` old.
    #[must_use]
    pub fn of(hearing: &IngestAvailability, last_seen_at: Option<DateTime<Utc>>, offline_after_s: i32) -> Self {
        if hearing.is_online(last_seen_at, offline_after_s) { Self::Online } else { Self::Offline }
    }
}

/// Whether a device is there, as `/health` answers it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthResponse {
    /// The device.
    pub server_ulid: DeviceId,
    /// Its name.
    #[schema(example = "Dolly #1")]
    pub server_name: String,
    /// Whether it is there.
    pub status: PresenceStatus,
    /// When it was last heard of: the earlier of its own timestamp and our receipt. `null`: never.
    #[schema(required)]
    pub last_seen_at: Option<DateTime<Utc>>,
}
