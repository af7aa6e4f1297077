//! One device that knocks ten times a second, whatever happens, and writes down how it was answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pulso_shared::clock::Clock;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Failure;

const KNOCK_EVERY: Duration = Duration::from_millis(100);
/// Nothing may take longer than this: every call inside Pulso has a shorter time limit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a recovery is waited for.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// One knock, and its answer.
#[derive(Debug, Clone, Copy)]
struct Knock {
    answered: Instant,
    took: Duration,
    status: Option<u16>,
    retry_after: bool,
}

/// What was answered in a stretch of time.
#[derive(Debug, Default, Clone)]
pub struct Answers {
    /// How many of each status; 0 is no answer at all.
    pub statuses: BTreeMap<u16, usize>,
    /// 503s that did not say when to come again.
    pub without_advice: usize,
    /// The longest wait for an answer.
    pub slowest: Duration,
}

/// The device at work; ends when dropped.
pub struct Probe {
    knocks: Arc<Mutex<Vec<Knock>>>,
    task: JoinHandle<()>,
}

impl Probe {
    /// Begins.
    pub fn start(url: &str, token: &str) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
        let (address, token) = (format!("{url}/api/v1/heartbeats"), token.to_owned());
        let knocks = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&knocks);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(KNOCK_EVERY);
            loop {
                ticks.tick().await;
                let body = json!({"timestamp": Clock::system().now().to_rfc3339(), "cpu_usage": 1});
                let request = client.post(&address).bearer_auth(&token).json(&body);
                let kept = Arc::clone(&kept);
                // Not one after the other: a knock that waits must not hide how the next ones fare.
                tokio::spawn(async move {
                    let knock = knock(request).await;
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(knock);
                });
            }
        });
        Ok(Self { knocks, task })
    }

    /// How long after `mended` the first 2xx came.
    pub async fn recovery(&self, mended: Instant) -> Result<Duration, Failure> {
        let recovered = async {
            loop {
                let after = |knock: &&Knock| knock.answered >= mended && is_success(knock.status);
                if let Some(first) = self.knocks().iter().filter(after).map(|knock| knock.answered).min() {
                    return first - mended;
                }
                tokio::time::sleep(KNOCK_EVERY / 2).await;
            }
        };
        let waited = tokio::time::timeout(RECOVERY_TIMEOUT, recovered).await;
        waited.map_err(|_| format!("nothing accepted within {} s", RECOVERY_TIMEOUT.as_secs()).into())
    }

    /// What was answered between two moments.
    pub fn answers(&self, from: Instant, until: Instant) -> Answers {
        let mut answers = Answers::default();
        for knock in self.knocks().iter().filter(|knock| (from..until).contains(&knock.answered)) {
            let count = answers.statuses.entry(knock.status.unwrap_or(0)).or_default();
            *count = count.saturating_add(1);
            answers.without_advice += usize::from(knock.status == Some(503) && !knock.retry_after);
            answers.slowest = answers.slowest.max(knock.took);
        }
        answers
    }

    fn knocks(&self) -> MutexGuard<'_, Vec<Knock>> {
        self.knocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Answers {
    /// Whether all answers were among these.
    pub fn only(&self, statuses: &[u16]) -> bool {
        self.statuses.keys().all(|status| statuses.contains(status))
    }

    /// For people.
    pub fn summary(&self) -> String {
        let word = |status: u16| if status == 0 { "no answer".to_owned() } else { status.to_string() };
        let counts: Vec<_> =
            self.statuses.iter().map(|(status, count)| format!("{count} × {}", word(*status))).collect();
        format!("{}, slowest {:.1} s", counts.join(", "), self.slowest.as_secs_f64())
    }
}

async fn knock(request: reqwest::RequestBuilder) -> Knock {
    let sent = Instant::now();
    let answer = request.send().await.ok();
    let status = answer.as_ref().map(|answer| answer.status().as_u16());
    let retry_after = answer.is_some_and(|answer| answer.headers().contains_key(reqwest::header::RETRY_AFTER));
    let answered = Instant::now();
    Knock { answered, took: answered - sent, status, retry_after }
}

fn is_success(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}
