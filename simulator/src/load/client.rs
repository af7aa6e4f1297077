//! One connection at work: compose, send, and retry as long as the response asks for it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::composer::{Composer, Payload};
use super::connection::{Connection, ConnectionError, Response};
use super::run_state::{RunState, Window};
use super::tally::Tally;
use crate::retry::RetryDelays;

/// Accepted payloads that are kept, to be sent a second time.
const REMEMBERED: usize = 64;

/// One connection, its devices and what came of their requests.
pub(super) struct LoadClient {
    pub(super) state: Arc<RunState>,
    pub(super) connection: Connection,
    pub(super) composer: Composer,
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) remembered: VecDeque<Payload>,
    pub(super) delays: RetryDelays,
}

/// What became of a payload.
enum Outcome {
    Accepted(Accepted),
    /// A 4xx; `uncertain` when an earlier attempt may have been accepted all the same.
    Refused {
        response: Response,
        uncertain: bool,
    },
    /// Not retried any more; `uncertain` when an attempt may have been accepted: a 5xx and a lost response promise
    /// nothing, a 429 promises that it was not.
    GivenUp {
        uncertain: bool,
    },
}

struct Accepted {
    readings: u64,
    at: Instant,
    body: Bytes,
}

impl LoadClient {
    /// Works until the window closes.
    pub(super) async fn work(mut self) {
        // A failure shows again, and is counted, at the first request.
        let _ = self.connection.open().await;
        let window = self.state.window().await;
        while let Some(begun) = self.next_start(window).await {
            let Some(payload) = self.composer.compose() else { return };
            let outcome = self.deliver(&payload, window).await;
            self.record(&payload, &outcome, begun, window);
            self.delays.reset();
            self.remember(payload, &outcome);
            self.resend(window).await;
        }
    }

    async fn next_start(&self, window: Window) -> Option<Instant> {
        if self.state.stop.is_cancelled() {
            return None;
        }
        tokio::select! {
            biased;
            start = self.state.pace.next(window.start, window.end) => start,
            () = self.state.stop.cancelled() => None,
        }
    }

    /// Sends until there is a final response or the time is over. What had no response is sent again unchanged: the same
    /// device and timestamp are one reading however often they arrive.
    async fn deliver(&mut self, payload: &Payload, window: Window) -> Outcome {
        let mut uncertain = false;
        loop {
            let retry_after = match self.connection.post(&payload.authorization, &payload.body).await {
                Ok(response) => {
                    self.tally().answered(response.status);
                    let status = response.status;
                    if status.is_success() {
                        return Outcome::Accepted(Accepted::by(&response, payload));
                    }
                    uncertain |= status.is_server_error();
                    // The server sent a 408 before it got our request: the connection had been idle for too long.
                    let is_retryable = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
                    if status.is_client_error() && !is_retryable {
                        return Outcome::Refused { response, uncertain };
                    }
                    response.retry_after
                }
                Err(failure) => {
                    uncertain |= !matches!(failure, ConnectionError::Connect(_));
                    self.tally().last_failure = Some(failure.to_string());
                    None
                }
            };
            let delay = self.delays.next(retry_after);
            if self.state.is_over_after(window, delay) {
                return Outcome::GivenUp { uncertain };
            }
            tokio::time::sleep(delay).await;
            self.count(|tally| &mut tally.retried, 1);
        }
    }

    fn record(&self, payload: &Payload, outcome: &Outcome, begun: Instant, window: Window) {
        let items = u64::try_from(payload.items).unwrap_or(u64::MAX);
        match outcome {
            Outcome::Accepted(accepted) => {
                let latency = accepted.at.saturating_duration_since(begun);
                let mut tally = self.tally();
                tally.accepted(accepted.readings, latency, accepted.at <= window.end);
                tally.refused = tally.refused.saturating_add(items.saturating_sub(accepted.readings));
                drop(tally);
                self.write_accepted(payload, &accepted.body);
            }
            Outcome::Refused { response, uncertain } => {
                self.tally().refused(items, response.status, &response.body);
                if *uncertain {
                    self.write_unanswered(payload);
                }
            }
            Outcome::GivenUp { uncertain: true } => {
                self.count(|tally| &mut tally.unanswered, items);
                self.write_unanswered(payload);
            }
            Outcome::GivenUp { uncertain: false } => self.count(|tally| &mut tally.not_accepted, items),
        }
    }

