//! The spans of time in this domain, and their limits.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// Life of a credential that has been replaced, at most, s: 30 days.
const MAX_GRACE_S: u32 = 2_592_000;
/// Longest silence of a device that still counts as being there, s: a week.
const MAX_OFFLINE_AFTER_S: i32 = 604_800;

/// A number of seconds out of its range; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between {min} and {max} s")]
pub struct SecondsError {
    min: i64,
    max: i64,
}

/// How long a device may be silent and still count as being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct OfflineAfter(i32);

impl OfflineAfter {
    /// A device's, unless its owner says otherwise.
    pub const DEVICE: Self = Self(180);
    /// A server's, unless its owner says otherwise.
    pub const SERVER: Self = Self(10);

    /// In seconds.
    #[must_use]
    pub fn as_secs(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for OfflineAfter {
    type Error = SecondsError;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        let in_range = i32::try_from(seconds).ok().filter(|seconds| (1..=MAX_OFFLINE_AFTER_S).contains(seconds));
        in_range.map(Self).ok_or(SecondsError { min: 1, max: MAX_OFFLINE_AFTER_S.into() })
    }
}

/// How long credentials that have been replaced live on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Grace(u32);

impl Grace {
    /// In seconds.
    #[must_use]
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

/// How long a device's token lives, s: never beyond the credential it was made from. `None`: it is over already.
#[must_use]
pub fn token_ttl_s(longest_s: u32, credential_expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<u32> {
    let ttl_s = match credential_expires_at {
        None => longest_s,
        Some(at) => u32::try_from((at - now).num_seconds().clamp(0, longest_s.into())).ok()?,
    };
    (ttl_s > 0).then_some(ttl_s)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::{Grace, OfflineAfter, token_ttl_s};

    #[test]
    fn seconds_have_their_ranges() {
        assert_eq!(OfflineAfter::try_from(1).unwrap().as_secs(), 1);
        assert!(OfflineAfter::try_from(604_800).is_ok());
        for bad in [0, -1, 604_801, i64::MAX, i64::MIN] {
            assert!(OfflineAfter::try_from(bad).is_err(), "{bad}");
        }
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
