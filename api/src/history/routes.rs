//! The routes that read a device's history back.

use crate::db::DbConnection;
use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpRequest, HttpResponse, get};
use futures_util::future::LocalBoxFuture;
use pulso_shared::ids::DeviceId;
use pulso_shared::rollup::Source;
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::Reader;
use super::csv;
use super::data_routes;
use super::measure::Metric;
use super::points::{self, PointsQuery};
use super::rows::{HeartbeatRow, LatestResponse, ReadingRow, Row};
use super::store::{self, Known};
use super::stretch::Cursor;
use super::types::{HistoryQuery, Wanted};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::accept::Format;
use crate::http::extract::page::{Page, PageQuery};
use crate::http::extract::path::PathId;
use crate::state::AppState;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_latest).service(list_heartbeats).service(list_readings);
    data_routes::configure(routes);
}

/// The newest heartbeat and the newest sensor reading of a device, milliseconds after they were accepted.
///
/// For the device's owner, and for the device itself.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")), responses(
    (status = 200, body = LatestResponse, description = "`null` where the device has sent none"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/latest")]
async fn get_latest(id: PathId<DeviceId>, reader: Reader, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let mut connection = state.db.get().await?;
    let device = reader.find(&mut connection, id.0).await?;
    let latest = store::load_latest(&mut connection, &[device]).await?.remove(&device.id).unwrap_or_default();
    let (heartbeat, reading) = (latest.heartbeat, latest.reading);
    Ok(HttpResponse::Ok().json(LatestResponse { device_id: device.id, heartbeat, reading }))
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
    (status = 200, description = "What was not sent is left out", content(
        (Vec<HeartbeatRow> = "application/json"),
        (String = "text/csv", example = "timestamp,cpu_usage\r\n2026-11-21T12:00:00Z,41.5\r\n")),
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more rows"),
            ("ETag" = String, description = "Of points"),
            ("X-Aggregation" = String, description = "Of points: `minute`, `hour`, `day`, `3 days`"))),
    (status = 304, description = "Points as in If-None-Match"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, `start` is after `end`, or too many points"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/heartbeats")]
async fn list_heartbeats(
    call: HistoryCall,
    query: Query<HistoryQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    match parse(&query, &page, Source::Heartbeats)? {
        (Wanted::Points(points), _) => call.answer_points(&points).await,
        (Wanted::Raw(raw), page) => {
            let (mut connection, device) = call.find_device().await?;
            let stretch = raw.stretch.after(page.after);
            let rows = store::list_heartbeats(&mut connection, &device, stretch, page.fetch_limit()).await?;
            Ok(call.answer_rows(rows, &page, raw.metrics.as_deref()))
        }
    }
}

/// The sensor readings of a device; otherwise as the heartbeats.
///
/// Further numbers (`metrics`) have points where they are named.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), HistoryQuery, PageQuery), responses(
    (status = 200, description = "What was not sent is left out", content(
        (Vec<ReadingRow> = "application/json"),
        (String = "text/csv", example = "timestamp,humidity\r\n2026-11-21T12:00:00Z,60.2\r\n")),
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more rows"),
            ("ETag" = String, description = "Of points"),
            ("X-Aggregation" = String, description = "Of points: `minute`, `hour`, `day`, `3 days`"))),
    (status = 304, description = "Points as in If-None-Match"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, `start` is after `end`, or too many points"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/readings")]
async fn list_readings(
    call: HistoryCall,
    query: Query<HistoryQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    match parse(&query, &page, Source::Readings)? {
        (Wanted::Points(points), _) => call.answer_points(&points).await,
        (Wanted::Raw(raw), page) => {
            let (mut connection, device) = call.find_device().await?;
            let stretch = raw.stretch.after(page.after);
            let rows = store::list_readings(&mut connection, &device, stretch, page.fetch_limit()).await?;
            Ok(call.answer_rows(rows, &page, raw.metrics.as_deref()))
        }
    }
}

/// Who asks for which device's history, and how.
struct HistoryCall {
    request: HttpRequest,
    state: Data<AppState>,
    reader: Reader,
    device: DeviceId,
    format: Format,
}

impl FromRequest for HistoryCall {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = request.app_data::<Data<AppState>>().cloned();
        let device = PathId::<DeviceId>::extract(request).into_inner();
        let (format, reader) = (Format::of(request), Reader::from_request(request, payload));
        let request = request.clone();
        Box::pin(async move {
            let state = state.ok_or_else(|| ApiError::Internal("the application has no state".into()))?;
            let device = device?.0;
            Ok(Self { request, state, reader: reader.await?, device, format })
        })
    }
}

impl HistoryCall {
    async fn find_device(&self) -> Result<(DbConnection, Known), ApiError> {
        let mut connection = self.state.db.get().await?;
        let device = self.reader.find(&mut connection, self.device).await?;
        Ok((connection, device))
    }

    async fn answer_points(&self, query: &PointsQuery) -> Result<HttpResponse, ApiError> {
        points::answer(&self.state, (self.reader, self.device), query, self.format, &self.request).await
    }

    fn answer_rows<R: Row>(&self, mut rows: Vec<R>, page: &Page<Cursor>, metrics: Option<&[Metric]>) -> HttpResponse {
        if let Some(metrics) = metrics {
            rows.iter_mut().for_each(|row| row.keep_only(metrics));
        }
        let key = |row: &R| Cursor(row.timestamp());
        let format = self.format;
        page.respond_with(&self.request, rows, key, |mut response, rows| {
            response.insert_header((VARY, ACCEPT.as_str()));
            match format {
                Format::Json => response.json(rows),
                Format::Csv => {
                    response.insert_header((CONTENT_TYPE, format.media_type())).body(csv::write(&rows, metrics))
                }
            }
        })
    }
}

/// Checks both parts of the query, so that the faults of both are told at once.
fn parse(query: &HistoryQuery, page: &PageQuery, source: Source) -> Result<(Wanted, Page<Cursor>), ApiError> {
    match (query.parse(source), page.parse::<Cursor>()) {
        (Ok(wanted), Ok(page)) => Ok((wanted, page)),
        (Err(mut faults), Err(ApiError::Validation(more))) => {
            faults.extend(more);
            Err(ApiError::Validation(faults))
        }
        (_, Err(error)) => Err(error),
        (Err(faults), _) => Err(ApiError::Validation(faults)),
    }
}
