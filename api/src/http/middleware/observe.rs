//! The outermost middleware: tidies the path, gives the request its id, counts the response.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

use super::browser;
use super::errors::call;
use super::ingest_path::is_ingest;
use crate::http::metrics::count_response;
use crate::http::request_id::{REQUEST_ID, RequestId};

/// The middleware. Only a panic, or the error of another middleware inside, is left as an error; what a handler or an
/// extractor fails of is a response here.
pub async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Every GET answers HEAD too; the server leaves the body out.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    trim_path(&mut request);
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let result = if is_ingest(request.head()) {
        call(request, next, &id).await
    } else {
        // On the heap: otherwise the future of each heartbeat would have room for this one too.
        Box::pin(browser::protect(request, next, &id)).await
    };
    let mut response = result.inspect_err(|_| count_response(StatusCode::INTERNAL_SERVER_ERROR))?;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    count_response(response.status());
    Ok(response)
}

/// `/tasks/` is `/tasks`, and so is `//tasks`. The server's own middleware for it runs a regular expression over every
/// path; nearly all paths are tidy.
fn trim_path(request: &mut ServiceRequest) {
    let Some(path) = tidy(request.path()) else { return };
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let (true, Ok(uri)) = (parts.path_and_query.is_some(), Uri::from_parts(parts)) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// The path as it should be; `None` where it is so already.
fn tidy(path: &str) -> Option<String> {
    if path.len() < 2 || !(path.ends_with('/') || path.contains("//")) {
        return None;
    }
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Some(format!("/{}", segments.join("/")))
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::http::header::CONTENT_TYPE;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, HttpResponse, web};

    use super::{REQUEST_ID, observe, tidy};

    async fn panics() -> HttpResponse {
        panic!("the secret of the inside")
    }

    async fn ask(path: &str) -> HttpResponse<Vec<u8>> {
        let app = init_service(App::new().wrap(from_fn(observe)).route("/panic", web::get().to(panics))).await;
        let request = TestRequest::with_uri(path).insert_header((REQUEST_ID, "follow-me")).to_request();
        let response = match actix_web::test::try_call_service(&app, request).await {
            Ok(response) => response.into_parts().1,
            // The server asks an error that came through for its answer.
            Err(error) => error.error_response(),
        };
        let (head, body) = response.into_parts();
        head.set_body(actix_web::body::to_bytes(body).await.unwrap_or_default().to_vec())
    }

    #[test]
    fn a_path_loses_its_superfluous_slashes() {
        for (path, expected) in [("/tasks/", "/tasks"), ("/tasks//", "/tasks"), ("//a///b/", "/a/b"), ("//", "/")] {
            assert_eq!(tidy(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["/", "/tasks", "/a/b", ""] {
            assert_eq!(tidy(path), None, "{path}");
        }
    }

    #[actix_web::test]
    async fn a_panic_is_an_answer_that_tells_nothing_of_the_inside() {
        let answer = ask("/panic").await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
        assert_eq!(answer.headers().get(REQUEST_ID).unwrap(), "follow-me");
        let text = String::from_utf8(answer.into_body()).unwrap();
        assert!(text.contains("follow-me") && !text.contains("secret"), "{text}");
    }
}
