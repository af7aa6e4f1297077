//! `/livez`, `/readyz`, `/metrics`: for whoever runs us.

use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use futures_util::future::{BoxFuture, join_all};
use moka::future::Cache;
use pulso_shared::metrics::PrometheusHandle;
use serde_json::{Map, Value};

/// Where these routes are; at the root only.
pub const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A dependency that takes longer is down. Whoever probes us waits for a second or more.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// How long what a probe has found counts.
const FRESH_FOR: Duration = Duration::from_millis(250);

/// These routes.
pub fn configure(routes: &mut ServiceConfig) {
    // Whoever opens the bare address finds what can be done here.
    routes.service(web::redirect("/", "/docs/"));
    routes.service(livez).service(readyz).service(metrics);
}

/// Asks a dependency whether it works; the error is for the log.
type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A dependency that `/readyz` names.
struct Probe {
    name: &'static str,
    /// Whether we are not ready without it.
    is_required: bool,
    ask: Ask,
}

/// The dependencies that `/readyz` names. However many ask, each is probed once in a while: anybody may ask, and the
/// connections that answer are those of the watermark probes.
pub struct Readiness {
    probes: Vec<Probe>,
    states: Cache<(), Vec<bool>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { probes: Vec::new(), states: Cache::builder().time_to_live(FRESH_FOR).build() }
    }
}

impl Readiness {
    /// Adds a dependency without which nothing can be accepted.
    pub fn require<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.with(name, true, Box::new(move || Box::pin(ask())))
    }

    /// Adds a dependency that is named only: ingest and sign-in work without it.
    pub fn observe<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.with(name, false, Box::new(move || Box::pin(ask())))
    }

    fn with(mut self, name: &'static str, is_required: bool, ask: Ask) -> Self {
        self.probes.push(Probe { name, is_required, ask });
        self
    }

    /// Which of them are up, as of a moment ago.
    async fn states(&self) -> Vec<bool> {
        self.states.get_with((), async { join_all(self.probes.iter().map(is_up)).await }).await
    }
}

#[get("/livez")]
async fn livez() -> &'static str {
    "ok"
}

/// 200 when a heartbeat could be accepted now.
#[get("/readyz")]
async fn readyz(readiness: Data<Readiness>) -> HttpResponse {
    let states = readiness.states().await;
    let ready = readiness.probes.iter().zip(&states).all(|(probe, is_up)| *is_up || !probe.is_required);
    let mut body = Map::from_iter([("ready".to_owned(), Value::Bool(ready))]);
    for (probe, is_up) in readiness.probes.iter().zip(states) {
        body.insert(probe.name.to_owned(), if is_up { "up" } else { "down" }.into());
    }
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(body)
}

/// Asks a dependency, and logs why it is down: the response does not tell the world.
async fn is_up(probe: &Probe) -> bool {
    let why = match tokio::time::timeout(PROBE_TIMEOUT, (probe.ask)()).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error,
        Err(_) => format!("no answer within {} ms", PROBE_TIMEOUT.as_millis()),
    };
    tracing::warn!(dependency = probe.name, why, "not ready");
    false
}

#[get("/metrics")]
async fn metrics(metrics: Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(metrics.render())
}
