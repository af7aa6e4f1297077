//! Metrics of ingest.

use metrics::counter;

use crate::http::error::ApiError;

/// Counts readings that were not accepted, by the reason's code.
pub fn count_rejected(code: &'static str, readings: usize) {
    counter!("pulso_ingest_rejected_total", "reason" => code).increment(u64::try_from(readings).unwrap_or(u64::MAX));
}

/// Counts a single item that was not accepted.
pub fn count_rejected_item(error: &ApiError) {
    let code = match error {
        ApiError::Validation(errors) => errors.first().map_or("unknown", |error| error.code),
        ApiError::NotFound(_) => "unknown_device",
        ApiError::Unauthorized(_) => "unauthorized",
        ApiError::Forbidden(_) => "forbidden",
        ApiError::TooManyRequests(_) => "too_many_requests",
        _ => "unavailable",
    };
    count_rejected(code, 1);
}
