//! What a device has measured and not sent yet, oldest first.

use std::collections::VecDeque;
use std::time::Duration;

/// Hours of heartbeats at the usual rates; a real device's flash memory is limited too.
const CAPACITY: usize = 10_000;
/// Items in one request: half of the API's limit, so that a token bucket that is only half full has room for it.
const MAX_BATCH: usize = 500;

/// The times (since 1970) of measurements that wait to be sent. A time is enough, because the signals are a function of
/// time.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: VecDeque<Duration>,
    dropped: u64,
}

impl Backlog {
    /// Adds a time; when there is no room, the oldest is dropped.
    pub fn push(&mut self, at: Duration) {
        if self.waiting.len() >= CAPACITY {
            self.waiting.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.waiting.push_back(at);
    }

    /// The items of the next request.
    pub fn next_batch(&self) -> Vec<Duration> {
        self.waiting.iter().take(MAX_BATCH).copied().collect()
    }

    /// Removes the oldest `count`: they were accepted, or refused for good.
    pub fn remove(&mut self, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
    }

    /// The number of waiting items.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number of items dropped since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backlog, CAPACITY, MAX_BATCH};

    fn filled(count: usize) -> Backlog {
        let mut backlog = Backlog::default();
        (0..count).for_each(|second| backlog.push(Duration::from_secs(second.try_into().unwrap())));
        backlog
    }

    #[test]
    fn the_oldest_are_sent_first_and_removed_once_accepted() {
        let mut backlog = filled(3);
        assert_eq!(backlog.next_batch(), [0, 1, 2].map(Duration::from_secs));
        backlog.remove(2);
        assert_eq!((backlog.next_batch(), backlog.len()), (vec![Duration::from_secs(2)], 1));
    }

    #[test]
    fn a_request_is_limited() {
        assert_eq!(filled(MAX_BATCH + 1).next_batch().len(), MAX_BATCH);
    }

    #[test]
    fn without_room_the_oldest_is_dropped() {
        let mut backlog = filled(CAPACITY + 2);
        assert_eq!((backlog.len(), backlog.next_batch()[0]), (CAPACITY, Duration::from_secs(2)));
        assert_eq!((backlog.take_dropped(), backlog.take_dropped()), (2, 0));
    }
}
