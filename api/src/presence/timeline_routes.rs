//! The route that tells when a device was there.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use pulso_shared::ids::DeviceId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::timeline_store;
use super::timeline_types::{TimelineQuery, TimelineResponse};
use super::types::PresenceStatus;
use crate::error::{ApiError, Problem};
use crate::extract::auth::AuthUser;
use crate::extract::page::{PageQuery, link_next};
use crate::extract::path::PathId;
use crate::history::Cursor;
use crate::presence::store::find_hearing;
use crate::state::AppState;

/// The timeline's route.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_timeline);
}

/// When a device was there: its changes between online and offline, newest first, and its uptime in the range.
///
/// The uptime is that of the whole range, on every page. While there are more changes, `Link` holds the address of the
/// next page.
#[utoipa::path(tag = "presence", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), TimelineQuery, PageQuery), responses(
    (status = 200, body = TimelineResponse, description = "Its timeline",
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more changes"))),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, or `start` is after `end`"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/timeline")]
async fn get_timeline(
    id: PathId<DeviceId>,
    user: AuthUser,
    query: Query<TimelineQuery>,
    page: Query<PageQuery>,
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (asked, page) = page.parse_beside::<_, Cursor>(query.parse())?;
    let mut connection = state.db.get().await?;
    let (heard, now) = (find_hearing(&mut connection).await?, state.clock.now());
    let device = timeline_store::find_device(&mut connection, user.user_id, id.0).await?;
    let device = device.ok_or(ApiError::NotFound("device"))?;
    let range = asked.within(device.created_at, heard.stored_through.map_or(now, |heard| heard.min(now)));
    let before = page.after.map(|Cursor(at)| at);
    let mut changes = timeline_store::list_changes(&mut connection, id.0, range, before, page.fetch_limit()).await?;
    let uptime = timeline_store::sum_uptime(&mut connection, id.0, range).await?;
    let mut response = HttpResponse::Ok();
    if changes.len() > usize::from(page.limit) {
        changes.truncate(page.limit.into());
        if let Some(last) = changes.last() {
            link_next(&mut response, &request, &Cursor(last.at).to_string());
        }
    }
    let status = PresenceStatus::of(&heard.at(now), device.last_seen_at, device.offline_after_s);
    let (start, end) = (range.start, range.end);
    Ok(response.json(TimelineResponse { device_id: id.0, status, start, end, uptime, changes }))
}
