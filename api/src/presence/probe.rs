//! Watermark probes: this replica's claim, published behind the data, that it could take data in without interruption.
//!
//! A probe claims the time up to the probe before it, and never beyond the oldest data that the broker has not confirmed:
//! whatever was received up to then is in the queue, ahead of the probe, however slow the broker is.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::amqp::watermark::WatermarkProbe;
use pulso_shared::clock::Clock;
use pulso_shared::ids::ProcessId;
use pulso_shared::shutdown::Shutdown;
use tokio::time::MissedTickBehavior;

use super::store;
use crate::broker::Publisher;
use crate::db::DbPool;

/// Two of these are part of how late a silence is noticed; each is one small message, on the broker's disk.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// Whoever needs longer could not have taken in a device's data either.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The longest gap between two probes of one run: a process that was stopped or whose clock was set took nothing in.
const MAX_GAP: TimeDelta = TimeDelta::seconds(2);

/// Publishes probes until shutdown.
pub async fn publish_probes(db: DbPool, publisher: Publisher, clock: Clock, mut shutdown: Shutdown) {
    let mut run = Run::new(ProcessId::generate());
    let mut ticks = tokio::time::interval(PROBE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.requested() => return leave(&db, run.claim(None)).await,
        }
        let at = clock.now();
        run.interrupt_after_gap(at);
        let claim = run.claim(publisher.oldest_unconfirmed());
        let published = tokio::time::timeout(PROBE_TIMEOUT, probe(&db, &publisher, claim)).await;
        if published == Ok(true) {
            run.extend(at);
        } else {
            run.interrupt();
        }
    }
}

/// Whether all data could be taken in: without the database no token is issued and no open device is known.
async fn probe(db: &DbPool, publisher: &Publisher, claim: Option<WatermarkProbe>) -> bool {
    let Ok(mut connection) = db.get().await else { return false };
    let answers = store::ping(&mut connection).await.is_ok();
    drop(connection);
    answers && publisher.publish_probe(claim).await
}

/// Says that this replica ends in order. Should it fail, the next minute is judged more carefully than need be.
async fn leave(db: &DbPool, last: Option<WatermarkProbe>) {
    let Some(WatermarkProbe { replica, since, .. }) = last else { return };
    let left = tokio::time::timeout(PROBE_TIMEOUT, async {
        let mut connection = db.get().await.map_err(|error| error.to_string())?;
        store::end_run(&mut connection, replica, since).await.map_err(|error| error.to_string())
    });
    if !matches!(left.await, Ok(Ok(()))) {
        tracing::debug!("the end of this replica's run could not be written");
    }
}

/// A time without interruption.
#[derive(Debug)]
struct Run {
    replica: ProcessId,
    /// Its first probe and its last one.
    probed: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Run {
    fn new(replica: ProcessId) -> Self {
        Self { replica, probed: None }
    }

    /// What the next probe may claim, given when the oldest data was received that is not in the queue yet.
    fn claim(&self, unconfirmed: Option<DateTime<Utc>>) -> Option<WatermarkProbe> {
        let (since, last) = self.probed?;
        let before_unconfirmed = unconfirmed.map(|oldest| oldest - TimeDelta::microseconds(1));
        let until = before_unconfirmed.map_or(last, |before| before.min(last));
        (since <= until).then(|| WatermarkProbe { replica: self.replica.as_uuid(), since, until })
    }

    /// Ends the run when its last probe is too long ago, or in the future: then a clock was set back.
    fn interrupt_after_gap(&mut self, now: DateTime<Utc>) {
        self.probed = self.probed.filter(|(_, last)| *last <= now && now - last <= MAX_GAP);
    }

    fn extend(&mut self, at: DateTime<Utc>) {
        let since = self.probed.map_or(at, |(since, _)| since);
        self.probed = Some((since, at));
    }

    fn interrupt(&mut self) {
        if self.probed.take().is_some() {
            tracing::warn!("ingest unavailable: the broker or the database does not answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use pulso_shared::ids::ProcessId;

    use super::Run;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn claim(run: &Run) -> Option<(i64, i64)> {
        run.claim(None).map(|probe| (probe.since.timestamp(), probe.until.timestamp()))
    }

    #[test]
    fn a_probe_claims_the_time_up_to_the_one_before() {
        let mut run = Run::new(ProcessId::generate());
        assert_eq!(claim(&run), None);
        run.extend(at(1));
        assert_eq!(claim(&run), Some((1, 1)));
        run.extend(at(2));
        assert_eq!(claim(&run), Some((1, 2)));
    }

    #[test]
    fn a_probe_does_not_claim_what_is_not_in_the_queue_yet() {
        let mut run = Run::new(ProcessId::generate());
        run.extend(at(10));
        run.extend(at(20));
        let until = |oldest| run.claim(Some(at(oldest))).map(|probe| probe.until);
        assert_eq!(until(25), Some(at(20)));
        assert_eq!(until(15), Some(at(15) - TimeDelta::microseconds(1)));
        assert_eq!(until(10), None, "nothing since the run began");
    }

    #[test]
    fn a_failure_a_gap_and_a_clock_set_back_begin_a_new_run() {
        let mut run = Run::new(ProcessId::generate());
        run.extend(at(10));
        run.interrupt_after_gap(at(12));
        assert_eq!(claim(&run), Some((10, 10)));
        run.interrupt_after_gap(at(13));
        assert_eq!(claim(&run), None);
        run.extend(at(13));
        run.interrupt_after_gap(at(9));
        assert_eq!(claim(&run), None);
        run.extend(at(9));
        run.interrupt();
        assert_eq!(claim(&run), None);
    }
}
