//! The floor of the HTTP side: the same server, when it only verifies the token and parses the JSON.
//!
//! It is a process of its own (`pulso-bench bare-route`), so that it is measured exactly as the API is.

use std::net::TcpListener;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, post};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use pulso_shared::ids::DeviceId;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::config::BareRouteConfig;

/// The claims of a device's token that are needed here.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: DeviceId,
    #[serde(rename = "cid")]
    _credential: String,
}

/// A heartbeat as the load generator writes it.
#[derive(Debug, Deserialize)]
struct Heartbeat {
    timestamp: DateTime<Utc>,
    cpu_usage: f64,
    ram_usage: f64,
    disk_free: f64,
    temperature: f64,
    latency: f64,
    connectivity: u8,
    boot_time: DateTime<Utc>,
}

/// The API's response.
#[derive(Debug, Serialize)]
struct IngestResponse {
    accepted: usize,
    rejected: [(); 0],
}

struct Keys {
    decoding: DecodingKey,
    validation: Validation,
}

/// Serves until it is stopped.
pub async fn serve(config: BareRouteConfig) -> std::io::Result<()> {
    let keys = Data::new(Keys {
        decoding: DecodingKey::from_secret(config.jwt_secret.expose_secret().as_bytes()),
        validation: Validation::new(Algorithm::HS256),
    });
    let server = HttpServer::new(move || App::new().app_data(keys.clone()).service(take));
    server.workers(config.http_workers).listen(TcpListener::bind(("127.0.0.1", config.port))?)?.run().await
}

#[post("/api/v1/heartbeats")]
async fn take(request: HttpRequest, body: Bytes, keys: Data<Keys>) -> HttpResponse {
    let Some(device) = device_of(&request, &keys) else { return HttpResponse::Unauthorized().finish() };
    let Ok(heartbeat) = serde_json::from_slice::<Heartbeat>(&body) else { return HttpResponse::BadRequest().finish() };
    // Used, so that the compiler cannot remove the parsing.
    std::hint::black_box((device, heartbeat.read()));
    HttpResponse::Accepted().json(IngestResponse { accepted: 1, rejected: [] })
}

fn device_of(request: &HttpRequest, keys: &Keys) -> Option<DeviceId> {
    let token = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    Some(decode::<Claims>(token, &keys.decoding, &keys.validation).ok()?.claims.sub)
}

impl Heartbeat {
    /// All of its fields.
    fn read(&self) -> (DateTime<Utc>, f64, u8, DateTime<Utc>) {
        let sum = self.cpu_usage + self.ram_usage + self.disk_free + self.temperature + self.latency;
        (self.timestamp, sum, self.connectivity, self.boot_time)
    }
}
