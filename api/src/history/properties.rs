//! What holds for every query that anybody may send ([`crate::fuzzing`]).

use actix_web::web::Query;
use pulso_shared::rollup::Source;

use super::types::{HistoryQuery, HistoryRequest};
use crate::http::error::ApiError;
use crate::http::extract::page::{MAX_LIMIT, PageQuery, TimeCursor};

/// A query is refused with a reason for each parameter that is wrong, or it asks for something that can be had.
pub fn query_property(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(query) = Query::<HistoryQuery>::from_query(text) {
        [Source::Heartbeats, Source::Readings].into_iter().for_each(|source| judge(&query, source));
    }
    let Ok(page) = Query::<PageQuery>::from_query(text) else { return };
    match page.parse::<TimeCursor>() {
        Ok(page) => {
            assert!((1..=MAX_LIMIT).contains(&page.limit), "{}", page.limit);
            if let Some(cursor) = page.after {
                assert_eq!(cursor.to_string().parse(), Ok(cursor), "a cursor that leads elsewhere");
            }
        }
        Err(ApiError::Validation(faults)) => assert!(!faults.is_empty(), "refused without a reason"),
        Err(error) => panic!("no fault of the query: {error}"),
    }
}

fn judge(query: &HistoryQuery, source: Source) {
    match query.parse(source) {
        Ok(HistoryRequest::Rows(rows)) => assert!(rows.range.from <= rows.range.to, "{:?}", rows.range),
        Ok(HistoryRequest::Points(points)) => {
            assert!(points.range.from <= points.range.to, "{:?}", points.range);
            assert!(points.max_points > 0 && !points.measures.metrics.is_empty(), "{points:?}");
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            assert!(faults.iter().all(|fault| fault.pointer.starts_with('/')), "{faults:?}");
        }
    }
}
