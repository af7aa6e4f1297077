//! Bodies, responses and rules of credentials.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::offline_after::SecondsError;
use crate::http::extract::fields::{Fields, Names, body, or_default, required};
use crate::ids::CredentialId;

/// Valid secrets of one device at the same time. More would be a client that replaces them without end.
pub const MAX_CREDENTIALS: usize = 20;
/// 30 days.
const MAX_GRACE_S: u32 = 2_592_000;

/// How long replaced credentials stay valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Grace(u32);

impl Grace {
    pub fn as_secs(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Grace {
    type Error = SecondsError;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        let in_range = u32::try_from(seconds).ok().filter(|seconds| *seconds <= MAX_GRACE_S);
        in_range.map(Self).ok_or(SecondsError { min: 0, max: MAX_GRACE_S.into() })
    }
}

/// How long a device's token lives, s: never beyond the credential it was made from. `None`: it has ended already.
pub fn token_ttl_s(longest_s: u32, credential_expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<u32> {
    let ttl_s = match credential_expires_at {
        None => longest_s,
        Some(at) => u32::try_from((at - now).num_seconds().clamp(0, longest_s.into())).ok()?,
    };
    (ttl_s > 0).then_some(ttl_s)
}

body! {
    /// When a new secret replaces the older ones.
    pub struct CredentialBody {
        /// How long the older secrets stay valid, s.
        #[schema(value_type = Option<u32>, maximum = 2592000, default = 0)]
        pub grace_s: Grace = or_default,
    }
    const MAY_BE_EMPTY: bool = true;
}

body! {
    /// A device that wants a token.
    #[schema(example = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "secret": "d8764ae7…"}))]
    pub struct DeviceLoginBody {
        /// ULID or UUID.
        pub device_id: DeviceId = required,
        /// One of the device's secrets.
        #[schema(value_type = String, format = "password")]
        pub secret: SecretString = secret,
    }
}

fn secret(fields: &mut Fields, names: Names) -> Option<SecretString> {
    required::<String>(fields, names).map(SecretString::from)
}

/// A secret, shown this once.
#[derive(Serialize, ToSchema)]
pub struct NewCredentialResponse {
    /// The secret's own id, to delete it by.
    credential_id: CredentialId,
    device_id: DeviceId,
    /// 256 random bits, as 64 hexadecimal digits.
    secret: String,
}

impl NewCredentialResponse {
    pub fn new(credential_id: CredentialId, device_id: DeviceId, secret: &SecretString) -> Self {
        Self { credential_id, device_id, secret: secret.expose_secret().to_owned() }
    }
}

/// A credential, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"credential_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "created_at": "2026-11-21T02:27:10.308280Z", "expires_at": null}))]
pub struct CredentialResponse {
    /// To delete it by.
    pub credential_id: CredentialId,
    pub created_at: DateTime<Utc>,
    /// When it and all tokens made from it stop working. `null`: it has not been replaced.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A device's token.
#[derive(Serialize, ToSchema)]
pub struct DeviceTokenResponse {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Life of the token, s. It ends earlier when the secret it was made from does.
    #[schema(example = 86400)]
    pub expires_in: u32,
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::{Grace, token_ttl_s};

    #[test]
    fn a_grace_is_at_most_30_days() {
        assert!(Grace::try_from(0).is_ok());
        assert_eq!(Grace::try_from(-1).unwrap_err().to_string(), "must be between 0 and 2592000 s");
        assert!(Grace::try_from(2_592_001).is_err());
    }

    #[test]
    fn a_token_never_outlives_its_credential() {
        let now = DateTime::UNIX_EPOCH;
        let at = |milliseconds| Some(now + TimeDelta::milliseconds(milliseconds));
        assert_eq!(token_ttl_s(86_400, None, now), Some(86_400));
        assert_eq!(token_ttl_s(86_400, at(60_900), now), Some(60));
        assert_eq!(token_ttl_s(86_400, at(90_000_000), now), Some(86_400));
        assert_eq!(token_ttl_s(86_400, at(999), now), None);
        assert_eq!(token_ttl_s(86_400, at(-5_000), now), None);
    }
}
