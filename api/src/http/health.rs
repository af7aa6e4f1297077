//! `/livez`, `/readyz`, `/readyz/ingest`, `/metrics`: for whoever runs us.

use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use futures_util::future::{BoxFuture, join_all};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Map, Value};

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

/// Asks a dependency whether it works; the error is for the log.
type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A dependency that `/readyz` names.
struct Probe {
    name: &'static str,
    needed: Needed,
    ask: Ask,
}

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
pub struct Readiness(Vec<Probe>);

impl Readiness {
    /// Adds a dependency without which nothing at all can be accepted.
    pub fn require_for_ingest<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.with(name, Needed::ForIngest, Box::new(move || Box::pin(ask())))
    }

    /// Adds a dependency without which not everything works.
    pub fn require<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.with(name, Needed::ForTheRest, Box::new(move || Box::pin(ask())))
    }

    /// Adds a dependency that is named only: ingest and sign-in work without it.
    pub fn observe<F>(self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.with(name, Needed::No, Box::new(move || Box::pin(ask())))
    }

    fn with(mut self, name: &'static str, needed: Needed, ask: Ask) -> Self {
        self.0.push(Probe { name, needed, ask });
        self
    }
}

#[get("/livez")]
async fn livez() -> &'static str {
    "ok"
}

/// 200 when everything that is needed works.
#[get("/readyz")]
async fn readyz(readiness: Data<Readiness>) -> HttpResponse {
    report(readiness.0.iter().collect()).await
}

/// 200 when this replica can take in what devices send: for the balancer that spreads them. A replica that has lost the
/// broker must not keep its share of them; while PostgreSQL is unavailable, all replicas take in what they can.
#[get("/readyz/ingest")]
async fn readyz_for_ingest(readiness: Data<Readiness>) -> HttpResponse {
    report(readiness.0.iter().filter(|probe| probe.needed == Needed::ForIngest).collect()).await
}

async fn report(probes: Vec<&Probe>) -> HttpResponse {
    let states = join_all(probes.iter().map(|probe| is_up(probe))).await;
    let ready = probes.iter().zip(&states).all(|(probe, is_up)| *is_up || probe.needed == Needed::No);
    let mut body = Map::from_iter([("ready".to_owned(), Value::Bool(ready))]);
    for (probe, is_up) in probes.iter().zip(states) {
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
