//! Keyset pages: `?limit=&cursor=`, and `Link: <…>; rel="next"` while there is more.

use std::fmt::{self, Display};
use std::str::FromStr;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LINK};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::etag;
use super::query::given;
use crate::http::error::{ApiError, FieldError};
use crate::http::time_range::TimeRange;

/// Rows on a page by default.
pub const DEFAULT_LIMIT: u16 = 100;
/// Most rows on a page.
pub const MAX_LIMIT: u16 = 1_000;

/// The `limit` of a list without pages.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LimitQuery {
    /// Most items in the answer.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
}

impl LimitQuery {
    pub fn parse(&self) -> Result<u16, ApiError> {
        parse_limit(&self.limit, DEFAULT_LIMIT).map_err(|fault| ApiError::Validation(vec![fault]))
    }
}

/// The most items of an answer, by the parameter `limit`.
pub fn parse_limit(limit: &Option<String>, default: u16) -> Result<u16, FieldError> {
    let Some(text) = limit else { return Ok(default) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| FieldError::new("limit", "out_of_range", format!("must be between 1 and {MAX_LIMIT}")))
}

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows on the page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// Where the page starts: taken from the `Link` of the one before. A blank one is none.
    #[param(value_type = Option<String>, format = "cursor")]
    cursor: Option<String>,
}

/// A page of rows after the key `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<K> {
    /// Most rows on it.
    pub limit: u16,
    /// The last key of the page before.
    pub after: Option<K>,
}

impl PageQuery {
    /// Whether the page is to start at a cursor.
    pub fn has_cursor(&self) -> bool {
        given(&self.cursor).is_some()
    }

    /// `K` is read from the cursor; 422 for a limit out of range and a cursor that is none of this list.
    pub fn parse<K: FromStr>(&self) -> Result<Page<K>, ApiError> {
        let limit = parse_limit(&self.limit, DEFAULT_LIMIT);
        let after = given(&self.cursor).map(K::from_str).transpose();
        match (limit, after) {
            (Ok(limit), Ok(after)) => Ok(Page { limit, after }),
            (limit, after) => {
                let cursor =
                    after.is_err().then(|| FieldError::new("cursor", "invalid", "is not a cursor of this list"));
                Err(ApiError::Validation(limit.err().into_iter().chain(cursor).collect()))
            }
        }
    }

    /// As [`Self::parse`], beside the rest of a query: one response names the faults of both.
    pub fn parse_beside<T, K: FromStr>(&self, rest: Result<T, Vec<FieldError>>) -> Result<(T, Page<K>), ApiError> {
        let page = self.parse();
        let mut faults = match rest {
            Ok(rest) => return page.map(|page| (rest, page)),
            Err(faults) => faults,
        };
        if let Err(ApiError::Validation(more)) = page {
            faults.extend(more);
        }
        Err(ApiError::Validation(faults))
    }
}

impl<K: ToString> Page<K> {
    /// How many rows to ask the database for: one more than the page tells whether there is a next one.
    pub fn fetch_limit(&self) -> i64 {
        i64::from(self.limit).saturating_add(1)
    }

    /// Responds with the page's rows, and with a link to the next page where `rows` holds one too many.
    pub fn respond<T: Serialize>(
        &self,
        request: &HttpRequest,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> K,
    ) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        self.finish(&mut response, request, &mut rows, key);
        response.json(rows)
    }

    /// Cuts the one row too many off, and links to the page that it begins.
    pub fn finish<T>(
        &self,
        response: &mut HttpResponseBuilder,
        request: &HttpRequest,
        rows: &mut Vec<T>,
        key: impl Fn(&T) -> K,
    ) {
        if let Some(next) = self.cut(rows, key) {
            link_next(response, request, &next);
        }
    }

    /// As [`Self::respond`], with an ETag: 304 where the client has this page already.
    pub fn respond_tagged<T: Serialize>(
        &self,
        request: &HttpRequest,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> K,
    ) -> Result<HttpResponse, ApiError> {
        let next = self.cut(&mut rows, key).map(|cursor| next_link(request, &cursor));
        // A list has no version of its own: its tag is its digest.
        let mut response = etag::respond(request, StatusCode::OK, &rows, DateTime::UNIX_EPOCH)?;
        if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(LINK, link);
        }
        Ok(response)
    }

    /// Cuts the one row too many off; returns the cursor of the page that it begins.
    fn cut<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> K) -> Option<String> {
        let limit = usize::from(self.limit);
        let has_next = rows.len() > limit;
        rows.truncate(limit);
        rows.last().filter(|_| has_next).map(|last| key(last).to_string())
    }
}

