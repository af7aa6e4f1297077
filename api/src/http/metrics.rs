//! Metrics of HTTP. Handles are made once: looking a metric up by name costs more than counting it.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use metrics::{Counter, counter};

static RESPONSES: LazyLock<[Counter; 5]> = LazyLock::new(|| {
    ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| counter!("pulso_http_responses_total", "class" => class))
});

/// Counts a request that was refused because a limit was used up, by the limit's name.
pub fn count_limit_exceeded(limit: &'static str) {
    counter!("pulso_limit_exceeded_total", "limit" => limit).increment(1);
}

/// Counts a response by the class of its status.
pub fn count_response(status: StatusCode) {
    let class = usize::from(status.as_u16() / 100).saturating_sub(1);
    if let Some(counter) = RESPONSES.get(class) {
        counter.increment(1);
    }
}
