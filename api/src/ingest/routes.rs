//! The ingest routes. Each says what it takes and how it answers; the rest is [`super::intake`].

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest, HttpResponse, post};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::ack::{Ack, AckQuery};
use super::body::{Body, parse};
use super::intake::{IngestResponse, Intake, Sending, Taken};
use super::types::Kind;
use crate::error::{ApiError, Problem};
use crate::extract::auth::Caller;
use crate::extract::body::{MAX_BODY_BYTES, read_body};
use crate::extract::json::check_content_type;
use crate::extract::path::PathId;
use crate::publisher::Lane;
use crate::request::RequestId;
use crate::state::AppState;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .service(post_heartbeats)
        .service(post_readings)
        .service(post_telemetry)
        .service(post_data)
        .service(post_device_heartbeats)
        .service(post_device_readings);
}

/// What every ingest handler needs of its request.
pub struct IngestRequest {
    state: Data<AppState>,
    lane: Lane,
    caller: Caller,
    request_id: RequestId,
    ack: Ack,
    body: Bytes,
}

impl FromRequest for IngestRequest {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = ingest_parts(request);
        let body = read_body(request, payload, MAX_BODY_BYTES);
        Box::pin(async move {
            let (state, lane, caller, request_id, ack) = parts?;
            let body = body.await?;
            Ok(Self { state, lane, caller, request_id, ack, body })
        })
    }
}

fn ingest_parts(request: &HttpRequest) -> Result<(Data<AppState>, Lane, Caller, RequestId, Ack), ApiError> {
    check_content_type(request)?;
    let ack = Ack::parse(request.query_string())?;
    let caller = Caller::extract(request).into_inner()?;
    let missing = || ApiError::Internal("the application has no state".into());
    let state = request.app_data::<Data<AppState>>().cloned().ok_or_else(missing)?;
    let lane = request.app_data::<Lane>().cloned().ok_or_else(missing)?;
    Ok((state, lane, caller, RequestId::of_request(request), ack))
}

impl IngestRequest {
    fn intake(&self, path_device: Option<DeviceId>, kind: Kind) -> Intake<'_> {
        let keep_submission = self.ack != Ack::Confirmed;
        Intake { state: &self.state, caller: self.caller, path_device, kind, keep_submission }
    }

    async fn take(self, path_device: Option<DeviceId>, kind: Kind) -> Result<HttpResponse, ApiError> {
        let sent = match self.send(path_device, kind)? {
            Sending::Sent(sent) => sent,
            Sending::LookUp(sending) => sending.await?,
        };
        let (state, ack) = (self.state.clone(), self.ack);
        drop(self);
        let Taken { mut response, submission } = sent.confirmed(&state.throughput).await?;
        if let Some(submission) = submission
            && stored(&state, ack, &submission).await == Some(true)
        {
            response.stored = Some(response.accepted);
            return Ok(HttpResponse::Ok().json(response));
        }
        Ok(HttpResponse::Accepted().json(response))
    }

    fn send(&self, path_device: Option<DeviceId>, kind: Kind) -> Result<Sending<'_>, ApiError> {
        self.intake(path_device, kind).send(parse(&self.body)?, &self.lane, &self.request_id)
    }

    /// Takes a body that is one item, and waits for its commit where that is asked for.
    async fn take_one(&self, kind: Kind) -> Result<(Submission, Option<bool>), ApiError> {
        let taken = self.intake(None, kind).take_one(&self.single()?, &self.lane, &self.request_id).await?;
        let stored = stored(&self.state, self.ack, &taken).await;
        Ok((taken, stored))
    }

    fn single(&self) -> Result<super::body::RawItem<'_>, ApiError> {
        match parse(&self.body)? {
            Body::Single(raw) => Ok(raw),
            Body::Array(_) => Err(ApiError::Unreadable("The body must be one JSON object.".into())),
        }
    }
}

/// Whether the rows of `submission` were committed in time; `None` where nobody wants to know.
async fn stored(state: &AppState, ack: Ack, submission: &Submission) -> Option<bool> {
    match ack {
        Ack::Confirmed => None,
        Ack::Stored(timeout) => Some(state.stored_watch.wait(submission, timeout).await),
    }
}

/// One heartbeat, or up to 1,000 in an array. Every field is optional; an empty heartbeat says "alive".
///
/// The good ones of an array are taken, each bad one is named. 202 means: confirmed to the broker's disk, and it will
/// be exactly one row. Sending the same heartbeat again (same device, same `timestamp`) is harmless: the first one
/// counts. A heartbeat without a `timestamp` gives that safety up, since each attempt is a new one.
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
    request.take(None, Kind::Heartbeat).await
}