/// Adds the `Link` header.
pub fn link_next(response: &mut HttpResponseBuilder, request: &HttpRequest, cursor: &str) {
    response.insert_header((LINK, next_link(request, cursor)));
}

/// This request's own address with the cursor put in.
fn next_link(request: &HttpRequest, cursor: &str) -> String {
    let others = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<_> = others.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    format!("<{}?{}>; rel=\"next\"", request.path(), query.join("&"))
}

/// Where a page of rows in the order of time ends: the timestamp of its last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeCursor(pub DateTime<Utc>);

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorError;

impl Display for TimeCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0.timestamp_micros().cast_unsigned())
    }
}

impl FromStr for TimeCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CursorError);
        }
        let micros = u64::from_str_radix(text, 16).map_err(|_| CursorError)?.cast_signed();
        let instant = DateTime::from_timestamp_micros(micros).filter(|instant| TimeRange::ALL.contains(*instant));
        instant.map(Self).ok_or(CursorError)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::LINK;
    use actix_web::test::TestRequest;

    use super::{CursorError, Page, PageQuery, TimeCursor};
    use crate::http::error::{ApiError, FieldError};

    fn pointers(error: ApiError) -> Vec<String> {
        let ApiError::Validation(faults) = error else { panic!("{error}") };
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for instant in ["2026-11-21T12:00:00.123456Z", "1969-12-31T23:59:59.999999Z"] {
            let cursor = TimeCursor(instant.parse().unwrap());
            assert_eq!(cursor.to_string().parse(), Ok(cursor), "{instant}");
        }
        for text in ["", "abc", "zzzzzzzzzzzzzzzz", "7fffffffffffffff", "+00000000000000f", "8000000000000000"] {
            assert_eq!(text.parse::<TimeCursor>(), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn the_faults_of_a_query_and_of_its_page_are_reported_together() {
        let page = PageQuery { limit: Some("0".to_owned()), cursor: None };
        let rest: Result<(), _> = Err(vec![FieldError::new("start", "invalid", "is not valid")]);
        assert_eq!(pointers(page.parse_beside::<_, TimeCursor>(rest).unwrap_err()), ["/start", "/limit"]);
        let page = PageQuery { limit: None, cursor: Some("here".to_owned()) };
        assert_eq!(pointers(page.parse_beside::<_, TimeCursor>(Ok(())).unwrap_err()), ["/cursor"]);
        let page = PageQuery { limit: Some("x".to_owned()), cursor: Some("here".to_owned()) };
        assert_eq!(pointers(page.parse::<TimeCursor>().map(|_| ((), page)).unwrap_err()), ["/limit", "/cursor"]);
        let page = PageQuery { limit: None, cursor: Some(" ".to_owned()) };
        assert_eq!(page.parse::<TimeCursor>().ok(), Some(Page { limit: 100, after: None }));
    }

    #[test]
    fn one_row_too_many_is_cut_off_and_becomes_the_link() {
        let request = TestRequest::with_uri("/things?limit=2&cursor=1&q=x").to_http_request();
        let page = Page { limit: 2, after: Some(1_u32) };
        let link = |rows: Vec<u32>| {
            let response = page.respond(&request, rows, |row| *row);
            response.headers().get(LINK).map(|link| link.to_str().unwrap().to_owned())
        };
        assert_eq!(page.fetch_limit(), 3);
        assert_eq!(link(vec![2, 3]), None);
        assert_eq!(link(vec![2, 3, 4]).unwrap(), "</things?limit=2&q=x&cursor=3>; rel=\"next\"");
    }
}
