//! The table of contents: a line a domain. Ingest comes first, because the router tries routes in order.

use actix_web::http::header::{ALLOW, Allow, TryIntoHeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::error::ApiError;
use crate::openapi::allowed_methods;
use crate::request::RequestId;
use crate::{
    accounts, audit, cache_entries, cart, catalogue, devices, fleet, history, ingest, operations, orders, presence,
    tasks,
};

/// Where the documented form of every route lives.
pub const API_PREFIX: &str = "/api/v1";

/// Puts every route where clients look for it: under `/api/v1`, and again at the root for older clients.
pub fn serve(services: &mut web::ServiceConfig) {
    services.service(web::scope(API_PREFIX).configure(|scope| configure(&mut ServiceConfig::new(scope))));
    configure(&mut ServiceConfig::new(services));
    services.default_service(web::to(unmatched));
}

/// Every route of the API.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    ingest::routes::configure(routes);
    history::routes::configure(routes);
    presence::routes::configure(routes);
    fleet::routes::configure(routes);
    devices::routes::configure(routes);
    accounts::routes::configure(routes);
    cache_entries::routes::configure(routes);
    tasks::routes::configure(routes);
    operations::routes::configure(routes);
    catalogue::routes::configure(routes);
    cart::routes::configure(routes);
    orders::routes::configure(routes);
    audit::routes::configure(routes);
}

/// What no route has taken: an address that takes other methods, or no address at all.
async fn unmatched(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let methods = allowed_methods(request.path());
    if methods.is_empty() {
        return Err(ApiError::NotFound("address"));
    }
    let mut response = ApiError::MethodNotAllowed.to_response(Some(RequestId::of_request(&request).as_str()));
    if let Ok(methods) = Allow(methods).try_into_value() {
        response.headers_mut().insert(ALLOW, methods);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::header::ALLOW;
    use actix_web::http::{Method, StatusCode};
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::{API_PREFIX, serve};
    use crate::openapi::document;

    /// The status, and the error's sentence, of a request that brings nothing.
    async fn ask(method: Method, path: &str) -> (StatusCode, String, Option<String>) {
        let app = init_service(App::new().configure(serve)).await;
        let response = call_service(&app, TestRequest::with_uri(path).method(method).to_request()).await;
        let status = response.status();
        let allow = response.headers().get(ALLOW).map(|allow| allow.to_str().unwrap().to_owned());
        (status, String::from_utf8_lossy(&read_body(response).await).into_owned(), allow)
    }

    #[actix_web::test]
    async fn every_documented_route_is_there_under_the_prefix_and_at_the_root() {
        for (path, item) in document().paths.paths {
            let path = path.replace("{id}", "01JD3ZK8M4T0Q2V6X9Y7B5C1RA");
            let there = [
                (item.get, Method::GET),
                (item.post, Method::POST),
                (item.put, Method::PUT),
                (item.patch, Method::PATCH),
                (item.delete, Method::DELETE),
            ];
            for method in there.into_iter().filter_map(|(operation, method)| operation.map(|_| method)) {
                for path in [&path, path.strip_prefix(API_PREFIX).unwrap()] {
                    let (status, body, _) = ask(method.clone(), path).await;
                    assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                    assert!(!body.contains("no such address"), "{method} {path}");
                }
            }
        }
    }

    #[actix_web::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        let (status, body, allow) = ask(Method::DELETE, "/devices/01JD3ZK8M4T0Q2V6X9Y7B5C1RA/heartbeats").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(allow.as_deref(), Some("GET, POST"));
        assert!(body.contains(r#""title":"Method not allowed""#), "{body}");
    }

    #[actix_web::test]
    async fn an_unknown_address_is_not_found_whatever_the_method() {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let (status, body, allow) = ask(method, "/api/v1/nothing").await;
            assert_eq!((status, allow), (StatusCode::NOT_FOUND, None), "{body}");
        }
    }
}
