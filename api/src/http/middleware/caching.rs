//! Who may keep an answer, and who has it already: said of every answer in this one place.
//!
//! What belongs to a person is for them alone, and a cache asks again before it uses it; whatever changes something is
//! kept by nobody. Public answers say nothing, or what their handler says. A 304 is made of its 200, so that it has the
//! same `ETag` and the same `Vary`.

use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, ETAG, HeaderMap, HeaderName, HeaderValue,
    VARY,
};

use crate::http::extract::etag::NotModified;

/// Marks a request whose answer depends on who asks.
pub struct Personal;

impl Personal {
    /// Leaves the mark on a request, for whoever completes the answer.
    pub fn mark(request: &HttpRequest) {
        request.extensions_mut().insert(Self);
    }
}

/// Says who may keep the answer, where its handler has not.
pub fn complete(response: &mut ServiceResponse<BoxBody>) {
    let is_personal = response.request().extensions().contains::<Personal>();
    let is_safe = response.request().method().is_safe();
    let is_version = response.status() == StatusCode::OK && response.headers().contains_key(ETAG);
    let headers = response.headers_mut();
    if is_personal {
        vary_by(headers, &[AUTHORIZATION, COOKIE]);
    }
    if (is_personal || !is_safe) && !headers.contains_key(CACHE_CONTROL) {
        let control = if is_safe && is_version { "private, no-cache" } else { "no-store" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
    }
}

/// Adds names to `Vary`, which becomes one line that has each name once.
pub fn vary_by(headers: &mut HeaderMap, names: &[HeaderName]) {
    let present: Vec<_> = headers.get_all(VARY).filter_map(|value| value.to_str().ok()).collect();
    let present = present.iter().flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase());
    let mut all: Vec<String> = Vec::new();
    for name in present.chain(names.iter().map(ToString::to_string)) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    if let (false, Ok(value)) = (all.is_empty(), HeaderValue::from_str(&all.join(", "))) {
        headers.insert(VARY, value);
    }
}

/// The answer, or 304 where the client has it already.
pub fn not_modified(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if response.status() != StatusCode::OK || !response.response().extensions().contains::<NotModified>() {
        return response;
    }
    response.map_body(|head, _| {
        head.status = StatusCode::NOT_MODIFIED;
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            head.headers_mut().remove(name);
        }
        BoxBody::new(())
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{
        ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, ETAG, HeaderMap, HeaderValue, VARY,
    };
    use actix_web::test::TestRequest;
    use actix_web::{HttpMessage, HttpResponse};

    use super::{NotModified, Personal, complete, not_modified, vary_by};

    fn control(request: TestRequest, is_personal: bool, response: HttpResponse) -> Option<String> {
        let request = request.to_srv_request();
        if is_personal {
            request.extensions_mut().insert(Personal);
        }
        let mut response = request.into_response(response);
        complete(&mut response);
        assert_eq!(response.headers().contains_key(VARY), is_personal);
        response.headers().get(CACHE_CONTROL).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_is_personal_or_changes_something_is_kept_by_no_cache() {
        let (ok, tagged) = (HttpResponse::Ok, || HttpResponse::Ok().insert_header((ETAG, "\"1\"")).finish());
        let control = |request, is_personal, response| control(request, is_personal, response);
        assert_eq!(control(TestRequest::get(), true, tagged()).as_deref(), Some("private, no-cache"));
        assert_eq!(control(TestRequest::get(), true, ok().finish()).as_deref(), Some("no-store"));
        assert_eq!(
            control(TestRequest::get(), true, HttpResponse::Unauthorized().finish()).as_deref(),
            Some("no-store")
        );
        assert_eq!(control(TestRequest::post(), true, tagged()).as_deref(), Some("no-store"));
        assert_eq!(control(TestRequest::post(), false, ok().finish()).as_deref(), Some("no-store"));
        assert_eq!(control(TestRequest::get(), false, tagged()), None);
        let said = ok().insert_header((CACHE_CONTROL, "no-cache")).finish();
        assert_eq!(control(TestRequest::get(), false, said).as_deref(), Some("no-cache"));
    }

    #[test]
    fn vary_is_one_line_with_each_name_once() {
        let mut headers = HeaderMap::new();
        vary_by(&mut headers, &[]);
        assert!(!headers.contains_key(VARY));
        for value in ["Accept, accept-encoding", "ACCEPT"] {
            headers.append(VARY, HeaderValue::from_static(value));
        }
        vary_by(&mut headers, &[AUTHORIZATION, COOKIE, ACCEPT_ENCODING]);
        let lines: Vec<_> = headers.get_all(VARY).collect();
        assert_eq!(lines, ["accept, accept-encoding, authorization, cookie"]);
    }

    #[test]
    fn a_304_is_its_200_without_the_body() {
        let respond = |is_known: bool| {
            let mut response =
                HttpResponse::Ok().insert_header((ETAG, "W/\"1\"")).insert_header((VARY, "accept")).json("body");
            if is_known {
                response.extensions_mut().insert(NotModified);
            }
            not_modified(TestRequest::get().to_srv_request().into_response(response))
        };
        let response = respond(true);
        assert_eq!(response.status(), 304);
        for (name, value) in [(ETAG, "W/\"1\""), (VARY, "accept")] {
            assert_eq!(response.headers().get(name).unwrap(), value);
        }
        assert!(!response.headers().contains_key(CONTENT_TYPE));
        assert_eq!(respond(false).status(), 200);
    }
}
