//! The routes of sheets.

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, block};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, get, post};
use futures_util::future::LocalBoxFuture;
use pulso_shared::clock::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::quota::DeviceQuota;
use super::types::ImportResponse;
use super::{commands, queries, read};
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::body::read_body;
use crate::http::responses::{Unavailable, UserErrors};
use crate::rate_limit::HeavyDb;

/// Largest sheet, after decompression: 10,000 devices with 800 bytes each.
const MAX_SHEET_BYTES: usize = 8 * 1024 * 1024;

/// The routes of sheets. They come before `/devices/{id}`: an id takes their place otherwise.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(import_devices).service(export_devices);
}

/// A body that calls itself CSV, or nothing in particular.
struct Sheet(Bytes);

impl FromRequest for Sheet {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_csv = matches!(request.content_type().to_lowercase().as_str(), "" | "text/csv" | "application/csv");
        let sheet = read_body(request, payload, MAX_SHEET_BYTES);
        Box::pin(async move {
            if !is_csv {
                return Err(ApiError::UnsupportedMediaType("Send text/csv."));
            }
            sheet.await.map(Self)
        })
    }
}

/// Registers up to 10,000 devices from a sheet, all of them or none. The header names the columns, in any order:
/// `name,location,sn,description`; only `name` has to be there, and columns of other names are ignored.
///
/// Each device's first secret is in the answer, this once. A fault's pointer is `/<line>/<column>`; the header is
/// line 1. An apostrophe in front of what would be a formula (`=`, `+`, `-`, `@`) is not part of the text.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    request_body(content = String, content_type = "text/csv", description = "A sheet of at most 8 MiB, UTF-8",
        example = "name,location,sn,description\r\nBoiler 3,Hall B,000123456789,\r\n"), responses(UserErrors,
    (status = 201, body = ImportResponse, description = "All of them are registered"),
    (status = 400, body = Problem, description = "Not UTF-8, or not whole"),
    (status = 409, body = Problem, description = "More devices than the account may have (too_many_devices)"),
    (status = 413, body = Problem, description = "Over 8 MiB"),
    (status = 415, body = Problem, description = "Not CSV by its own word"),
    (status = 422, body = Problem, description = "Lines are not valid, each is named; nothing was registered"),
    (status = 503, body = Problem, description = "Nothing was registered: send it again")))]
#[post("/devices/import")]
async fn import_devices(
    db: HeavyDb,
    clock: Data<Clock>,
    quota: Data<DeviceQuota>,
    caller: AuthUser,
    sheet: Sheet,
) -> Result<HttpResponse, ApiError> {
    // Off the request threads: a large sheet takes tens of milliseconds.
    let rows = block(move || read::read(&sheet.0)).await.map_err(|error| ApiError::Internal(Box::new(error)))??;
    Ok(HttpResponse::Created().json(commands::import(&db, &clock, **quota, caller.user_id, rows).await?))
}

/// One's own devices as a sheet (servers are among them), the oldest first: `name,location,sn,description`.
///
/// An apostrophe stands in front of a text that a spreadsheet would run as a formula; the import takes it off again.
#[utoipa::path(tag = "devices", security(("bearer" = [])), responses(UserErrors, Unavailable,
    (status = 200, body = String, content_type = "text/csv", description = "UTF-8, a header, lines that end with CRLF",
        example = "name,location,sn,description\r\nBoiler 3,Hall B,000123456789,\r\n")))]
#[get("/devices/export")]
async fn export_devices(db: HeavyDb, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    let pieces = queries::export(db, caller.user_id).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"));
    response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"devices.csv\""));
    Ok(response.streaming(Box::pin(pieces)))
}
