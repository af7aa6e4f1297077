//! What a device has measured and not yet got rid of, oldest first.

use std::collections::VecDeque;
use std::time::Duration;

/// Hours of heartbeats at the usual rates; a real device's flash is not endless either.
const CAPACITY: usize = 10_000;
/// Items in one array: half of what a request may hold, so that a budget that is only half rested has room for it.
const MOST_AT_ONCE: usize = 500;

/// The moments (since 1970) of measurements that wait to be sent. What was measured then is known from the moment
/// alone, because the signals are a function of time.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: VecDeque<Duration>,
    dropped: u64,
}

impl Backlog {
    /// Keeps a moment; when there is no room, the oldest goes.
    pub fn keep(&mut self, at: Duration) {
        if self.waiting.len() >= CAPACITY {
            self.waiting.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.waiting.push_back(at);
    }

    /// What goes into the next request.
    #[must_use]
    pub fn next(&self) -> Vec<Duration> {
        self.waiting.iter().take(MOST_AT_ONCE).copied().collect()
    }

    /// Forgets the oldest `count`: they were taken, or refused for good.
    pub fn forget(&mut self, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many were lost for want of room since the last time this was asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backlog, CAPACITY, MOST_AT_ONCE};

    fn filled(count: usize) -> Backlog {
        let mut backlog = Backlog::default();
        (0..count).for_each(|second| backlog.keep(Duration::from_secs(second.try_into().unwrap())));
        backlog
    }

    #[test]
    fn the_oldest_are_sent_first_and_forgotten_once_taken() {
        let mut backlog = filled(3);
        assert_eq!(backlog.next(), [0, 1, 2].map(Duration::from_secs));
        backlog.forget(2);
        assert_eq!((backlog.next(), backlog.len()), (vec![Duration::from_secs(2)], 1));
    }

    #[test]
    fn a_request_holds_only_so_many() {
        assert_eq!(filled(MOST_AT_ONCE + 1).next().len(), MOST_AT_ONCE);
    }

    #[test]
    fn without_room_the_oldest_goes() {
        let mut backlog = filled(CAPACITY + 2);
        assert_eq!((backlog.len(), backlog.next()[0]), (CAPACITY, Duration::from_secs(2)));
        assert_eq!((backlog.take_dropped(), backlog.take_dropped()), (2, 0));
    }
}
