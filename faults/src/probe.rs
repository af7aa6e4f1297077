//! The probe: one device that sends ten times a second, whatever happens, and records the responses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pulso_shared::clock::Clock;
use pulso_simulator::load::HEARTBEATS;
use pulso_testkit::{Answer, Client, Failure};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const SEND_INTERVAL: Duration = Duration::from_millis(100);
/// Longer than any response may take: every call inside Pulso has a shorter time limit.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a recovery may take.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// One request, and its response.
#[derive(Debug, Clone, Copy)]
struct Exchange {
    answered_at: Instant,
    took: Duration,
    status: Option<u16>,
    has_retry_after: bool,
}

/// The responses in a time range.
#[derive(Debug, Default, Clone)]
pub struct ProbeResponses {
    /// How many of each status; 0 is no response.
    pub statuses: BTreeMap<u16, usize>,
    /// 503s without `Retry-After`.
    pub without_retry_after: usize,
    /// The longest time until a response.
    pub slowest: Duration,
}

/// The device at work; ends when dropped.
pub struct Probe {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    task: JoinHandle<()>,
}

impl Probe {
    /// Starts it.
    pub fn start(url: &str, token: &str) -> Result<Self, Failure> {
        let client = Client::with_timeout(url, RESPONSE_TIMEOUT)?.with_token(token);
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&exchanges);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SEND_INTERVAL);
            loop {
                ticks.tick().await;
                let body = json!({"timestamp": Clock::system().now().to_rfc3339(), "cpu_usage": 1});
                let (client, recorded) = (client.clone(), Arc::clone(&recorded));
                // Concurrent: a slow response must not hide those of the next requests.
                tokio::spawn(async move {
                    let sent_at = Instant::now();
                    let answer = client.try_post(HEARTBEATS, &body).await.ok();
                    let exchange = Exchange::new(sent_at, answer.as_ref());
                    recorded.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
                });
            }
        });
        Ok(Self { exchanges, task })
    }

    /// How long after `repaired` the first 2xx came.
    pub async fn recovery(&self, repaired: Instant) -> Result<Duration, Failure> {
        let recovered = async {
            loop {
                let after = |exchange: &&Exchange| exchange.answered_at >= repaired && exchange.is_success();
                if let Some(first) = self.exchanges().iter().filter(after).map(|exchange| exchange.answered_at).min() {
                    return first - repaired;
                }
                tokio::time::sleep(SEND_INTERVAL / 2).await;
            }
        };
        let waited = tokio::time::timeout(RECOVERY_TIMEOUT, recovered).await;
        waited.map_err(|_| format!("nothing accepted within {} s", RECOVERY_TIMEOUT.as_secs()).into())
    }

    /// The responses between two times.
    pub fn responses(&self, from: Instant, until: Instant) -> ProbeResponses {
        let mut responses = ProbeResponses::default();
        for exchange in self.exchanges().iter().filter(|exchange| (from..until).contains(&exchange.answered_at)) {
            let count = responses.statuses.entry(exchange.status.unwrap_or(0)).or_default();
            *count = count.saturating_add(1);
            responses.without_retry_after += usize::from(exchange.status == Some(503) && !exchange.has_retry_after);
            responses.slowest = responses.slowest.max(exchange.took);
        }
        responses
    }

    fn exchanges(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ProbeResponses {
    /// Whether all statuses are among these.
    pub fn are_only(&self, statuses: &[u16]) -> bool {
        self.statuses.keys().all(|status| statuses.contains(status))
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let word = |status: u16| if status == 0 { "no answer".to_owned() } else { status.to_string() };
        let counts: Vec<_> =
            self.statuses.iter().map(|(status, count)| format!("{count} × {}", word(*status))).collect();
        format!("{}, slowest {:.1} s", counts.join(", "), self.slowest.as_secs_f64())
    }
}

impl Exchange {
    /// With the response that has just come, or none.
    fn new(sent_at: Instant, answer: Option<&Answer>) -> Self {
        let answered_at = Instant::now();
        Self {
            answered_at,
            took: answered_at - sent_at,
            status: answer.map(|answer| answer.status),
            has_retry_after: answer.is_some_and(|answer| answer.header("retry-after").is_some()),
        }
    }

    fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Exchange, Probe};

    fn exchange(answered_at: Instant, status: Option<u16>, has_retry_after: bool) -> Exchange {
        Exchange { answered_at, took: Duration::from_millis(5), status, has_retry_after }
    }

    fn probe(exchanges: Vec<Exchange>) -> Probe {
        Probe { exchanges: Arc::new(Mutex::new(exchanges)), task: tokio::spawn(std::future::pending()) }
    }

    #[tokio::test]
    async fn responses_are_counted_in_their_time_range() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let slow = Exchange { took: Duration::from_secs(4), ..exchange(at(3), Some(503), false) };
        let probe = probe(vec![
            exchange(at(0), Some(500), false),
            exchange(at(1), Some(202), false),
            exchange(at(2), Some(503), true),
            slow,
            exchange(at(4), None, false),
            exchange(at(5), Some(500), false),
        ]);
        let responses = probe.responses(at(1), at(5));
        assert_eq!(responses.summary(), "1 × no answer, 1 × 202, 2 × 503, slowest 4.0 s");
        assert_eq!(responses.without_retry_after, 1);
        assert!(responses.are_only(&[0, 202, 503]) && !responses.are_only(&[202, 503]));
    }

    #[tokio::test]
    async fn the_recovery_is_the_first_success_after_the_repair() {
        let repaired = Instant::now();
        let after = |millis| repaired + Duration::from_millis(millis);
        let probe = probe(vec![
            exchange(after(900), Some(202), false),
            exchange(repaired - Duration::from_millis(1), Some(202), false),
            exchange(after(100), Some(503), true),
            exchange(after(300), Some(202), false),
        ]);
        assert_eq!(probe.recovery(repaired).await.unwrap(), Duration::from_millis(300));
    }
}
