//! `/livez`, `/readyz`, `/readyz/ingest`, `/metrics`: for whoever runs us.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use futures_util::future::{BoxFuture, join_all};
use pulso_shared::metrics::PrometheusHandle;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

/// Where these routes are; at the root only.
pub const PATHS: [&str; 4] = ["/livez", "/readyz", "/readyz/ingest", "/metrics"];

/// A dependency that takes longer is down. Whoever probes us waits for a second or more.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// These routes.
pub fn configure(routes: &mut ServiceConfig) {
    // Whoever opens the bare address finds what can be done here.
    routes.service(web::redirect("/", "/docs/"));
    routes.service(livez).service(readyz).service(readyz_for_ingest).service(metrics);
}

/// Why a dependency cannot be used.
pub struct Unusable {
    /// What the response says.
    pub state: &'static str,
    /// For the log.
    pub why: String,
}

impl From<String> for Unusable {
    fn from(why: String) -> Self {
        Self { state: "down", why }
    }
}

/// Asks a dependency whether it works.
type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<(), Unusable>> + Send + Sync>;

/// A dependency that `/readyz` names.
struct Probe {
    name: &'static str,
    needed: Needed,
    ask: Ask,
}

/// How long a result is told again: whoever probes as fast as they can costs four round trips a second.
const TOLD_FOR: Duration = Duration::from_millis(250);

/// What a dependency is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// To take in what a device sends that has a token.
    ForIngest,
    ForTheRest,
    No,
}

/// The dependencies that `/readyz` names.
#[derive(Default)]
pub struct Readiness {
    probes: Vec<Probe>,
    last: Mutex<Option<(Instant, Arc<States>)>>,
}

/// The probes' states, in their order.
type States = Vec<&'static str>;

const UP: &str = "up";

impl Readiness {
    /// Adds a dependency without which nothing at all can be accepted.
    pub fn require_for_ingest<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Unusable>> + Send + 'static,
    {
        self.with(name, Needed::ForIngest, Box::new(move || Box::pin(ask())))
    }

    /// Adds a dependency without which not everything works.
    pub fn require<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Unusable>> + Send + 'static,
    {
        self.with(name, Needed::ForTheRest, Box::new(move || Box::pin(ask())))
    }

    /// Adds a dependency that is named only: ingest and sign-in work without it.
    pub fn observe<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Unusable>> + Send + 'static,
    {
        self.with(name, Needed::No, Box::new(move || Box::pin(ask())))
    }

    fn with(mut self, name: &'static str, needed: Needed, ask: Ask) -> Self {
        self.probes.push(Probe { name, needed, ask });
        self
    }

    /// As it is now, or was a moment ago. Who comes while it is asked waits for that answer.
    async fn states(&self) -> Arc<States> {
        let mut last = self.last.lock().await;
        match last.as_ref() {
            Some((asked, states)) if asked.elapsed() < TOLD_FOR => Arc::clone(states),
            _ => {
                let states = Arc::new(join_all(self.probes.iter().map(state)).await);
                *last = Some((Instant::now(), Arc::clone(&states)));
                states
            }
        }
    }
}

#[get("/livez")]
async fn livez() -> &'static str {
    "ok"
}

/// 200 when everything that is needed works.
#[get("/readyz")]
async fn readyz(readiness: Data<Readiness>) -> HttpResponse {
    report(&readiness, |_| true).await
}

/// 200 when this replica can take in what devices send: for the balancer that spreads them. A replica that has lost the
/// broker must not keep its share of them; while PostgreSQL is unavailable, all replicas take in what they can.
#[get("/readyz/ingest")]
async fn readyz_for_ingest(readiness: Data<Readiness>) -> HttpResponse {
    report(&readiness, |probe| probe.needed == Needed::ForIngest).await
}

async fn report(readiness: &Readiness, is_asked: impl Fn(&Probe) -> bool) -> HttpResponse {
    let states = readiness.states().await;
    let asked = || readiness.probes.iter().zip(states.iter()).filter(|(probe, _)| is_asked(probe));
    let ready = asked().all(|(probe, state)| *state == UP || probe.needed == Needed::No);
    let mut body = Map::from_iter([("ready".to_owned(), Value::Bool(ready))]);
    for (probe, state) in asked() {
        body.insert(probe.name.to_owned(), (*state).into());
    }
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(body)
}

/// Asks a dependency, and logs why it cannot be used: the response does not tell the world.
async fn state(probe: &Probe) -> &'static str {
    let Unusable { state, why } = match tokio::time::timeout(PROBE_TIMEOUT, (probe.ask)()).await {
        Ok(Ok(())) => return UP,
        Ok(Err(unusable)) => unusable,
        Err(_) => format!("no answer within {} ms", PROBE_TIMEOUT.as_millis()).into(),
    };
    tracing::warn!(dependency = probe.name, why, "not ready");
    state
}

#[get("/metrics")]
async fn metrics(metrics: Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(metrics.render())
}
