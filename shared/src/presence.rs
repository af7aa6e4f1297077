//! The one rule that says whether a device is there: silence counts only while Pulso could hear.
//!
//! ```text
//!  last seen ────────── offline_after ──────────▶ deadline
//!  last seen ──── x ────[ Pulso deaf: L ]──── min(offline_after, rest of it + L) ──▶ deadline
//! ```
//!
//! The time in which Pulso was deaf does not count. After it, a device has what was left of its time, and as long again
//! as Pulso was away, but never more than its whole time: whoever was refused for long tries again more and more
//! seldom, and a device that died meanwhile is still found within its timeout.

use chrono::{DateTime, TimeDelta, Utc};

/// How far a healthy storage path is behind, at most: what the API judges looks so much further than what is proved to
/// be stored. A beat every 250 ms speaks for the one before it; a batch, and two marks of the worker, come on top.
pub const HEALTHY_LAG: TimeDelta = TimeDelta::milliseconds(1_000);

/// A time in which Pulso could not hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeafSpan {
    /// Its beginning.
    pub from: DateTime<Utc>,
    /// Its end.
    pub until: DateTime<Utc>,
}

/// What was heard, as far as it decides who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearing {
    as_of: DateTime<Utc>,
    /// In order of time, apart from each other.
    deaf: Vec<DeafSpan>,
}

impl Hearing {
    /// What is known as of an instant; `deaf` in order of time.
    #[must_use]
    pub fn as_of(as_of: DateTime<Utc>, deaf: Vec<DeafSpan>) -> Self {
        Self { as_of, deaf }
    }

    /// For whoever asks now: the present, unless storage is further behind than it usually is. Then a device is judged
    /// as of what is stored: what it has sent since may lie in the queue. `None`: nothing has been heard yet at all.
    #[must_use]
    pub fn now(now: DateTime<Utc>, heard_through: Option<DateTime<Utc>>, deaf: Vec<DeafSpan>) -> Self {
        let as_of = heard_through.map_or(now, |heard| now.min(heard + HEALTHY_LAG));
        Self { as_of, deaf }
    }

    /// The instant that is judged.
    #[must_use]
    pub fn instant(&self) -> DateTime<Utc> {
        self.as_of
    }

    /// The last instant at which a device counts as there, if nothing more comes of it.
    #[must_use]
    pub fn deadline(&self, last_seen_at: DateTime<Utc>, offline_after_s: i32) -> DateTime<Utc> {
        let whole = TimeDelta::seconds(offline_after_s.into());
        let first = self.deaf.partition_point(|span| span.until <= last_seen_at);
        let mut deadline = last_seen_at + whole;
        for span in self.deaf.iter().skip(first) {
            let from = span.from.max(last_seen_at);
            if deadline < from {
                break;
            }
            let rest = deadline - from;
            deadline = span.until + whole.min(rest + (span.until - from));
        }
        deadline
    }

    /// Whether a device is there. One that has never sent anything is not.
    #[must_use]
    pub fn is_online(&self, last_seen_at: Option<DateTime<Utc>>, offline_after_s: i32) -> bool {
        last_seen_at.is_some_and(|seen| self.as_of <= self.deadline(seen, offline_after_s))
    }