/// One sensor reading, or up to 1,000 in an array; otherwise as `/heartbeats`.
#[utoipa::path(tag = "ingest", request_body(content = ReadingBody), security((), ("bearer" = [])), params(AckQuery), responses(
    (status = 200, body = IngestResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 202, body = IngestResponse, description = "Taken"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/readings")]
async fn post_readings(request: IngestRequest) -> Result<HttpResponse, ApiError> {
    request.take(None, Kind::Reading).await
}

/// Heartbeats of the device in the path; otherwise as `/heartbeats`.
#[utoipa::path(tag = "ingest", request_body(content = HeartbeatBody), security((), ("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), AckQuery), responses(
    (status = 200, body = IngestResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 202, body = IngestResponse, description = "Taken"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/devices/{id}/heartbeats")]
async fn post_device_heartbeats(id: PathId<DeviceId>, request: IngestRequest) -> Result<HttpResponse, ApiError> {
    request.take(Some(id.0), Kind::Heartbeat).await
}

/// Sensor readings of the device in the path; otherwise as `/heartbeats`.
#[utoipa::path(tag = "ingest", request_body(content = ReadingBody), security((), ("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), AckQuery), responses(
    (status = 200, body = IngestResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 202, body = IngestResponse, description = "Taken"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/devices/{id}/readings")]
async fn post_device_readings(id: PathId<DeviceId>, request: IngestRequest) -> Result<HttpResponse, ApiError> {
    request.take(Some(id.0), Kind::Reading).await
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
    let (_, stored) = request.take_one(Kind::Either).await?;
    let answer = TelemetryResponse { status: "success", accepted: 1, stored: stored_one(stored) };
    Ok(HttpResponse::build(status_of_one(stored, StatusCode::OK)).json(answer))
}

/// One sensor reading; answers with the reading as it will be stored.
#[utoipa::path(tag = "ingest", request_body(content = ReadingBody), security((), ("bearer" = [])), params(AckQuery), responses(
    (status = 200, body = DataResponse, description = "With `ack=stored`: taken, and committed"),
    (status = 201, body = DataResponse, description = "Taken"),
    (status = 202, body = DataResponse, description = "With `ack=stored`: taken, but not seen committed in time"),
    (status = "4XX", body = Problem, description = "Not taken, as for /heartbeats"),
    (status = 503, body = Problem, description = "Not taken: send it again")))]
#[post("/data")]
async fn post_data(request: IngestRequest) -> Result<HttpResponse, ApiError> {
    let (taken, stored) = request.take_one(Kind::Reading).await?;
    let reading = taken.readings.into_iter().next().ok_or_else(|| ApiError::Internal("no reading taken".into()))?;
    let (server_ulid, timestamp) = (reading.device_id, reading.ts);
    let mut values = serde_json::to_value(reading).map_err(|error| ApiError::Internal(Box::new(error)))?;
    if let Value::Object(fields) = &mut values {
        fields.remove("device_id");
        fields.remove("ts");
    }
    let answer = DataResponse { server_ulid, timestamp, values, stored: stored_one(stored) };
    Ok(HttpResponse::build(status_of_one(stored, StatusCode::CREATED)).json(answer))
}

/// The status for one item: the route's own, unless the commit was to be waited for.
fn status_of_one(stored: Option<bool>, confirmed: StatusCode) -> StatusCode {
    match stored {
        None => confirmed,
        Some(true) => StatusCode::OK,
        Some(false) => StatusCode::ACCEPTED,
    }
}

fn stored_one(stored: Option<bool>) -> Option<u8> {
    (stored == Some(true)).then_some(1)
}

/// The answer of `/telemetry`.
#[derive(Serialize, ToSchema)]
struct TelemetryResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Always 1.
    #[schema(example = 1)]
    accepted: u8,
    /// With `ack=stored`, once it is committed: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u8>,
}

/// The answer of `/data`: the reading.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"server_ulid": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "temperature": 25.5, "humidity": 60.2}))]
struct DataResponse {
    server_ulid: DeviceId,
    timestamp: DateTime<Utc>,
    /// The sensors that were sent.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    values: Value,
    /// With `ack=stored`, once it is committed: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u8>,
}

/// A heartbeat as it is sent. The device may also be named `device_uuid`, `deviceId`, `device_sn` or `server_ulid`;
/// the documentation lists the other names of each field.
#[derive(ToSchema)]
#[schema(example = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "cpu_usage": 41.5, "ram_usage": 63.0, "disk_free": 72.4, "temperature": 48.0, "latency": 12.5, "connectivity": 1,
    "boot_time": "2026-11-20T08:00:00Z"}))]
#[expect(dead_code, reason = "documents the body; crate::ingest::body reads it field by field")]
struct HeartbeatBody {
    /// Which device; may be left out where the token or the path says it.
    device_id: Option<String>,
    /// When it was measured (RFC 3339; without an offset UTC); default: now.
    timestamp: Option<DateTime<Utc>>,
    /// Processor in use, %.
    #[schema(minimum = 0, maximum = 100)]
    cpu_usage: Option<f64>,
    /// Memory in use, %.
    #[schema(minimum = 0, maximum = 100)]
    ram_usage: Option<f64>,
    /// Disk still free, %.
    #[schema(minimum = 0, maximum = 100)]
    disk_free: Option<f64>,
    /// Temperature of the device, °C.
    #[schema(minimum = -273.15, maximum = 10000)]
    temperature: Option<f64>,
    /// Network latency, ms.
    #[schema(minimum = 0, maximum = 86400000)]
    latency: Option<f64>,
    /// 1 or true: connected.
    #[schema(minimum = 0, maximum = 1)]
    connectivity: Option<u8>,
    /// When the device started.
    boot_time: Option<DateTime<Utc>>,
}

/// A sensor reading as it is sent: at least one number.
#[derive(ToSchema)]
#[schema(example = json!({"server_ulid": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "temperature": 25.5, "humidity": 60.2, "voltage": 220.0, "current": 1.5, "metrics": {"pm2.5": 7}}))]
#[expect(dead_code, reason = "documents the body; crate::ingest::body reads it field by field")]
struct ReadingBody {
    /// Which device; may be left out where the token or the path says it.
    server_ulid: Option<String>,
    /// When it was measured (RFC 3339; without an offset UTC); default: now.
    timestamp: Option<DateTime<Utc>>,
    /// Temperature, °C.
    #[schema(minimum = -273.15, maximum = 10000)]
    temperature: Option<f64>,
    /// Relative humidity, %.
    #[schema(minimum = 0, maximum = 100)]
    humidity: Option<f64>,
    /// Voltage, V.
    voltage: Option<f64>,
    /// Current, A.
    current: Option<f64>,
    /// Up to 32 further numbers by name.
    metrics: Option<std::collections::BTreeMap<String, f64>>,
}
