//! The response where no route matches: 405 for a path that takes other methods, else 404.

use actix_web::http::header::{ALLOW, Allow, TryIntoHeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::addresses::allowed_methods;
use crate::http::error::ApiError;
use crate::http::request_id::RequestId;

/// Handles what no route matches.
pub async fn unmatched(request: HttpRequest) -> Result<HttpResponse, ApiError> {
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
    use actix_web::web;

    use super::unmatched;
    use crate::http::API_PREFIX;
    use crate::openapi::addresses::methods;
    use crate::openapi::document;
    use crate::routes::serve;

    /// The status, body and `Allow` of requests that bring nothing.
    async fn ask_all(requests: Vec<(Method, String)>) -> Vec<(StatusCode, String, Option<String>)> {
        let app = init_service(App::new().configure(serve).default_service(web::to(unmatched))).await;
        let mut responses = Vec::new();
        for (method, path) in requests {
            let response = call_service(&app, TestRequest::with_uri(&path).method(method).to_request()).await;
            let status = response.status();
            let allow = response.headers().get(ALLOW).map(|allow| allow.to_str().unwrap().to_owned());
            responses.push((status, String::from_utf8_lossy(&read_body(response).await).into_owned(), allow));
        }
        responses
    }

    async fn ask(method: Method, path: &str) -> (StatusCode, String, Option<String>) {
        ask_all(vec![(method, path.to_owned())]).await.remove(0)
    }

    #[actix_web::test]
    async fn every_documented_route_is_there_under_the_prefix_and_at_the_root() {
        let mut requests = Vec::new();
        for (path, item) in document().paths.paths {
            let path = path.replace("{id}", "01JD3ZK8M4T0Q2V6X9Y7B5C1RA");
            let at_root = path.strip_prefix(API_PREFIX).unwrap().to_owned();
            for method in methods(&item) {
                requests.extend([(method.clone(), path.clone()), (method, at_root.clone())]);
            }
        }
        for ((method, path), (status, body, _)) in requests.iter().zip(ask_all(requests.clone()).await) {
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!body.contains("no such address"), "{method} {path}");
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
