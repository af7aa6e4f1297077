//! One connection at work: compose, send, and send again as long as the answer asks for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
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
    Refused(Answer),
    /// Given up at the end of the time; `unanswered` when no answer ever came.
    GivenUp {
        unanswered: bool,
    },
}

struct Accepted {
    readings: u64,
    at: Instant,
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
        let mut unanswered = false;
        loop {
            let wait = match self.link.post(&payload.authorization, payload.body.clone()).await {
                Ok(answer) => {
                    self.tally().answered(answer.status);
                    match verdict(&answer, payload) {
                        Verdict::Final(fate) => return fate,
                        Verdict::Later => answer.retry_after,
                    }
                }
                Err(failure) => {
                    unanswered |= !matches!(failure, LinkError::Connect(_));
                    self.tally().last_failure = Some(failure.to_string());
                    None
                }
            };
            let wait = self.backoff.next(wait);
            if self.run.must_end(window, wait) {
                return Fate::GivenUp { unanswered };
            }
            tokio::time::sleep(wait).await;
            self.count(|tally| &mut tally.retried);
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
                self.run.write_accepted(payload);
            }
            Fate::Refused(answer) => self.tally().refused(items, answer.status, &answer.body),
            Fate::GivenUp { unanswered: true } => {
                let mut tally = self.tally();
                tally.unanswered = tally.unanswered.saturating_add(items);
                drop(tally);
                self.run.write_unanswered(payload);
            }
            Fate::GivenUp { unanswered: false } => {
                let mut tally = self.tally();
                tally.not_taken = tally.not_taken.saturating_add(items);
            }
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
            self.count(|tally| &mut tally.resent);
        }
    }

    fn count(&self, field: impl FnOnce(&mut Tally) -> &mut u64) {
        let mut tally = self.tally();
        let count = field(&mut tally);
        *count = count.saturating_add(1);
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Verdict {
    Final(Fate),
    Later,
}

fn verdict(answer: &Answer, payload: &Payload) -> Verdict {
    match answer.status {
        status if status.is_success() => Verdict::Final(Fate::Accepted(Accepted {
            readings: accepted_count(&answer.body).unwrap_or_else(|| u64::try_from(payload.items).unwrap_or(u64::MAX)),
            at: Instant::now(),
        })),
        StatusCode::TOO_MANY_REQUESTS => Verdict::Later,
        status if status.is_server_error() => Verdict::Later,
        _ => Verdict::Final(Fate::Refused(Answer {
            status: answer.status,
            retry_after: None,
            body: answer.body.clone(),
        })),
    }
}

/// The number behind `"accepted":` at the beginning of an answer.
fn accepted_count(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"{\"accepted\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

impl Run {
    /// Whether waiting so long would lead past the time there is.
    fn must_end(&self, window: Window, wait: Duration) -> bool {
        self.stop.is_cancelled() || Instant::now() + wait >= window.end + self.plan.patience
    }
}

#[cfg(test)]
mod tests {
    use super::accepted_count;

    #[test]
    fn the_number_of_accepted_readings_is_read_from_the_answer() {
        assert_eq!(accepted_count(b"{\"accepted\":100,\"rejected\":[]}"), Some(100));
        assert_eq!(accepted_count(b"{\"rejected\":[]}"), None);
        assert_eq!(accepted_count(b""), None);
    }
}
