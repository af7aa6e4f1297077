//! Measured numbers.

use std::num::NonZeroU32;

use serde::Serialize;

use crate::gauges::CpuTime;
use crate::processes::Memory;

/// The result of a load on the whole path.
#[derive(Debug, Clone, Serialize)]
pub struct LoadResult {
    /// Connections.
    pub connections: usize,
    /// Heartbeats in a request's array; none: single heartbeats.
    pub array: Option<NonZeroU32>,
    /// Requests a second that were offered; none: as many as the answers allowed.
    pub offered_per_s: Option<f64>,
    /// Heartbeats that got a 2xx.
    pub accepted: u64,
    /// Rows that there are more than before.
    pub stored: u64,
    /// Heartbeats that may or may not have been accepted (5xx or no response to the end).
    pub unanswered: u64,
    /// Heartbeats accepted by the end of the sending, a second.
    pub accepted_per_s: f64,
    /// Heartbeats committed by the end of the sending, a second.
    pub stored_per_s: f64,
    /// Heartbeats accepted and not committed by the end of the sending.
    pub backlog: u64,
    /// How long after the end of the sending all was committed, s.
    pub drained_s: f64,
    /// Responses 429 and 503.
    pub slowed: u64,
    /// Latency of the 2xx.
    pub p50_ms: f64,
    /// Latency of the 2xx.
    pub p90_ms: f64,
    /// Latency of the 2xx.
    pub p99_ms: f64,
    /// Latency of the 2xx.
    pub max_ms: f64,
    /// Heartbeats in an AMQP message, on average.
    pub readings_per_message: f64,
    /// Rows in a transaction, on average.
    pub rows_per_batch: f64,
    /// CPU-seconds per million accepted heartbeats.
    pub cpu_per_million: CpuTime,
    /// The API's memory.
    pub api_memory: Memory,
    /// The worker's memory.
    pub worker_memory: Memory,
}

impl LoadResult {
    /// Whether exactly what was accepted is stored; what had no response may be stored too.
    pub fn is_consistent(&self) -> bool {
        (self.accepted..=self.accepted.saturating_add(self.unanswered)).contains(&self.stored)
    }
}

/// The result of a load on the bare route.
#[derive(Debug, Clone, Serialize)]
pub struct BareResult {
    /// Connections.
    pub connections: usize,
    /// Responses a second.
    pub answers_per_s: f64,
    /// Latency.
    pub p50_ms: f64,
    /// Latency.
    pub p99_ms: f64,
    /// CPU-seconds per million responses, of the bare route.
    pub cpu_per_million: f64,
    /// The same, of the load generator.
    pub load_cpu_per_million: f64,
}

/// The result of one part on its own.
#[derive(Debug, Clone, Serialize)]
pub struct FloorResult {
    /// Messages or batches a second.
    pub units_per_s: f64,
    /// Heartbeats a second.
    pub heartbeats_per_s: f64,
    /// CPU-seconds per million heartbeats of the client (this process).
    pub client_cpu_per_million: f64,
    /// The same, of the server (RabbitMQ or PostgreSQL).
    pub server_cpu_per_million: f64,
}

/// The sustained load between two measurements of the bare route.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// Responses a second of the bare route: the mean of just before and just after.
    pub bare_per_s: f64,
    /// The whole path.
    pub path: LoadResult,
}

impl Round {
    /// Stored heartbeats per response of the bare route.
    pub fn ratio(&self) -> f64 {
        self.path.stored_per_s / self.bare_per_s
    }
}

/// The median; of an even number of values, the mean of the two in the middle. `None` of no values.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::{LoadResult, median};
    use crate::gauges::CpuTime;
    use crate::processes::Memory;

    fn load(accepted: u64, unanswered: u64, stored: u64) -> LoadResult {
        LoadResult {
            connections: 1,
            array: None,
            offered_per_s: None,
            accepted,
            stored,
            unanswered,
            accepted_per_s: 0.0,
            stored_per_s: 0.0,
            backlog: 0,
            drained_s: 0.0,
            slowed: 0,
            p50_ms: 0.0,
            p90_ms: 0.0,
            p99_ms: 0.0,
            max_ms: 0.0,
            readings_per_message: 0.0,
            rows_per_batch: 0.0,
            cpu_per_million: CpuTime::default(),
            api_memory: Memory::default(),
            worker_memory: Memory::default(),
        }
    }

    #[test]
    fn exactly_what_was_accepted_is_stored_and_at_most_what_had_no_response_too() {
        assert!(load(10, 0, 10).is_consistent() && load(10, 2, 10).is_consistent() && load(10, 2, 12).is_consistent());
        assert!(!load(10, 0, 9).is_consistent() && !load(10, 2, 13).is_consistent());
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
