//! This replica's beats: its word, sent behind the data, that it could hear.
//!
//! A beat speaks for the time up to the beat before it, whose confirm has come: what was received before that one has
//! had the time of a confirm to get into the queue, ahead of this one.

use std::time::Duration;

use actix_web::web::Data;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_query;
use diesel_async::RunQueryDsl;
use pulso_shared::amqp::watermark::WatermarkProbe;
use pulso_shared::ids::ProcessId;
use pulso_shared::shutdown::Shutdown;
use tokio::time::MissedTickBehavior;

use crate::state::AppState;

/// Two of these are part of how late a silence is noticed; each is one small message, on the broker's disk.
const BEAT_EVERY: Duration = Duration::from_millis(250);
/// Whoever needs longer could not have taken in a device's data either.
const BEAT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Between two beats of one run lies no more: a process that was stopped or a clock that was set has heard nothing.
const LONGEST_GAP: TimeDelta = TimeDelta::seconds(2);

/// Beats until the order to stop.
pub async fn keep_beating(state: Data<AppState>, mut shutdown: Shutdown) {
    let mut run = Run::new(ProcessId::generate());
    let mut beats = tokio::time::interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = shutdown.requested() => return,
        }
        let at = state.clock.now();
        run.interrupt_unless_close_to(at);
        if matches!(tokio::time::timeout(BEAT_TIMEOUT, beat(&state, run.claim())).await, Ok(true)) {
            run.go_on(at);
        } else {
            run.interrupt();
        }
    }
}

/// Whether everybody can be heard: without the database no token is given out and no open device is known.
async fn beat(state: &AppState, claim: Option<WatermarkProbe>) -> bool {
    let Ok(mut connection) = state.db.get().await else { return false };
    let answers = sql_query("SELECT 1").execute(&mut connection).await.is_ok();
    drop(connection);
    answers && state.publisher.publish_beat(claim).await
}

/// A time without interruption.
#[derive(Debug)]
struct Run {
    replica: ProcessId,
    /// Its first beat and its last one.
    heard: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Run {
    fn new(replica: ProcessId) -> Self {
        Self { replica, heard: None }
    }

    /// What the next beat may say.
    fn claim(&self) -> Option<WatermarkProbe> {
        let (since, until) = self.heard?;
        Some(WatermarkProbe { replica: self.replica.as_uuid(), since, until })
    }

    /// Ends it when its last beat was too long ago, or has not been yet: then a clock was set back.
    fn interrupt_unless_close_to(&mut self, now: DateTime<Utc>) {
        self.heard = self.heard.filter(|(_, last)| *last <= now && now - last <= LONGEST_GAP);
    }

    fn go_on(&mut self, at: DateTime<Utc>) {
        let since = self.heard.map_or(at, |(since, _)| since);
        self.heard = Some((since, at));
    }

    fn interrupt(&mut self) {
        if self.heard.take().is_some() {
            tracing::warn!("devices cannot be heard here: the broker or the database does not answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use pulso_shared::ids::ProcessId;

    use super::Run;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn claim(run: &Run) -> Option<(i64, i64)> {
        run.claim().map(|beat| (beat.since.timestamp(), beat.until.timestamp()))
    }

    #[test]
    fn a_beat_speaks_for_the_time_up_to_the_one_before() {
        let mut run = Run::new(ProcessId::generate());
        assert_eq!(claim(&run), None);
        run.go_on(at(1));
        assert_eq!(claim(&run), Some((1, 1)));
        run.go_on(at(2));
        assert_eq!(claim(&run), Some((1, 2)));
    }

    #[test]
    fn a_failure_a_gap_and_a_clock_set_back_begin_a_new_run() {
        let mut run = Run::new(ProcessId::generate());
        run.go_on(at(10));
        run.interrupt_unless_close_to(at(12));
        assert_eq!(claim(&run), Some((10, 10)));
        run.interrupt_unless_close_to(at(13));
        assert_eq!(claim(&run), None);
        run.go_on(at(13));
        run.interrupt_unless_close_to(at(9));
        assert_eq!(claim(&run), None);
        run.go_on(at(9));
        run.interrupt();
        assert_eq!(claim(&run), None);
    }
}
