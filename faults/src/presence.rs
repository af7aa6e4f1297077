//! Devices that are watched by the offline clock, beside those of the ledger.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_simulator::presence::{Diary, Population, PopulationSpec, Witnesses};
use pulso_simulator::screen::Screen;
use tokio::time::Instant;

use crate::outcome::Outcome;
use crate::stack::Stack;
use crate::{Failure, database};

/// Devices that live through an outage, or die in it.
const WITNESSES: usize = 60;
/// Of those, such as die.
const DYING: usize = 15;
/// How long storage may take to hold what was accepted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Begins to watch: devices of which some will die. They may be silent for less than the outage lasts.
pub async fn witnesses(stack: &Stack<'_>) -> Result<Witnesses, Failure> {
    let (offline_after_s, interval_s) = if stack.site.cli.quick { (8, 2) } else { (15, 5) };
    let spec = spec(stack, WITNESSES, offline_after_s, interval_s)?;
    Witnesses::start(Population::ready(spec, &Screen::silent()).await?, DYING).await
}

/// So many devices of the stack's owner.
pub fn spec(
    stack: &Stack<'_>,
    devices: usize,
    offline_after_s: u32,
    interval_s: u64,
) -> Result<PopulationSpec, Failure> {
    Ok(PopulationSpec {
        owner: stack.owner.clone(),
        name_prefix: "presence".to_owned(),
        devices: NonZeroUsize::new(devices).ok_or("no devices")?,
        offline_after_s,
        interval: Duration::from_secs(interval_s),
    })
}

/// Ends the watch, and adds to the outcome what it says, and the rows. `unheard`: whether nobody could be heard.
pub async fn judge(
    stack: &Stack<'_>,
    witnesses: Witnesses,
    recovered: Instant,
    unheard: bool,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let ago = TimeDelta::from_std(recovered.elapsed())?;
    let (verdict, diaries, population) = witnesses.finish(Clock::system().now() - ago).await?;
    outcome.note(verdict.summary());
    for complaint in verdict.complaints() {
        outcome.require(false, format!("presence: {complaint}"));
    }
    let shown = !unheard || verdict.was_put_to_the_test();
    outcome.require(shown, "presence: nobody was unheard for longer than its time, so nothing was shown");
    add_rows(stack, &population, &diaries, outcome).await
}

/// Adds these devices' heartbeats to what was accepted and stored, once they are stored.
pub async fn add_rows(
    stack: &Stack<'_>,
    population: &Population,
    diaries: &[Diary],
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let devices: Vec<String> = population.ids().map(|id| id.as_uuid().to_string()).collect();
    let told: HashMap<String, &Diary> = devices.iter().cloned().zip(diaries).collect();
    let end = Instant::now() + DRAIN_TIMEOUT;
    loop {
        let rows = Rows::compare(&told, &read_rows(&stack.site.services.database_url, &devices).await?);
        if rows.lost == 0 || Instant::now() >= end {
            rows.add_to(outcome);
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What is stored of devices: each with a timestamp, µs.
async fn read_rows(url: &str, devices: &[String]) -> Result<Vec<(String, i64)>, Failure> {
    let sql = "SELECT device_id::text, (extract(epoch FROM ts) * 1000000)::bigint FROM heartbeats
        WHERE device_id = ANY ($1::text[]::uuid[])";
    let rows = database::connect(url).await?.query(sql, &[&devices]).await?;
    let pairs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    pairs.collect::<Result<_, tokio_postgres::Error>>().map_err(Failure::from)
}

/// What was accepted, beside what is stored.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    accepted: usize,
    lost: usize,
    /// Stored twice, or never sent.
    doubled: usize,
}

impl Rows {
    fn compare(told: &HashMap<String, &Diary>, stored: &[(String, i64)]) -> Self {
        let micros = |times: &[DateTime<Utc>]| times.iter().map(DateTime::timestamp_micros).collect::<Vec<_>>();
        let mut rows = Self::default();
        let mut left: HashSet<(&str, i64)> = HashSet::new();
        for (device, diary) in told {
            left.extend(micros(&diary.sent).into_iter().map(|at| (device.as_str(), at)));
        }
        rows.doubled = stored.iter().filter(|(device, at)| !left.remove(&(device.as_str(), *at))).count();
        for (device, diary) in told {
            let accepted = micros(&diary.accepted);
            rows.accepted = rows.accepted.saturating_add(accepted.len());
            let lost = accepted.iter().filter(|at| left.contains(&(device.as_str(), **at))).count();
            rows.lost = rows.lost.saturating_add(lost);
        }
        rows
    }

    fn add_to(&self, outcome: &mut Outcome) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        outcome.accepted = outcome.accepted.saturating_add(number(self.accepted));
        outcome.stored = outcome.stored.saturating_add(number(self.accepted.saturating_sub(self.lost)));
        outcome.lost = outcome.lost.saturating_add(number(self.lost));
        outcome.doubled = outcome.doubled.saturating_add(number(self.doubled));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::DateTime;
    use pulso_simulator::presence::Diary;

    use super::Rows;

    fn compare(sent: &[i64], accepted: &[i64], stored: &[(&str, i64)]) -> Rows {
        let at = |micros: &i64| DateTime::from_timestamp_micros(*micros).unwrap();
        let (sent, accepted) = (sent.iter().map(at).collect(), accepted.iter().map(at).collect());
        let diary = Diary { sent, accepted, ..Diary::default() };
        let stored: Vec<_> = stored.iter().map(|(device, at)| ((*device).to_owned(), *at)).collect();
        Rows::compare(&HashMap::from([("a".to_owned(), &diary)]), &stored)
    }

    #[test]
    fn what_was_accepted_and_is_not_stored_is_lost() {
        assert_eq!(compare(&[1, 2], &[1, 2], &[("a", 1)]), Rows { accepted: 2, lost: 1, doubled: 0 });
        assert_eq!(compare(&[1, 2], &[1, 2], &[("a", 1), ("b", 2)]), Rows { accepted: 2, lost: 1, doubled: 1 });
    }

    #[test]
    fn what_was_sent_and_got_no_answer_may_be_stored_but_nothing_else_and_nothing_twice() {
        assert_eq!(compare(&[1, 2], &[1], &[("a", 1), ("a", 2)]), Rows { accepted: 1, lost: 0, doubled: 0 });
        assert_eq!(compare(&[1], &[1], &[("a", 1), ("a", 1), ("a", 3)]), Rows { accepted: 1, lost: 0, doubled: 2 });
    }
}
