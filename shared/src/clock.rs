//! The one place that asks the machine what time it is; everything else is handed a [`Clock`].

use chrono::{DateTime, SubsecRound, Utc};

/// Tells the time, in UTC, cut to the microsecond that PostgreSQL keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// The present instant. Cut (not rounded) to microseconds, so that a value answered to a client equals the stored one.
    #[must_use]
    pub fn now(self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
        Utc::now().trunc_subsecs(6)
    }
}