    /// The earliest that a device may have been seen last and still be there: the same rule for whoever has to ask the
    /// database. To be there is a matter of one bound, since who was seen later has the later deadline.
    #[must_use]
    pub fn oldest_online(&self, offline_after_s: i32) -> DateTime<Utc> {
        // Each deaf span moves it by at most twice its length.
        let whole = TimeDelta::seconds(offline_after_s.into());
        let earliest = self.deaf.iter().fold(self.as_of - whole, |bound, span| bound - (span.until - span.from) * 2);
        // Whole microseconds, which is what the database keeps.
        let (mut gone, mut there) = (earliest.timestamp_micros().saturating_sub(1), self.as_of.timestamp_micros());
        while there.saturating_sub(gone) > 1 {
            let middle = i64::midpoint(gone, there);
            if self.is_online(DateTime::from_timestamp_micros(middle), offline_after_s) {
                there = middle;
            } else {
                gone = middle;
            }
        }
        DateTime::from_timestamp_micros(there).unwrap_or(self.as_of)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{DeafSpan, HEALTHY_LAG, Hearing};

    /// So many seconds after some noon.
    fn at(seconds: i64) -> DateTime<Utc> {
        "2026-11-25T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
    }

    fn heard(now: i64, deaf: &[(i64, i64)]) -> Hearing {
        Hearing::as_of(
            at(now),
            deaf.iter().map(|(from, until)| DeafSpan { from: at(*from), until: at(*until) }).collect(),
        )
    }

    #[test]
    fn a_device_is_there_up_to_and_including_its_limit() {
        let hearing = heard(0, &[]);
        let seen = |micros| Some(at(0) - TimeDelta::microseconds(micros));
        assert!(hearing.is_online(seen(0), 10));
        assert!(hearing.is_online(seen(10_000_000), 10));
        assert!(!hearing.is_online(seen(10_000_001), 10));
        assert!(hearing.is_online(seen(10_000_001), 180));
        assert!(hearing.is_online(seen(-2_000_000), 10), "a replica whose clock runs behind");
        assert!(!hearing.is_online(None, i32::MAX), "never sent anything");
    }

    #[test]
    fn after_an_outage_a_device_has_its_rest_and_as_long_again_as_the_outage_but_not_more_than_its_whole_time() {
        // Deaf from 100 to 104; of its 10 s, a device seen at 95 has 5 left, and gets 4.
        assert_eq!(heard(200, &[(100, 104)]).deadline(at(95), 10), at(104 + 9));
        // Deaf for long: the whole time, counted from the end.
        assert_eq!(heard(2_000, &[(100, 400)]).deadline(at(95), 10), at(410));
        // Seen during the outage itself, such as by a backlog that was sent afterwards.
        assert_eq!(heard(2_000, &[(100, 400)]).deadline(at(399), 10), at(410));
        // Whose time was over before it began is not spared; nor does an outage before it was seen help anybody.
        assert_eq!(heard(200, &[(100, 104)]).deadline(at(80), 10), at(90));
        assert_eq!(heard(200, &[(100, 104)]).deadline(at(104), 10), at(114));
    }

    #[test]
    fn one_outage_after_the_other_goes_on_sparing() {
        assert_eq!(heard(900, &[(100, 200), (205, 300), (500, 501)]).deadline(at(99), 10), at(310));
    }

    #[test]
    fn the_bound_for_the_database_is_the_same_rule() {
        let ledgers: [&[(i64, i64)]; 5] =
            [&[], &[(100, 104)], &[(100, 400)], &[(10, 20), (22, 30), (90, 91)], &[(380, 395), (397, 399)]];
        for deaf in ledgers {
            for (now, offline_after_s) in [(400, 1), (400, 10), (405, 10), (450, 180), (410, 300), (5_000, 604_800)] {
                let hearing = heard(now, deaf);
                let bound = hearing.oldest_online(offline_after_s);
                assert!(hearing.is_online(Some(bound), offline_after_s), "{deaf:?} {now} {offline_after_s}");
                let before = bound - TimeDelta::microseconds(1);
                assert!(!hearing.is_online(Some(before), offline_after_s), "{deaf:?} {now} {offline_after_s}");
                let agrees = |seen: i64| (at(seen) >= bound) == hearing.is_online(Some(at(seen)), offline_after_s);
                assert!((-200..450).all(agrees), "{deaf:?} {now} {offline_after_s}");
            }
        }
    }

    #[test]
    fn now_is_the_present_unless_storage_is_behind() {
        assert_eq!(Hearing::now(at(0), None, Vec::new()).instant(), at(0));
        assert_eq!(Hearing::now(at(0), Some(at(-1)), Vec::new()).instant(), at(0));
        assert_eq!(Hearing::now(at(0), Some(at(-180)), Vec::new()).instant(), at(-180) + HEALTHY_LAG);
    }
}
