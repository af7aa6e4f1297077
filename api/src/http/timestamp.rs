//! The rule for every instant a client sends: RFC 3339 with any offset, also one in its short forms; without one it is UTC.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, SubsecRound, Utc};
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
    let instant = instant.ok().or_else(|| without_offset(text).map(|local| local.and_utc()));
    let instant = instant.or_else(|| with_short_offset(text)).ok_or(InstantError)?.trunc_subsecs(6);
    // A leap second is the next minute's 0: what is stored, sent and compared knows no 60th second.
    from_micros(instant.timestamp_micros())
}

/// The instant of that many microseconds since 1970, if it is in a year of four digits: what they can say is what the answer
/// can say again.
pub(super) fn from_micros(micros: i64) -> Result<DateTime<Utc>, InstantError> {
    let instant = DateTime::from_timestamp_micros(micros);
    instant.filter(|instant| (1..=9_999).contains(&instant.year())).ok_or(InstantError)
}

fn without_offset(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .ok()
}

/// An offset as ISO 8601 and the languages' own formats have it, and RFC 3339 has not: `+0200`, `+02`, with a space before.
fn with_short_offset(text: &str) -> Option<DateTime<Utc>> {
    let (local, offset) = text.split_at_checked(text.rfind(['+', '-'])?)?;
    let local = without_offset(local.strip_suffix(' ').unwrap_or(local))?;
    let (hours, minutes) = (offset.get(1..3)?, offset.get(3..)?);
    let minutes = if minutes.is_empty() { "00" } else { minutes.strip_prefix(':').unwrap_or(minutes) };
    let seconds = two_digits(hours, 23)? * 3_600 + two_digits(minutes, 59)? * 60;
    let east = if offset.starts_with('-') { -seconds } else { seconds };
    Some(local.checked_sub_offset(FixedOffset::east_opt(east)?)?.and_utc())
}

fn two_digits(text: &str, max: i32) -> Option<i32> {
    let are_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| are_digits && *number <= max)
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
    fn an_offset_may_be_short() {
        for text in [
            "2026-11-29T04:01:00+0000",
            "2026-11-29T04:01:00-0000",
            "2026-11-29T06:01:00+0200",
            "2026-11-29T06:01:00+02",
            "2026-11-29T09:46:00.000+0545",
            "2026-11-29T00:31:00-0330",
            "2026-11-28T16:01:00-12",
            "2026-11-29 04:01:00 +0000",
            "2026-11-29 06:01:00 +02:00",
            "2026-11-29T06:00:60+0200",
            "2026-11-29t04:01:00z",
        ] {
            assert_eq!(
                super::parse(text).map(|instant| instant.to_rfc3339()).as_deref(),
                Ok("2026-11-29T04:01:00+00:00"),
                "{text}"
            );
        }
        for offset in [
            "+", "+1", "+123", "+12345", "+2400", "+0060", "+02:", "+02:0", "+02:000", "+ 200", "+-200", "0200",
            "  +02", "UTC", "+٠٢",
        ] {
            assert!(super::parse(&format!("2026-11-29T04:01:00{offset}")).is_err(), "{offset}");
        }
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
