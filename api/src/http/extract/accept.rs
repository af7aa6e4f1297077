//! JSON, or CSV for clients that prefer it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{Accept, Header, Quality};
use actix_web::{FromRequest, HttpRequest};

use crate::http::error::ApiError;

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The default.
    Json,
    /// With a line of headings (RFC 4180).
    Csv,
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What an `Accept` header prefers. Of two that are equally welcome, the one that is named wins over `*/*`, and JSON
    /// over CSV.
    fn preferred(accept: &Accept) -> Self {
        let quality = |ranges: &[&str]| {
            let items = accept.iter().filter(|item| ranges.contains(&item.item.essence_str()));
            items.map(|item| item.quality).max()
        };
        let csv = quality(&["text/csv", "text/*"]).unwrap_or(Quality::ZERO);
        let json = quality(&["application/json", "application/*"]);
        let any = || quality(&["*/*"]).unwrap_or(Quality::ZERO);
        let json_wins = json.map_or_else(|| any() > csv, |json| json >= csv);
        if csv == Quality::ZERO || json_wins { Self::Json } else { Self::Csv }
    }
}

impl FromRequest for Format {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Accept::parse(request).map_or(Self::Json, |accept| Self::preferred(&accept))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest;
    use actix_web::http::header::ACCEPT;
    use actix_web::test::TestRequest;

    use super::Format::{self, Csv, Json};

    fn of(accept: &str) -> Format {
        let request = TestRequest::get().insert_header((ACCEPT, accept)).to_http_request();
        Format::extract(&request).into_inner().unwrap()
    }

    #[test]
    fn csv_is_for_who_prefers_it() {
        for accept in [
            "text/csv",
            "TEXT/CSV",
            "text/*",
            "text/csv, */*",
            "application/json;q=0.5, text/csv;q=0.9",
            "text/csv;header=present",
        ] {
            assert_eq!(of(accept), Csv, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/json, text/csv",
            "text/csv;q=0.5, */*",
            "text/csv;q=0.5, application/*;q=0.500",
            "text/csv;q=0",
            "text/html",
        ] {
            assert_eq!(of(accept), Json, "{accept}");
        }
        assert_eq!(Format::extract(&TestRequest::get().to_http_request()).into_inner().unwrap(), Json);
    }
}
