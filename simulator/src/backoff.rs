//! How long to wait before trying again.

use std::time::Duration;

use crate::draw::Draw;

/// First wait without advice from the server.
const SHORTEST: Duration = Duration::from_millis(50);
/// Longest wait without advice: a supervisor has an API back within 5 s.
const LONGEST: Duration = Duration::from_secs(3);
/// Longest wait, whatever the server advises: a simulator that sleeps for minutes looks dead.
const LONGEST_ADVISED: Duration = Duration::from_secs(30);
/// Doublings after which the wait stays the same; far beyond [`LONGEST`].
const MOST_DOUBLINGS: u32 = 16;

/// Waits that double from try to try, each shortened by chance, so that a thousand devices that lost their server at
/// the same moment do not all come back at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    tries: u32,
    draw: Draw,
}

impl Backoff {
    /// Chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { tries: 0, draw: Draw::new(seed) }
    }

    /// The next wait; not before what the server's `Retry-After` said.
    pub fn next(&mut self, advised: Option<Duration>) -> Duration {
        let doubled = SHORTEST.saturating_mul(1_u32 << self.tries.min(MOST_DOUBLINGS)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        let wait = doubled.mul_f64(0.5 + self.draw.share() / 2.0);
        advised.map_or(wait, |advised| advised.min(LONGEST_ADVISED) + wait.min(SHORTEST))
    }

    /// A number at least 0 and below 1, from the same chance.
    pub fn share(&mut self) -> f64 {
        self.draw.share()
    }

    /// Forgets the tries: something worked.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, LONGEST, LONGEST_ADVISED};

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(1);
        let waits: Vec<_> = (0..40).map(|_| backoff.next(None)).collect();
        assert!(waits[0] <= Duration::from_millis(50) && waits[39] >= LONGEST / 2);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        backoff.reset();
        assert!(backoff.next(None) <= Duration::from_millis(50));
    }

    #[test]
    fn the_server_s_advice_is_followed_within_reason() {
        let mut backoff = Backoff::new(1);
        let wait = backoff.next(Some(Duration::from_secs(2)));
        assert!(wait >= Duration::from_secs(2) && wait < Duration::from_millis(2_100), "{wait:?}");
        assert!(backoff.next(Some(Duration::from_secs(3_600))) < LONGEST_ADVISED + Duration::from_secs(1));
    }
}
