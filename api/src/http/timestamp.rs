//! The rule for every instant a client sends: RFC 3339 with any offset; without one it is UTC.

use chrono::{DateTime, Datelike, NaiveDateTime, SubsecRound, Utc};
use serde::Deserialize;

/// A text that is no instant; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 date and time, such as 2026-11-21T12:00:00Z")]
pub struct InstantError;

/// An instant, in UTC, cut to the microsecond that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Instant(pub DateTime<Utc>);

impl TryFrom<String> for Instant {
    type Error = InstantError;

    fn try_from(text: String) -> Result<Self, InstantError> {
        parse(&text).map(Self)
    }
}

/// Reads an instant, cut to the microsecond that is stored.
///
/// # Errors
/// When the text is none, or one in a year that four digits cannot say.
pub fn parse(text: &str) -> Result<DateTime<Utc>, InstantError> {
    let instant = DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc());
    let instant = instant.or_else(|_| without_offset(text)).map_err(|_| InstantError)?.trunc_subsecs(6);
    // A leap second is the next minute's 0: what is stored, sent and compared knows no 60th second.
    let instant = DateTime::from_timestamp_micros(instant.timestamp_micros()).ok_or(InstantError)?;
    // What four digits can say is what the answer can say again.
    if (1..=9_999).contains(&instant.year()) { Ok(instant) } else { Err(InstantError) }
}

fn without_offset(text: &str) -> chrono::ParseResult<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .map(|instant| instant.and_utc())
}

#[cfg(test)]
mod tests {
    use super::Instant;

    #[test]
    fn a_leap_second_is_the_second_after_it() {
        let instant = |text: &str| super::parse(text).unwrap().to_rfc3339();
        for text in ["2026-11-21T12:00:60Z", "2026-11-21T13:00:60+01:00", "2026-11-21T12:00:60", "2026-11-21 12:00:60Z"]
        {
            assert_eq!(instant(text), "2026-11-21T12:01:00+00:00", "{text}");
        }
        assert_eq!(instant("2016-12-31T23:59:60.25Z"), "2017-01-01T00:00:00.250+00:00");
        assert!(super::parse("9999-12-31T23:59:60Z").is_err());
    }

    #[test]
    fn any_offset_is_converted_and_none_is_utc() {
        let noon = "2026-11-21T12:00:00Z".parse().unwrap();
        for text in [
            "2026-11-21T12:00:00Z",
            "2026-11-21T12:00:00",
            "2026-11-21 12:00:00",
            "2026-11-21 12:00:00+00:00",
            "2026-11-21T09:00:00.0000009-03:00",
        ] {
            assert_eq!(Instant::try_from(text.to_owned()), Ok(Instant(noon)), "{text}");
        }
        let leap = "2026-07-01T00:00:00.5Z".parse().unwrap();
        assert_eq!(Instant::try_from("2026-06-30T23:59:60.5Z".to_owned()), Ok(Instant(leap)));
        for text in [
            "9999-12-31T23:59:60Z",
            "",
            "noon",
            "2026-11-21",
            "2026-13-01T00:00:00Z",
            "+262000-01-01T00:00:00",
            "1763726400",
        ] {
            assert!(Instant::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
