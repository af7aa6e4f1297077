//! What holds for every body that anybody may send ([`crate::fuzzing`]).

use chrono::{TimeDelta, Utc};
use pulso_shared::amqp::message::{self, Submission};
use pulso_shared::ids::DeviceId;

use super::item::{
    Body, GivenTimestamps, ItemFaults, Kind, MAX_ITEMS, RawItem, TimeRules, check, parse, parse_otherwise,
    unreadable_value,
};
use crate::http::error::{ApiError, FieldError, MAX_FAULTS};

/// A body is refused as a whole, or each of its items is: read and valid, and then it travels through the queue unchanged; or
/// named with its faults, each with a place in the item.
pub fn body_property(bytes: &[u8]) {
    let body = parse(bytes).map(judge_items);
    // Refused as a whole.
    let judge = |body: Body<'_>| -> Result<(), ApiError> {
        judge_items(body);
        Ok(())
    };
    let _ = body.or_else(|error| parse_otherwise(bytes, error, judge));
}

fn judge_items(body: Body<'_>) {
    let items = match body {
        Body::Single(item) => vec![Ok(item)],
        Body::Array(items) => items,
    };
    assert!(items.len() <= MAX_ITEMS, "{} items", items.len());
    for item in &items {
        match item {
            Ok(item) => [Kind::Heartbeat, Kind::Reading, Kind::Either].into_iter().for_each(|kind| judge(item, kind)),
            Err(error) => has_a_place(&unreadable_value(error)),
        }
    }
}

fn judge(item: &RawItem<'_>, kind: Kind) {
    let given = GivenTimestamps::default();
    let time = TimeRules {
        now: "2026-11-21T12:00:00Z".parse::<chrono::DateTime<Utc>>().expect("an instant"),
        max_age: TimeDelta::days(3_650),
        given: &given,
    };
    let measured = match check(item, kind, time, MAX_FAULTS) {
        Ok((measured, ignored)) => {
            let names = ignored.into_vec();
            assert!(names.len() <= 100 && names.iter().all(|name| name.chars().count() <= 80), "{names:?}");
            measured
        }
        Err(faults) => return are_reasons(&faults),
    };
    let mut submission = empty_submission(time.now);
    measured.add_to(&mut submission, DeviceId::generate());
    assert_eq!(submission.len(), 1, "a valid item is one row");
    let mut bytes = vec![b'['];
    message::encode(&submission, &mut bytes).expect("what was accepted can be written");
    bytes.push(b']');
    assert_eq!(message::decode(&bytes).expect("what was accepted can be read"), [submission]);
}

fn empty_submission(received_at: chrono::DateTime<Utc>) -> Submission {
    Submission { request_id: "fuzz".to_owned(), received_at, heartbeats: Vec::new(), readings: Vec::new() }
}

fn are_reasons(faults: &ItemFaults) {
    assert!(!faults.listed.is_empty() && faults.listed.len() <= MAX_FAULTS, "{} faults", faults.listed.len());
    faults.listed.iter().for_each(has_a_place);
}

fn has_a_place(fault: &FieldError) {
    assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'), "{fault:?}");
    assert!(!fault.detail.is_empty() && !fault.code.is_empty(), "{fault:?}");
}
