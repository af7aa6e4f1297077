//! The oldest that this worker has in hand and has not stored yet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// What was in hand when a connection to the broker broke is delivered again, here or elsewhere: at once when the
/// broker knows of it, after two missed heartbeats (10 s each) when it does not. So long it counts as ours.
const GIVEN_BACK_FOR: Duration = Duration::from_secs(25);

/// When the API received the oldest of what is being gathered, of what is being written, of what was given back.
#[derive(Debug, Default)]
pub struct Holdings(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    gathering: Option<DateTime<Utc>>,
    writing: Option<DateTime<Utc>>,
    given_back: Option<(DateTime<Utc>, Instant)>,
}

impl Holdings {
    /// A message was taken whose oldest submission was received then.
    pub fn taken(&self, received_at: Option<DateTime<Utc>>) {
        let mut held = self.held();
        held.gathering = older(held.gathering, received_at);
    }

    /// What was gathered is being written.
    pub fn writing(&self) {
        let mut held = self.held();
        held.writing = held.gathering.take();
    }

    /// What was being written is stored.
    pub fn stored(&self) {
        self.held().writing = None;
    }

    /// The session has ended, and what is in hand will be delivered again.
    pub fn given_back(&self) {
        let mut held = self.held();
        let open = older(held.gathering.take(), held.writing.take());
        let before = held.given_back.map(|(received_at, _)| received_at);
        if let Some(oldest) = open {
            held.given_back = Some((before.map_or(oldest, |before| before.min(oldest)), Instant::now()));
        }
    }

    /// When the API received the oldest of all; `None` when everything is stored.
    #[must_use]
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        let mut held = self.held();
        held.given_back = held.given_back.take().filter(|(_, since)| since.elapsed() < GIVEN_BACK_FOR);
        let given_back = held.given_back.map(|(received_at, _)| received_at);
        older(given_back, older(held.gathering, held.writing))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The earlier of the two that there are.
fn older(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{GIVEN_BACK_FOR, Holdings};

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    #[test]
    fn the_oldest_is_held_until_it_is_stored() {
        let holdings = Holdings::default();
        assert_eq!(holdings.oldest(), None);
        holdings.taken(at(5));
        holdings.taken(None);
        holdings.taken(at(6));
        holdings.writing();
        holdings.taken(at(7));
        assert_eq!(holdings.oldest(), at(5));
        holdings.stored();
        assert_eq!(holdings.oldest(), at(7));
        holdings.writing();
        holdings.stored();
        assert_eq!(holdings.oldest(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_given_back_counts_until_it_must_have_been_delivered_again() {
        let holdings = Holdings::default();
        holdings.taken(at(5));
        holdings.writing();
        holdings.taken(at(6));
        holdings.given_back();
        holdings.given_back();
        assert_eq!(holdings.oldest(), at(5));
        tokio::time::advance(GIVEN_BACK_FOR).await;
        assert_eq!(holdings.oldest(), None);
    }
}
