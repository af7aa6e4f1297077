//! How long a device may be silent.

use serde::Deserialize;

/// A week.
const MAX_SECONDS: i32 = 604_800;

/// A number of seconds out of its range; `Display` is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between {min} and {max} s")]
pub struct SecondsError {
    pub(super) min: i64,
    pub(super) max: i64,
}

/// How long a device may be silent before it counts as offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct OfflineAfter(i32);

impl OfflineAfter {
    /// A device's default.
    pub const DEVICE: Self = Self(180);
    /// A server's default.
    pub const SERVER: Self = Self(10);

    pub fn as_secs(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for OfflineAfter {
    type Error = SecondsError;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        let in_range = i32::try_from(seconds).ok().filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
        in_range.map(Self).ok_or(SecondsError { min: 1, max: MAX_SECONDS.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::OfflineAfter;

    #[test]
    fn a_silence_is_between_a_second_and_a_week() {
        assert_eq!(OfflineAfter::try_from(1).unwrap().as_secs(), 1);
        assert!(OfflineAfter::try_from(604_800).is_ok());
        for bad in [0, -1, 604_801, i64::MAX, i64::MIN] {
            assert!(OfflineAfter::try_from(bad).is_err(), "{bad}");
        }
    }
}
