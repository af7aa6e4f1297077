//! One connection at work: compose, send, and send again as long as the answer asks for it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::composer::{Composer, Payload};
use super::link::{Answer, Link, LinkError};
use super::tally::Tally;
use super::{Run, Window};
use crate::backoff::Backoff;

/// Accepted payloads that are remembered for being sent again.
const REMEMBERED: usize = 64;

/// One connection, its devices and what it has seen.
pub(super) struct Caller {
    pub(super) run: Arc<Run>,
    pub(super) link: Link,
    pub(super) composer: Composer,
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) remembered: VecDeque<Payload>,
    pub(super) backoff: Backoff,
}

/// How a payload ended.
enum Fate {
    Accepted(Accepted),
    /// A 4xx; `uncertain` when an earlier attempt may have been taken all the same.
    Refused {
        answer: Answer,
        uncertain: bool,
    },
    /// Given up at the end of the time; `uncertain` when an attempt may have been taken: a 5xx and a lost answer
    /// promise nothing, a 429 promises that it was not.
    GivenUp {
        uncertain: bool,
    },
}

struct Accepted {
    readings: u64,
    at: Instant,
    body: Bytes,
}

impl Caller {
    /// Works until the window closes.
    pub(super) async fn work(mut self) {
        // A failure shows again, and is counted, at the first request.
        let _ = self.link.open().await;
        let window = self.run.window().await;
        while let Some(begun) = self.next_moment(window).await {
            let Some(payload) = self.composer.compose() else { return };
            let fate = self.deliver(&payload, window).await;
            self.note(&payload, &fate, begun, window);
            self.backoff.reset();
            self.remember(payload, &fate);
            self.resend(window).await;
        }
    }

    async fn next_moment(&self, window: Window) -> Option<Instant> {
        if self.run.stop.is_cancelled() {
            return None;
        }
        tokio::select! {
            biased;
            moment = self.run.pace.next(window.start, window.end) => moment,
            () = self.run.stop.cancelled() => None,
        }
    }

    /// Sends until there is a final word or the time is over. What had no answer is sent again unchanged: the same
    /// device and timestamp are one reading however often they arrive.
    async fn deliver(&mut self, payload: &Payload, window: Window) -> Fate {
        let mut uncertain = false;
        loop {
            let wait = match self.link.post(&payload.authorization, &payload.body).await {
                Ok(answer) => {
                    self.tally().answered(answer.status);
                    let status = answer.status;
                    if status.is_success() {
                        return Fate::Accepted(Accepted::by(&answer, payload));
                    }
                    uncertain |= status.is_server_error();
                    // A 408 was on its way before we sent anything: our connection was idle for too long.
                    let may_pass = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
                    if status.is_client_error() && !may_pass {
                        return Fate::Refused { answer, uncertain };
                    }
                    answer.retry_after
                }
                Err(failure) => {
                    uncertain |= !matches!(failure, LinkError::Connect(_));
                    self.tally().last_failure = Some(failure.to_string());
                    None
                }
            };
            let wait = self.backoff.next(wait);
            if self.run.must_end(window, wait) {
                return Fate::GivenUp { uncertain };
            }
            tokio::time::sleep(wait).await;
            self.count(|tally| &mut tally.retried, 1);
        }
    }

    fn note(&self, payload: &Payload, fate: &Fate, begun: Instant, window: Window) {
        let items = u64::try_from(payload.items).unwrap_or(u64::MAX);
        match fate {
            Fate::Accepted(accepted) => {
                let latency = accepted.at.saturating_duration_since(begun);
                let mut tally = self.tally();
                tally.accepted(accepted.readings, latency, accepted.at <= window.end);
                tally.refused = tally.refused.saturating_add(items.saturating_sub(accepted.readings));
                drop(tally);
                self.run.write_accepted(payload, &accepted.body);
            }
            Fate::Refused { answer, uncertain } => {
                self.tally().refused(items, answer.status, &answer.body);
                if *uncertain {
                    self.run.write_unanswered(payload);
                }
            }
            Fate::GivenUp { uncertain: true } => {
                self.count(|tally| &mut tally.unanswered, items);
                self.run.write_unanswered(payload);
            }
            Fate::GivenUp { uncertain: false } => self.count(|tally| &mut tally.not_taken, items),
        }
    }

