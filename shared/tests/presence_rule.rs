//! The presence rule as a table of cases, and what must hold for all of them.
#![expect(clippy::unwrap_used, reason = "a test says where it stops")]

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{Strategy, proptest};
use proptest::{collection, prop_assert, prop_assert_eq};
use pulso_shared::presence::{HEALTHY_LAG, IngestAvailability, OutageWindow};

/// A case: outage windows, when the device was last seen, its timeout, and the expected deadline; all in seconds.
struct Case {
    what: &'static str,
    outages: &'static [(i64, i64)],
    seen: i64,
    timeout: i32,
    deadline: i64,
}

const CASES: &[Case] = &[
    Case { what: "no outage", outages: &[], seen: 0, timeout: 10, deadline: 10 },
    Case { what: "no timeout at all", outages: &[(5, 9)], seen: 0, timeout: 0, deadline: 0 },
    Case { what: "outage over before it was seen", outages: &[(-20, -10)], seen: 0, timeout: 10, deadline: 10 },
    Case { what: "outage over when it was seen", outages: &[(-20, 0)], seen: 0, timeout: 10, deadline: 10 },
    Case { what: "outage after its deadline", outages: &[(11, 90)], seen: 0, timeout: 10, deadline: 10 },
    Case { what: "outage begins at its deadline", outages: &[(10, 12)], seen: 0, timeout: 10, deadline: 14 },
    Case { what: "short outage: rest of 6 plus 2", outages: &[(4, 6)], seen: 0, timeout: 10, deadline: 14 },
    Case { what: "long outage: the whole timeout", outages: &[(4, 1_000)], seen: 0, timeout: 10, deadline: 1_010 },
    Case { what: "seen within the outage", outages: &[(-50, 5)], seen: 0, timeout: 10, deadline: 15 },
    Case {
        what: "seen at the end of an outage, in a backlog",
        outages: &[(-299, 1)],
        seen: 0,
        timeout: 10,
        deadline: 11,
    },
    Case { what: "seen as the outage began", outages: &[(0, 3)], seen: 0, timeout: 10, deadline: 13 },
    Case { what: "two outages, both count", outages: &[(2, 4), (8, 9)], seen: 0, timeout: 10, deadline: 16 },
    Case { what: "second outage out of reach", outages: &[(2, 4), (15, 20)], seen: 0, timeout: 10, deadline: 14 },
    Case { what: "second in reach by the first", outages: &[(2, 4), (13, 14)], seen: 0, timeout: 10, deadline: 16 },
    Case { what: "only the second counts", outages: &[(-9, -8), (2, 3)], seen: 0, timeout: 10, deadline: 12 },
];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_764_072_000 + seconds, 0).unwrap()
}

fn windows(outages: &[(i64, i64)]) -> Vec<OutageWindow> {
    outages.iter().map(|(from, until)| OutageWindow { from: at(*from), until: at(*until) }).collect()
}

#[test]
fn each_case_has_its_deadline() {
    for Case { what, outages, seen, timeout, deadline } in CASES {
        let availability = IngestAvailability::as_of(at(2_000), windows(outages));
        assert_eq!(availability.deadline(at(*seen), *timeout), at(*deadline), "{what}");
    }
}

#[test]
fn in_each_case_the_device_is_online_up_to_its_deadline_and_not_later() {
    let microsecond = TimeDelta::microseconds(1);
    for Case { what, outages, seen, timeout, deadline } in CASES {
        let online_at =
            |instant| IngestAvailability::as_of(instant, windows(outages)).is_online(Some(at(*seen)), *timeout);
        assert!(online_at(at(*deadline)), "{what}");
        assert!(!online_at(at(*deadline) + microsecond), "{what}");
    }
}

#[test]
fn a_request_is_answered_as_of_now_unless_storage_is_behind() {
    let seen = Some(at(0));
    let online = |now: i64, stored: Option<i64>| {
        let availability = IngestAvailability::now(at(now), stored.map(at), Vec::new());
        (availability.instant(), availability.is_online(seen, 10))
    };
    assert_eq!(online(11, None), (at(11), false), "there is no watermark yet");
    assert_eq!(online(11, Some(11)), (at(11), false));
    assert_eq!(online(11, Some(30)), (at(11), false), "a watermark ahead of this replica's clock");
    assert_eq!(online(60, Some(5)), (at(5) + HEALTHY_LAG, true), "what it has sent since may be queued");
}

/// Disjoint windows in order, of up to 100 s, up to 100 s apart.
fn outages() -> impl Strategy<Value = Vec<(i64, i64)>> {
    collection::vec((1_i64..100, 1_i64..100), 0..6).prop_map(|gaps| {
        let mut end = 0;
        gaps.into_iter()
            .map(|(gap, length)| {
                let from = end + gap;
                end = from + length;
                (from, end)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn an_outage_never_shortens_a_timeout_and_extends_it_by_at_most_one_timeout_after_its_end(
        outages in outages(), seen in -100_i64..700, timeout in 0_i32..300,
    ) {
        let deadline = IngestAvailability::as_of(at(9_999), windows(&outages)).deadline(at(seen), timeout);
        let whole = TimeDelta::seconds(timeout.into());
        prop_assert!(deadline >= at(seen) + whole);
        let last_end = outages.iter().map(|(_, until)| *until).max().unwrap_or(seen).max(seen);
        prop_assert!(deadline <= at(last_end) + whole);
    }

    #[test]
    fn who_was_seen_later_has_no_earlier_deadline(
        outages in outages(), seen in -100_i64..700, later in 0_i64..200, timeout in 0_i32..300,
    ) {
        let availability = IngestAvailability::as_of(at(9_999), windows(&outages));
        prop_assert!(availability.deadline(at(seen), timeout) <= availability.deadline(at(seen + later), timeout));
    }

    #[test]
    fn the_bound_for_sql_separates_online_from_offline(
        outages in outages(), now in 0_i64..900, timeout in 0_i32..300, seen in -100_i64..900,
    ) {
        let availability = IngestAvailability::as_of(at(now), windows(&outages));
        let bound = availability.oldest_online(timeout);
        let seen = at(seen.min(now));
        prop_assert_eq!(seen >= bound, availability.is_online(Some(seen), timeout));
    }
}
