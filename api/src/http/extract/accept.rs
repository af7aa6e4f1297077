//! JSON, or CSV for who prefers it.

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`, for whoever does not say.
    Json,
    /// `text/csv` with a header line (RFC 4180).
    Csv,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// The form that a request asks for.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        accept.map_or(Self::Json, Self::preferred)
    }

    /// What an `Accept` header prefers. Of two that are as welcome, the one that is named wins over `*/*`, and JSON over
    /// CSV.
    fn preferred(accept: &str) -> Self {
        let welcome = |wanted: &[&str]| {
            let ranges = accept
                .split(',')
                .map(range)
                .filter(|(name, _)| wanted.iter().any(|one| name.eq_ignore_ascii_case(one)));
            ranges.map(|(_, weight)| weight).max()
        };
        let csv = welcome(&["text/csv", "text/*"]).unwrap_or(0);
        let json = welcome(&["application/json", "application/*"]);
        let any = || welcome(&["*/*"]).unwrap_or(0);
        let json_wins = json.map_or_else(|| any() > csv, |json| json >= csv);
        if csv == 0 || json_wins { Self::Json } else { Self::Csv }
    }
}

/// A media range and its weight in thousandths.
fn range(text: &str) -> (&str, u16) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1_000, thousandths))
}

fn thousandths(weight: &str) -> u16 {
    let Some((whole, fraction)) = weight.split_once('.') else { return if weight == "0" { 0 } else { 1_000 } };
    if whole != "0" {
        return 1_000;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits.parse().unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use super::Format::{Csv, Json};
    use super::{Format, thousandths};

    #[test]
    fn csv_is_for_who_prefers_it() {
        for accept in [
            "text/csv",
            "TEXT/CSV",
            "text/csv, */*",
            "application/json;q=0.5, text/csv;q=0.9",
            "text/csv;header=present",
        ] {
            assert_eq!(Format::preferred(accept), Csv, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/json, text/csv",
            "text/csv;q=0.5, */*",
            "text/csv;q=0",
            "text/html",
        ] {
            assert_eq!(Format::preferred(accept), Json, "{accept}");
        }
        assert_eq!(["1", "0", "0.5", "0.05", "1.0", "x"].map(thousandths), [1_000, 0, 500, 50, 1_000, 1_000]);
    }
}