    fn remember(&mut self, payload: Payload, outcome: &Outcome) {
        if self.state.plan.resend_share > 0.0 && matches!(outcome, Outcome::Accepted(_)) {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.pop_front();
            }
            self.remembered.push_back(payload);
        }
    }

    /// Sends a share of the payloads a second time, some time after they were accepted.
    async fn resend(&mut self, window: Window) {
        let share = self.state.plan.resend_share;
        if share <= 0.0 || self.composer.random_fraction() >= share {
            return;
        }
        let from_newest = self.composer.random_fraction() < 0.5;
        let chosen = if from_newest { self.remembered.pop_back() } else { self.remembered.pop_front() };
        if let Some(payload) = chosen
            && let Outcome::Accepted(_) = self.deliver(&payload, window).await
        {
            self.count(|tally| &mut tally.resent, 1);
        }
    }

    fn count(&self, field: impl FnOnce(&mut Tally) -> &mut u64, more: u64) {
        let mut tally = self.tally();
        let count = field(&mut tally);
        *count = count.saturating_add(more);
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_accepted(&self, payload: &Payload, response: &[u8]) {
        let Some(journal) = &self.state.plan.journal else { return };
        let rejected = rejected_places(response);
        if rejected.is_empty() {
            journal.accepted(payload.device, &payload.readings);
        } else {
            let places = payload.readings.iter().enumerate();
            let accepted: Vec<_> =
                places.filter(|(place, _)| !rejected.contains(place)).map(|(_, reading)| *reading).collect();
            journal.accepted(payload.device, &accepted);
        }
    }

    fn write_unanswered(&self, payload: &Payload) {
        if let Some(journal) = &self.state.plan.journal {
            journal.unanswered(payload.device, &payload.readings);
        }
    }
}

impl Accepted {
    fn by(response: &Response, payload: &Payload) -> Self {
        let items = u64::try_from(payload.items).unwrap_or(u64::MAX);
        let readings = accepted_count(&response.body).unwrap_or(items);
        Self { readings, at: Instant::now(), body: response.body.clone() }
    }
}

/// The part of a response that names the rejected items.
#[derive(Deserialize)]
struct Rejections {
    rejected: Vec<RejectedItem>,
}

#[derive(Deserialize)]
struct RejectedItem {
    index: usize,
}

/// The places of the rejected items.
fn rejected_places(body: &[u8]) -> HashSet<usize> {
    let response = serde_json::from_slice::<Rejections>(body);
    response.map(|response| response.rejected.into_iter().map(|item| item.index).collect()).unwrap_or_default()
}

/// The number behind `"accepted":` at the beginning of a response.
fn accepted_count(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"{\"accepted\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{accepted_count, rejected_places};

    #[test]
    fn rejected_items_are_known_by_their_places() {
        let response = br#"{"accepted":1,"rejected":[{"index":0,"errors":[]},{"index":2,"errors":[{"code":"x"}]}]}"#;
        assert_eq!(rejected_places(response), HashSet::from([0, 2]));
        assert!(rejected_places(br#"{"accepted":1,"rejected":[]}"#).is_empty());
    }

    #[test]
    fn the_number_of_accepted_readings_is_read_from_the_response() {
        assert_eq!(accepted_count(b"{\"accepted\":100,\"rejected\":[]}"), Some(100));
        assert_eq!(accepted_count(b"{\"rejected\":[]}"), None);
        assert_eq!(accepted_count(b""), None);
    }
}
