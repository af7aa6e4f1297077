//! The ingest routes. Each says what it takes and how it answers; [`super::request`] does the rest.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post};
use pulso_shared::ids::DeviceId;
use serde_json::Value;
use utoipa_actix_web::service_config::ServiceConfig;

use super::ack::{AckQuery, Reached};
use super::item::Kind;
use super::request::{IngestRequest, Shape, Taken};
use super::types::{
    DataResponse, HeartbeatBody, HeartbeatValues, IngestResponse, ReadingBody, ReadingValues, TelemetryResponse,
};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::path::PathId;

pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .service(post_heartbeats)
        .service(post_readings)
        .service(post_telemetry)
        .service(post_data)
        .service(post_device_heartbeats)
        .service(post_device_readings);
}

/// One heartbeat, or up to 1,000 in an array. Every field is optional; an empty heartbeat says "alive".
///
/// The good ones of an array are taken, each bad one is named. 202 means: confirmed to the broker's disk, and it will
/// be in exactly one row. Sending the same heartbeat again (same device, same `timestamp`) is harmless. Values of one device
/// and one instant are put together in one row; the first value of a metric counts. A heartbeat without a `timestamp` gives that safety up, since each attempt is a new one.
#[utoipa::path(tag = "ingest", request_body(content = HeartbeatBody), security((), ("bearer" = [])), params(AckQuery), responses(
    (status = 200, body = IngestResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 202, body = IngestResponse, description = "Taken"),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 403, body = Problem, description = "A device that sends for another one"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 413, body = Problem, description = "Body over 1 MiB"),
    (status = 415, body = Problem, description = "Not JSON by its own word"),
    (status = 422, body = Problem, description = "Nothing in it is valid"),
    (status = 429, body = Problem, description = "The device sends too fast"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/heartbeats")]
async fn post_heartbeats(request: IngestRequest) -> Result<HttpResponse, ApiError> {
    request.take(None, Kind::Heartbeat, Shape::OneOrMany).await.map(Taken::into_response)
}

/// One sensor reading, or up to 1,000 in an array; otherwise as `/heartbeats`.
#[utoipa::path(tag = "ingest", request_body(content = ReadingBody), security((), ("bearer" = [])), params(AckQuery), responses(
    (status = 200, body = IngestResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 202, body = IngestResponse, description = "Taken"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/readings")]
async fn post_readings(request: IngestRequest) -> Result<HttpResponse, ApiError> {
    request.take(None, Kind::Reading, Shape::OneOrMany).await.map(Taken::into_response)
}

/// Heartbeats of the device in the path; otherwise as `/heartbeats`.
#[utoipa::path(tag = "ingest", request_body(content = HeartbeatValues), security((), ("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), AckQuery), responses(
    (status = 200, body = IngestResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 202, body = IngestResponse, description = "Taken"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/devices/{id}/heartbeats")]
async fn post_device_heartbeats(id: PathId<DeviceId>, request: IngestRequest) -> Result<HttpResponse, ApiError> {
    request.take(Some(id.0), Kind::Heartbeat, Shape::OneOrMany).await.map(Taken::into_response)
}

/// Sensor readings of the device in the path; otherwise as `/heartbeats`.
#[utoipa::path(tag = "ingest", request_body(content = ReadingValues), security((), ("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), AckQuery), responses(
    (status = 200, body = IngestResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 202, body = IngestResponse, description = "Taken"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/devices/{id}/readings")]
async fn post_device_readings(id: PathId<DeviceId>, request: IngestRequest) -> Result<HttpResponse, ApiError> {
    request.take(Some(id.0), Kind::Reading, Shape::OneOrMany).await.map(Taken::into_response)
}

/// One heartbeat or one sensor reading. Humidity, voltage, current, `metrics`, or a temperature on its own make it a
/// reading.
#[utoipa::path(tag = "ingest", request_body(content = HeartbeatBody), security((), ("bearer" = [])), params(AckQuery), responses(
    (status = 200, body = TelemetryResponse, description = "Taken; with `ack=stored`: and committed"),
    (status = 202, body = TelemetryResponse, description = "With `ack=stored`: taken, but not seen committed in time"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/telemetry")]
async fn post_telemetry(request: IngestRequest) -> Result<HttpResponse, ApiError> {
    let Taken { reached, response, .. } = request.take(None, Kind::Either, Shape::One).await?;
    let conflicting = response.conflicting;
    let response = TelemetryResponse { status: "success", accepted: 1, stored: stored_one(reached), conflicting };
    Ok(HttpResponse::build(reached.status(StatusCode::OK)).json(response))
}

/// One sensor reading; answers with the reading: as it was sent, or, with `ack=stored`, as it is stored.
///
/// Values of one instant are put together in one row, and the first value of a metric counts: so the stored one may have
/// further sensors, and another number where one was there first (`conflicting` then says so).
#[utoipa::path(tag = "ingest", request_body(content = ReadingBody), security((), ("bearer" = [])), params(AckQuery), responses(
    (status = 200, body = DataResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 201, body = DataResponse, description = "Taken"),
    (status = 202, body = DataResponse, description = "With `ack=stored`: taken, but not seen committed in time"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/data")]
async fn post_data(request: IngestRequest) -> Result<HttpResponse, ApiError> {
    let Taken { response, reached, accepted, stored_reading } = request.take(None, Kind::Reading, Shape::One).await?;
    let sent = accepted.and_then(|accepted| accepted.submission.readings.into_iter().next());
    let reading = stored_reading.or(sent).ok_or_else(|| ApiError::Internal("no reading accepted".into()))?;
    let (server_ulid, timestamp) = (reading.device_id, reading.ts);
    let mut values = serde_json::to_value(reading).map_err(|error| ApiError::Internal(Box::new(error)))?;
    if let Value::Object(fields) = &mut values {
        fields.remove("device_id");
        fields.remove("ts");
    }
    let (stored, conflicting) = (stored_one(reached), response.conflicting);
    let response = DataResponse { server_ulid, timestamp, values, stored, conflicting };
    Ok(HttpResponse::build(reached.status(StatusCode::CREATED)).json(response))
}

fn stored_one(reached: Reached) -> Option<u8> {
    (reached == Reached::Stored).then_some(1)
}
