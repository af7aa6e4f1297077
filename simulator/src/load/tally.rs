//! Counts and latencies of a load's requests.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use http::StatusCode;

/// Latencies are recorded to three digits, up to a minute.
const LONGEST_US: u64 = 60_000_000;

/// Enough of a refusal's body to see the reason.
const EXCERPT_BYTES: usize = 300;

/// All requests so far.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Readings that got a 2xx.
    pub accepted: u64,
    /// Of those, how many got it before the end of the sending time.
    pub accepted_in_time: u64,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Retries after a 429, a 503 or no response.
    pub retried: u64,
    /// Accepted requests sent a second time on purpose, and accepted again.
    pub resent: u64,
    /// Readings refused for good (a 4xx, or rejected inside an array).
    pub refused: u64,
    /// Readings given up after no response or a 5xx, which promise nothing: they may have been accepted.
    pub unanswered: u64,
    /// Readings given up that were certainly not accepted (429, no connection).
    pub not_accepted: u64,
    /// The first response that was neither 2xx nor 429 nor 503.
    pub first_refusal: Option<String>,
    /// Why the last request without a response had none.
    pub last_failure: Option<String>,
    /// Latency of the 2xx, µs.
    pub latency_us: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            accepted: 0,
            accepted_in_time: 0,
            statuses: BTreeMap::new(),
            retried: 0,
            resent: 0,
            refused: 0,
            unanswered: 0,
            not_accepted: 0,
            first_refusal: None,
            last_failure: None,
            latency_us: empty_histogram(),
        }
    }
}

/// 1 µs to [`LONGEST_US`]; should those bounds ever be refused, one that grows as it needs.
fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).unwrap_or_else(|_| growing_histogram())
}

#[expect(clippy::expect_used, reason = "3 is a valid number of digits, which is all that can be wrong")]
fn growing_histogram() -> Histogram<u64> {
    Histogram::new(3).expect("3 digits")
}

impl Tally {
    pub(super) fn answered(&mut self, status: StatusCode) {
        let count = self.statuses.entry(status.as_u16()).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn accepted(&mut self, readings: u64, latency: Duration, in_time: bool) {
        self.accepted = self.accepted.saturating_add(readings);
        if in_time {
            self.accepted_in_time = self.accepted_in_time.saturating_add(readings);
        }
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US));
    }

    pub(super) fn refused(&mut self, readings: u64, status: StatusCode, body: &[u8]) {
        self.refused = self.refused.saturating_add(readings);
        self.first_refusal.get_or_insert_with(|| {
            let excerpt = body.get(..body.len().min(EXCERPT_BYTES)).unwrap_or_default();
            format!("{status}: {}", String::from_utf8_lossy(excerpt))
        });
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            let sum = self.statuses.entry(*status).or_default();
            *sum = sum.saturating_add(*count);
        }
        for (sum, part) in [
            (&mut self.accepted, other.accepted),
            (&mut self.accepted_in_time, other.accepted_in_time),
            (&mut self.retried, other.retried),
            (&mut self.resent, other.resent),
            (&mut self.refused, other.refused),
            (&mut self.unanswered, other.unanswered),
            (&mut self.not_accepted, other.not_accepted),
        ] {
            *sum = sum.saturating_add(part);
        }
        self.first_refusal = self.first_refusal.take().or_else(|| other.first_refusal.clone());
        self.last_failure = other.last_failure.clone().or_else(|| self.last_failure.take());
        // Both have the same bounds, so adding cannot fail.
        let _ = self.latency_us.add(&other.latency_us);
    }

    /// The latency that a share `quantile` of the 2xx did not exceed, ms.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        Duration::from_micros(self.latency_us.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
    }

    /// How many responses had this status.
    pub fn count_of(&self, status: StatusCode) -> u64 {
        self.statuses.get(&status.as_u16()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::Tally;

    #[test]
    fn tallies_add_up() {
        let mut first = Tally::default();
        first.answered(StatusCode::ACCEPTED);
        first.accepted(100, Duration::from_millis(2), true);
        let mut second = Tally::default();
        second.answered(StatusCode::ACCEPTED);
        second.accepted(1, Duration::from_millis(40), false);
        second.answered(StatusCode::BAD_REQUEST);
        second.refused(1, StatusCode::BAD_REQUEST, b"{}");
        first.add(&second);
        assert_eq!((first.accepted, first.accepted_in_time, first.refused), (101, 100, 1));
        assert_eq!((first.count_of(StatusCode::ACCEPTED), first.count_of(StatusCode::BAD_REQUEST)), (2, 1));
        assert_eq!(first.first_refusal.as_deref(), Some("400 Bad Request: {}"));
        assert!((39.9..40.1).contains(&first.latency_ms(1.0)), "{}", first.latency_ms(1.0));
    }
}
