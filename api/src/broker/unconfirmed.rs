//! Since when this process has data that the broker has not confirmed: a watermark probe must not claim more than what is
//! in the queue ahead of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// Nothing is unconfirmed.
const NOTHING: i64 = i64::MAX;

/// That of all HTTP threads.
#[derive(Debug, Clone, Default)]
pub struct Unconfirmed(Arc<Mutex<Vec<Arc<AtomicI64>>>>);

/// The messages of one HTTP thread.
pub struct UnconfirmedOfThread {
    /// When the API received the oldest data of all of them, microseconds since 1970.
    oldest: Arc<AtomicI64>,
    messages: RefCell<BTreeSet<Message>>,
    next_number: Cell<u64>,
}

/// A message from its first submission to its outcome: when the first one was received, and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message(i64, u64);

impl Unconfirmed {
    /// Adds a thread.
    pub fn of_thread(&self) -> UnconfirmedOfThread {
        let oldest = Arc::new(AtomicI64::new(NOTHING));
        self.threads().push(Arc::clone(&oldest));
        UnconfirmedOfThread { oldest, messages: RefCell::default(), next_number: Cell::default() }
    }

    /// When the oldest unconfirmed data was received.
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        let oldest = self.threads().iter().map(|thread| thread.load(Ordering::Acquire)).min()?;
        if oldest == NOTHING { None } else { DateTime::from_timestamp_micros(oldest) }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Arc<AtomicI64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnconfirmedOfThread {
    /// A message whose first submission was received then. Those that join it were received later: between its receipt
    /// and the publisher, a submission does not wait.
    pub fn begin(&self, received_at: DateTime<Utc>) -> Message {
        let message = Message(received_at.timestamp_micros(), self.next_number.get());
        self.next_number.set(message.1.wrapping_add(1));
        self.messages.borrow_mut().insert(message);
        self.publish_oldest();
        message
    }

    /// The broker has confirmed the message, or its requests are refused.
    pub fn end(&self, message: Message) {
        self.messages.borrow_mut().remove(&message);
        self.publish_oldest();
    }

    fn publish_oldest(&self) {
        let oldest = self.messages.borrow().first().map_or(NOTHING, |Message(received_at, _)| *received_at);
        self.oldest.store(oldest, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::Unconfirmed;

    #[test]
    fn the_oldest_message_of_all_threads_counts_until_its_outcome() {
        let unconfirmed = Unconfirmed::default();
        let (one, other) = (unconfirmed.of_thread(), unconfirmed.of_thread());
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        assert_eq!(unconfirmed.oldest(), None);
        let (second, first, third) = (one.begin(at(2)), other.begin(at(1)), one.begin(at(2)));
        assert_eq!(unconfirmed.oldest(), Some(at(1)));
        other.end(first);
        assert_eq!(unconfirmed.oldest(), Some(at(2)));
        one.end(third);
        assert_eq!(unconfirmed.oldest(), Some(at(2)), "another one of the same instant");
        one.end(second);
        assert_eq!(unconfirmed.oldest(), None);
    }
}
