//! Which requests are ingest: the path on which every microsecond counts.

use actix_web::dev::RequestHead;
use actix_web::http::Method;

/// How the addresses end that take it; the busiest first.
const NAMES: [&str; 4] = ["/heartbeats", "/readings", "/telemetry", "/data"];

/// Whether a request brings heartbeats or readings.
pub fn is_ingest(request: &RequestHead) -> bool {
    let path = request.uri.path();
    let path = path.strip_suffix('/').unwrap_or(path);
    request.method == Method::POST && NAMES.iter().any(|name| path.ends_with(name))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::is_ingest;

    fn of(method: Method, path: &str) -> bool {
        is_ingest(TestRequest::with_uri(path).method(method).to_http_request().head())
    }

    #[test]
    fn every_ingest_route_is_ingest_and_nothing_else_is() {
        let id = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA";
        for path in ["/heartbeats", "/readings/", "/telemetry?x=/", "/data", &format!("/devices/{id}/heartbeats")] {
            assert!(of(Method::POST, path), "{path}");
            assert!(of(Method::POST, &format!("/api/v1{path}")), "{path}");
            assert!(!of(Method::GET, path), "{path}");
        }
        for path in ["/", "/devices", "/auth/login", "/data/products", "/heartbeats/x", "/tasks?q=/heartbeats"] {
            assert!(!of(Method::POST, path), "{path}");
        }
    }
}
