//! `/livez`, `/readyz`, `/metrics`: for whoever runs us.

use std::fmt::Display;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use diesel::sql_query;
use diesel_async::RunQueryDsl;
use pulso_shared::db::DbPool;
use serde::Serialize;

use crate::state::AppState;

/// Where these routes are; at the root only.
pub const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A dependency that takes longer is down. Whoever probes us waits for a second or more.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// These routes.
pub fn configure(routes: &mut ServiceConfig) {
    // Whoever opens the bare address finds what can be done here.
    routes.service(web::redirect("/", "/docs/"));
    routes.service(livez).service(readyz).service(metrics);
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    database: Dependency,
    broker: Dependency,
    /// Ingest and sign-in work without it, so it does not decide.
    cache: Dependency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Dependency {
    Up,
    Down,
}

#[get("/livez")]
async fn livez() -> &'static str {
    "ok"
}

/// 200 when a heartbeat could be accepted now.
#[get("/readyz")]
async fn readyz(state: Data<AppState>) -> HttpResponse {
    let (database, cache) = tokio::join!(probe("database", select_one(&state.db)), probe("cache", state.cache.ping()));
    let broker = if state.publisher.is_ready() { Dependency::Up } else { Dependency::Down };
    let ready = database == Dependency::Up && broker == Dependency::Up;
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(Readiness { ready, database, broker, cache })
}

/// Asks a dependency, and logs why it is down: the answer does not tell the world.
async fn probe<E: Display>(name: &str, question: impl Future<Output = Result<(), E>>) -> Dependency {
    let why = match tokio::time::timeout(PROBE_TIMEOUT, question).await {
        Ok(Ok(())) => return Dependency::Up,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} ms", PROBE_TIMEOUT.as_millis()),
    };
    tracing::warn!(dependency = name, why, "not ready");
    Dependency::Down
}

async fn select_one(db: &DbPool) -> Result<(), Box<dyn std::error::Error>> {
    let mut connection = db.get().await?;
    sql_query("SELECT 1").execute(&mut connection).await?;
    Ok(())
}

#[get("/metrics")]
async fn metrics(state: Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(state.metrics.render())
}
