//! Who may come in: each address and each user so often. What is for machines inside the installation is not counted.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::{Payload, RequestHead, ServiceRequest};
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::error::ApiError;
use crate::extract::auth;
use crate::limits::{ClientAddress, Standing, append_standing};
use crate::state::AppState;

/// Probes and scrapers, which come from inside and must never be refused.
const UNCOUNTED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// How the client stands with every limit it was counted in; told in the answer.
#[derive(Debug, Clone, Default)]
pub struct Standings(Rc<RefCell<Vec<Standing>>>);

impl Standings {
    /// Notes more of them.
    pub fn extend(&self, standings: impl IntoIterator<Item = Standing>) {
        self.0.borrow_mut().extend(standings);
    }

    /// Tells of them all.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        self.0.borrow().iter().for_each(|standing| append_standing(headers, standing));
    }
}

impl FromRequest for Standings {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or_default()))
    }
}

/// Where a request comes from.
#[must_use]
pub fn client_address(state: &AppState, request: &RequestHead) -> ClientAddress {
    ClientAddress::of(request, &state.config.web.trusted_proxies)
}

/// Counts a request.
///
/// # Errors
/// 429.
pub async fn admit(state: &AppState, request: &ServiceRequest, standings: &Standings) -> Result<(), ApiError> {
    request.extensions_mut().insert(standings.clone());
    if UNCOUNTED.contains(&request.path()) {
        return Ok(());
    }
    // Only whom the token names counts here; whether it still does, the handler asks.
    let user = auth::claimed_user(&state.tokens, request.headers(), state.clock.now());
    standings.extend(state.limits.admit(client_address(state, request.head()), user).await?);
    Ok(())
}
