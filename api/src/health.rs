//! `/livez`, `/readyz`, `/metrics`: for whoever runs us.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use serde::Serialize;

use crate::state::AppState;

/// These routes; at the root only.
pub fn configure(routes: &mut ServiceConfig) {
    routes.service(livez).service(readyz).service(metrics);
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    database: &'static str,
    broker: &'static str,
    /// Ingest and sign-in work without it, so it does not decide.
    cache: &'static str,
}

#[get("/livez")]
async fn livez() -> &'static str {
    "ok"
}

/// 200 when a heartbeat could be accepted now.
#[get("/readyz")]
async fn readyz(state: Data<AppState>) -> HttpResponse {
    let database = state.db.get().await.is_ok();
    let broker = state.publisher.is_ready();
    let cache = state.cache.ping().await.is_ok();
    let word = |up| if up { "up" } else { "down" };
    let ready = database && broker;
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(Readiness { ready, database: word(database), broker: word(broker), cache: word(cache) })
}

#[get("/metrics")]
async fn metrics(state: Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(state.metrics.render())
}
