//! The oldest delivery that this worker has not stored yet: what holds its watermark back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// Deliveries of a broken session are requeued: at once when the broker has seen it break, else after two missed AMQP
/// heartbeats (10 s each). Until then they hold the watermark back, for nobody else knows of them.
const REQUEUE_TIME: Duration = Duration::from_secs(25);
/// A worker whose watermark is older takes nothing more. The others forget it 8 s after its last report at the earliest
/// (`delete_gone_workers.sql`): until then it has the time to store what it has in flight.
const REPORT_MAX_AGE: Duration = Duration::from_secs(3);

/// When the API accepted the oldest delivery that is being gathered, is being written, or was requeued.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<Oldest>);

#[derive(Debug, Default)]
struct Oldest {
    gathering: Option<DateTime<Utc>>,
    writing: Option<DateTime<Utc>>,
    requeued: Option<(DateTime<Utc>, Instant)>,
    reported_at: Option<Instant>,
}

impl InFlight {
    /// A message was delivered whose oldest submission was accepted then.
    pub fn delivered(&self, received_at: Option<DateTime<Utc>>) {
        let mut oldest = self.lock();
        oldest.gathering = older(oldest.gathering, received_at);
    }

    /// All that was gathered is being written.
    pub fn writing(&self) {
        let mut oldest = self.lock();
        oldest.writing = oldest.gathering.take();
    }

    /// All that was being written is stored.
    pub fn stored(&self) {
        self.lock().writing = None;
    }

    /// The session has ended: the broker will deliver again what is not stored.
    pub fn requeued(&self) {
        let mut oldest = self.lock();
        let open = older(oldest.gathering.take(), oldest.writing.take());
        let before = oldest.requeued.map(|(received_at, _)| received_at);
        if let Some(open) = open {
            oldest.requeued = Some((before.map_or(open, |before| before.min(open)), Instant::now()));
        }
    }

    /// The watermark has been reported, with what was in flight then.
    pub fn reported(&self) {
        self.lock().reported_at = Some(Instant::now());
    }

    /// Whether something more may be taken: what the others do not know of, they would judge devices without.
    pub fn may_grow(&self) -> bool {
        self.lock().reported_at.is_some_and(|at| at.elapsed() < REPORT_MAX_AGE)
    }

    /// When the API accepted the oldest of all; `None` when everything is stored.
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        let mut oldest = self.lock();
        oldest.requeued = oldest.requeued.take().filter(|(_, since)| since.elapsed() < REQUEUE_TIME);
        let requeued = oldest.requeued.map(|(received_at, _)| received_at);
        older(requeued, older(oldest.gathering, oldest.writing))
    }

    fn lock(&self) -> MutexGuard<'_, Oldest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The earlier of those that exist.
fn older(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{InFlight, REPORT_MAX_AGE, REQUEUE_TIME};

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    #[test]
    fn the_oldest_counts_until_it_is_stored() {
        let in_flight = InFlight::default();
        assert_eq!(in_flight.oldest(), None);
        in_flight.delivered(at(5));
        in_flight.delivered(None);
        in_flight.delivered(at(6));
        in_flight.writing();
        in_flight.delivered(at(7));
        assert_eq!(in_flight.oldest(), at(5));
        in_flight.stored();
        assert_eq!(in_flight.oldest(), at(7));
        in_flight.writing();
        in_flight.stored();
        assert_eq!(in_flight.oldest(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn requeued_deliveries_count_until_they_must_have_been_delivered_again() {
        let in_flight = InFlight::default();
        in_flight.delivered(at(5));
        in_flight.writing();
        in_flight.delivered(at(6));
        in_flight.requeued();
        in_flight.requeued();
        assert_eq!(in_flight.oldest(), at(5));
        tokio::time::advance(REQUEUE_TIME).await;
        assert_eq!(in_flight.oldest(), None);
    }
    #[tokio::test(start_paused = true)]
    async fn of_several_sessions_the_oldest_delivery_counts_for_as_long_as_the_newest_session_needs() {
        let in_flight = InFlight::default();
        in_flight.delivered(at(5));
        in_flight.requeued();
        tokio::time::advance(REQUEUE_TIME / 2).await;
        in_flight.delivered(at(9));
        in_flight.requeued();
        tokio::time::advance(REQUEUE_TIME / 2).await;
        assert_eq!(
            in_flight.oldest(),
            at(5),
            "the second session broke before the first one's deliveries must be back"
        );
        in_flight.delivered(at(7));
        assert_eq!(in_flight.oldest(), at(5));
        tokio::time::advance(REQUEUE_TIME / 2).await;
        assert_eq!(in_flight.oldest(), at(7), "delivered again, it counts by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_taken_before_the_first_report_nor_long_after_the_last_one() {
        let in_flight = InFlight::default();
        assert!(!in_flight.may_grow());
        in_flight.reported();
        assert!(in_flight.may_grow());
        tokio::time::advance(REPORT_MAX_AGE).await;
        assert!(!in_flight.may_grow());
        in_flight.reported();
        assert!(in_flight.may_grow());
    }

    #[test]
    fn a_watermark_probe_holds_nothing_back() {
        let in_flight = InFlight::default();
        in_flight.delivered(None);
        in_flight.writing();
        assert_eq!(in_flight.oldest(), None);
        in_flight.requeued();
        assert_eq!(in_flight.oldest(), None);
    }
}
