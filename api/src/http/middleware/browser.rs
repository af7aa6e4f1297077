//! Responses to everything but ingest: headers that keep browsers safe, who may keep them, 304 for whoever has them, large
//! ones in pieces, compression.

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::errors::{call, replace};
use super::{caching, compression, pieces, security_headers};
use crate::config::WebConfig;
use crate::http::client_address::is_tls;
use crate::http::request_id::RequestId;

/// Calls the handler and completes its response.
pub async fn protect<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    id: &RequestId,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let encoding = compression::wanted(&request);
    let is_tls = request.app_data::<Data<WebConfig>>().is_some_and(|web| is_tls(request.head(), web));
    let mut response = call(request, next, id).await?;
    caching::complete(&mut response);
    let pays = compression::prepare(&mut response, encoding);
    let response = caching::not_modified(response);
    let mut response = match pieces::share_for(&response) {
        Ok(None) => response,
        Ok(Some(share)) => pieces::in_pieces(response, share),
        Err(error) => replace(response, &error, id),
    };
    security_headers::insert(response.headers_mut(), is_tls);
    Ok(if pays { compression::compress(response, encoding) } else { response })
}
