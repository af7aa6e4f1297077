//! The middleware that counts requests by address and by user. Ingest has limits of its own; probes are not counted.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse};

use super::limiter::RateLimiter;
use crate::auth::Auth;
use crate::auth::tokens::Subject;
use crate::config::WebConfig;
use crate::http::client_address::ClientAddress;
use crate::http::error::ApiError;
use crate::http::holder::KnownCaller;
use crate::http::middleware::is_ingest;
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitStatus, append_status};

/// Probes and scrapers, which come from inside and must never be refused.
const UNCOUNTED: [&str; 4] = ["/livez", "/readyz", "/readyz/ingest", "/metrics"];

/// The status of every limit that a request was counted in; sent in the response.
#[derive(Debug, Clone, Default)]
pub struct RateLimitStatuses(Rc<RefCell<Vec<RateLimitStatus>>>);

impl RateLimitStatuses {
    pub fn extend(&self, standings: impl IntoIterator<Item = RateLimitStatus>) {
        self.0.borrow_mut().extend(standings);
    }

    pub fn append_to(&self, headers: &mut HeaderMap) {
        self.0.borrow().iter().for_each(|standing| append_status(headers, standing));
    }
}

impl FromRequest for RateLimitStatuses {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or_default()))
    }
}

/// The middleware: 429 for whoever has used up a limit; the others' responses tell how they stand with each limit.
pub async fn admit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if is_ingest(request.head()) {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    // On the heap: otherwise the future of each heartbeat would have room for this one too.
    Box::pin(count(request, next)).await
}

async fn count<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let statuses = RateLimitStatuses::default();
    request.extensions_mut().insert(statuses.clone());
    let mut response = match take(&request, &statuses).await {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(exceeded) => request.into_response(HttpResponse::from_error(ApiError::from(exceeded))),
    };
    statuses.append_to(response.headers_mut());
    Ok(response)
}

async fn take(request: &ServiceRequest, statuses: &RateLimitStatuses) -> Result<(), RateLimitExceeded> {
    let (limiter, auth, web) = (
        request.app_data::<Data<RateLimiter>>(),
        request.app_data::<Data<Auth>>(),
        request.app_data::<Data<WebConfig>>(),
    );
    let (Some(limiter), Some(auth), Some(web)) = (limiter, auth, web) else { return Ok(()) };
    if UNCOUNTED.contains(&request.path()) {
        return Ok(());
    }
    let address = ClientAddress::of(request.head(), &web.trusted_proxies);
    // Only whom the token names counts here; whether it is still valid, the handler's extractor asks.
    let caller = auth.claimed(request.head());
    if let Some(caller) = caller {
        request.extensions_mut().insert(KnownCaller(caller.uuid()));
    }
    statuses.extend(limiter.admit(address, caller.and_then(Subject::user)).await?);
    Ok(())
}