    fn remember(&mut self, payload: Payload, fate: &Fate) {
        if self.run.plan.resend_share > 0.0 && matches!(fate, Fate::Accepted(_)) {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.pop_front();
            }
            self.remembered.push_back(payload);
        }
    }

    /// Now and then sends something a second time that was accepted some time ago.
    async fn resend(&mut self, window: Window) {
        let share = self.run.plan.resend_share;
        if share <= 0.0 || self.composer.share() >= share {
            return;
        }
        let from_newest = self.composer.share() < 0.5;
        let chosen = if from_newest { self.remembered.pop_back() } else { self.remembered.pop_front() };
        if let Some(payload) = chosen
            && let Fate::Accepted(_) = self.deliver(&payload, window).await
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
}

impl Accepted {
    fn by(answer: &Answer, payload: &Payload) -> Self {
        let items = u64::try_from(payload.items).unwrap_or(u64::MAX);
        let readings = accepted_count(&answer.body).unwrap_or(items);
        Self { readings, at: Instant::now(), body: answer.body.clone() }
    }
}

/// What an answer says of the items that were not taken.
#[derive(Deserialize)]
struct PartlyTaken {
    rejected: Vec<RejectedItem>,
}

#[derive(Deserialize)]
struct RejectedItem {
    index: usize,
}

/// The places of the items that an answer says were not taken.
fn rejected_places(body: &[u8]) -> HashSet<usize> {
    let answer = serde_json::from_slice::<PartlyTaken>(body);
    answer.map(|answer| answer.rejected.into_iter().map(|item| item.index).collect()).unwrap_or_default()
}

/// The number behind `"accepted":` at the beginning of an answer.
fn accepted_count(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"{\"accepted\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

impl Run {
    fn write_accepted(&self, payload: &Payload, answer: &[u8]) {
        let Some(journal) = &self.plan.journal else { return };
        let rejected = rejected_places(answer);
        if rejected.is_empty() {
            journal.accepted(payload.device, &payload.readings);
        } else {
            let places = payload.readings.iter().enumerate();
            let taken: Vec<_> =
                places.filter(|(place, _)| !rejected.contains(place)).map(|(_, reading)| *reading).collect();
            journal.accepted(payload.device, &taken);
        }
    }

    fn write_unanswered(&self, payload: &Payload) {
        if let Some(journal) = &self.plan.journal {
            journal.unanswered(payload.device, &payload.readings);
        }
    }

    /// Whether waiting so long would lead past the time there is.
    fn must_end(&self, window: Window, wait: Duration) -> bool {
        self.stop.is_cancelled() || Instant::now() + wait >= window.end + self.plan.patience
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{accepted_count, rejected_places};

    #[test]
    fn the_items_that_were_not_taken_are_known_by_their_places() {
        let answer = br#"{"accepted":1,"rejected":[{"index":0,"errors":[]},{"index":2,"errors":[{"code":"x"}]}]}"#;
        assert_eq!(rejected_places(answer), HashSet::from([0, 2]));
        assert!(rejected_places(br#"{"accepted":1,"rejected":[]}"#).is_empty());
    }

    #[test]
    fn the_number_of_accepted_readings_is_read_from_the_answer() {
        assert_eq!(accepted_count(b"{\"accepted\":100,\"rejected\":[]}"), Some(100));
        assert_eq!(accepted_count(b"{\"rejected\":[]}"), None);
        assert_eq!(accepted_count(b""), None);
    }
}
