//! What a public API owes everybody who is no device: limits, headers that keep browsers safe, compressed answers,
//! pages of other origins where they are allowed.
//!
//! ```text
//!  cors ─▶ request::observe ─┬ telemetry ─────────────────────────────────▶ handler
//!                            └ anything else ─▶ attend: admission ─▶ handler ─▶ security headers ─▶ compression
//! ```
//!
//! Telemetry (what devices send) is spared all of it: it has limits of its own, answers of a few bytes, and no browser
//! behind it. To it this costs a look at the path.

mod admission;
mod compression;
mod cross_origin;
mod security_headers;
mod telemetry;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

pub use admission::{Standings, client_address};
pub use cross_origin::{AllowedOrigins, check_same_site, cors};
pub use security_headers::is_tls;
pub use telemetry::is_telemetry;

use crate::request::{RequestId, answer_error, call};
use crate::state::AppState;

/// Everything around a handler that is not telemetry's.
///
/// # Errors
/// As [`crate::request::call`].
pub async fn attend<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    id: &RequestId,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<Data<AppState>>().cloned() else {
        return call(request, next, id).await;
    };
    let encoding = compression::wanted(&request);
    let is_tls = is_tls(request.head(), &state.config.web);
    let standings = Standings::default();
    let mut response = match admission::admit(&state, &request, &standings).await {
        Ok(()) => call(request, next, id).await?,
        Err(error) => request.into_response(answer_error(&error, id)),
    };
    standings.append_to(response.headers_mut());
    security_headers::insert(response.headers_mut(), is_tls);
    Ok(compression::compress(response, encoding))
}
