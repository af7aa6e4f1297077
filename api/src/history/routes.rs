//! The routes that read a device's history back.

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, VARY};
use actix_web::web::{self, Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use pulso_shared::ids::DeviceId;
use pulso_shared::rollup::Source;
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::{Reader, ReaderDb};
use super::csv;
use super::queries;
use super::store::rows::{HeartbeatRow, LatestResponse, ReadingRow, Row};
use super::types::{HistoryQuery, HistoryRequest, PointsQuery, RowsQuery};
use crate::aggregation::{Measures, Point, to_csv, to_json};
use crate::db::DbPool;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::accept::Format;
use crate::http::extract::etag::TaggedBody;
use crate::http::extract::page::{Page, PageQuery, TimeCursor};
use crate::http::extract::path::PathId;
use crate::http::responses::{DeviceErrors, Unavailable};
use crate::rate_limit::HeavyDb;

/// More points than these are written beside the HTTP threads.
const MAX_POINTS_HERE: usize = 2_000;

/// Says which step points have.
const AGGREGATION: HeaderName = HeaderName::from_static("x-aggregation");

pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_latest).service(list_heartbeats).service(list_readings);
}

/// The newest heartbeat and the newest sensor reading of a device, milliseconds after they were accepted.
///
/// For the device's owner, and for the device itself.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")), responses(
    DeviceErrors, Unavailable,
    (status = 200, body = LatestResponse, description = "`null` where the device has sent none"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's")))]
#[get("/devices/{id}/latest")]
async fn get_latest(id: PathId<DeviceId>, reader: Reader, db: Data<DbPool>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(queries::find_latest(&db, reader, id.0).await?))
}

/// The heartbeats of a device: as they were sent, newest first; or one point an interval, oldest first.
///
/// For the device's owner, and for the device itself. Without `aggregation`, a page holds `limit` heartbeats; while
/// there are more, `Link` holds the address of the next page, and pages stay in step while heartbeats are added. With
/// `aggregation` the answer is whole: `limit` and `cursor` say nothing, each point holds the start of its interval and
/// a number for each metric that was sent in it, and `X-Aggregation` says which step `auto` has taken. Whatever was
/// stored when the answer was made is in it, however late it came.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), HistoryQuery, PageQuery), responses(
    DeviceErrors, Unavailable,
    (status = 200, description = "What was not sent is left out", content(
        (Vec<HeartbeatRow> = "application/json"),
        (String = "text/csv", example = "timestamp,cpu_usage\r\n2026-11-21T12:00:00Z,41.5\r\n")),
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more rows"),
            ("ETag" = String, description = "Of points"),
            ("X-Aggregation" = String, description = "Of points: `minute`, `hour`, `day`, `3 days`"))),
    (status = 304, description = "Points as in If-None-Match"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, `start` is after `end`, or too many points")))]
#[get("/devices/{id}/heartbeats")]
async fn list_heartbeats(
    id: PathId<DeviceId>,
    reader: Reader,
    query: Query<HistoryQuery>,
    page: Query<PageQuery>,
    format: Format,
    db: ReaderDb,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    match page.parse_beside(query.parse(Source::Heartbeats))? {
        (HistoryRequest::Points(points), _) => respond_points(&request, format, &db.0, (reader, id.0), &points).await,
        (HistoryRequest::Rows(query), page) => {
            let rows = queries::list_heartbeats(&db.0, (reader, id.0), &query, &page).await?;
            respond_rows(&request, format, rows, &page, &query)
        }
    }
}

/// The sensor readings of a device; otherwise as the heartbeats.
///
/// Further numbers (`metrics`) have points where they are named.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), HistoryQuery, PageQuery), responses(
    DeviceErrors, Unavailable,
    (status = 200, description = "What was not sent is left out", content(
        (Vec<ReadingRow> = "application/json"),
        (String = "text/csv", example = "timestamp,humidity\r\n2026-11-21T12:00:00Z,60.2\r\n")),
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more rows"),
            ("ETag" = String, description = "Of points"),
            ("X-Aggregation" = String, description = "Of points: `minute`, `hour`, `day`, `3 days`"))),
    (status = 304, description = "Points as in If-None-Match"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, `start` is after `end`, or too many points")))]
#[get("/devices/{id}/readings")]
async fn list_readings(
    id: PathId<DeviceId>,
    reader: Reader,
    query: Query<HistoryQuery>,
    page: Query<PageQuery>,
    format: Format,
    db: ReaderDb,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    match page.parse_beside(query.parse(Source::Readings))? {
        (HistoryRequest::Points(points), _) => respond_points(&request, format, &db.0, (reader, id.0), &points).await,
        (HistoryRequest::Rows(query), page) => {
            let rows = queries::list_readings(&db.0, (reader, id.0), &query, &page).await?;
            respond_rows(&request, format, rows, &page, &query)
        }
    }
}

async fn respond_points(
    request: &HttpRequest,
    format: Format,
    db: &HeavyDb,
    (reader, device): (Reader, DeviceId),
    query: &PointsQuery,
) -> Result<HttpResponse, ApiError> {
    let (step, points) = queries::list_points(db, reader, device, query).await?;
    let body = if points.len() <= MAX_POINTS_HERE {
        write_points(format, &query.measures, &points)?
    } else {
        let measures = query.measures.clone();
        let written = web::block(move || write_points(format, &measures, &points)).await;
        written.map_err(|error| ApiError::Internal(Box::new(error)))??
    };
    let mut response = body.respond(request, format.media_type());
    if let Some(Ok(step)) = step.map(|step| step.to_string().parse()) {
        response.headers_mut().insert(AGGREGATION, step);
    }
    Ok(response)
}

fn write_points(format: Format, measures: &Measures, points: &[Point]) -> Result<TaggedBody, ApiError> {
    let bytes = match format {
        Format::Json => to_json(measures, points),
        Format::Csv => to_csv(measures, points),
    };
    bytes.map(TaggedBody::new).map_err(|error| ApiError::Internal(Box::new(error)))
}

fn respond_rows<R: Row>(
    request: &HttpRequest,
    format: Format,
    mut rows: Vec<R>,
    page: &Page<TimeCursor>,
    query: &RowsQuery,
) -> Result<HttpResponse, ApiError> {
    let metrics = query.metrics.as_deref();
    if let Some(metrics) = metrics {
        rows.iter_mut().for_each(|row| row.retain_metrics(metrics));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((VARY, ACCEPT.as_str()));
    page.finish(&mut response, request, &mut rows, |row| TimeCursor(row.timestamp()));
    match format {
        Format::Json => Ok(response.json(rows)),
        Format::Csv => {
            let csv = csv::write(&rows, metrics).map_err(|error| ApiError::Internal(Box::new(error)))?;
            Ok(response.insert_header((CONTENT_TYPE, format.media_type())).body(csv))
        }
    }
}
