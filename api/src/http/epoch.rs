//! Instants as numbers: seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size.

use chrono::{DateTime, Utc};

use super::timestamp::{InstantError, from_micros};

/// The first counts that are milliseconds, microseconds and nanoseconds: as seconds they would be the years 5138 and later,
/// and each unit reaches back to 1973.
const MILLISECONDS: u64 = 100_000_000_000;
const MICROSECONDS: u64 = 1_000 * MILLISECONDS;
const NANOSECONDS: u64 = 1_000 * MICROSECONDS;

/// Lengths of a count of the present, in digits: seconds, milliseconds, microseconds, nanoseconds. Other strings of digits
/// may be anything, such as a date without separators.
const LENGTHS: [usize; 4] = [10, 13, 16, 19];

/// Reads a whole count; digits beyond the microsecond are truncated.
///
/// # Errors
/// When it is in a year that four digits cannot say.
pub fn from_integer(count: i64) -> Result<DateTime<Utc>, InstantError> {
    let micros = match count.unsigned_abs() {
        NANOSECONDS.. => Some(count.div_euclid(1_000)),
        MICROSECONDS.. => Some(count),
        MILLISECONDS.. => count.checked_mul(1_000),
        _ => count.checked_mul(1_000_000),
    };
    micros.ok_or(InstantError).and_then(from_micros)
}

/// Reads a count with a fraction, to the nearest microsecond: a binary fraction is hardly ever the decimal one it was.
///
/// # Errors
/// When it is in a year that four digits cannot say.
#[expect(clippy::as_conversions, reason = "what no i64 holds saturates, which is no year of four digits")]
pub fn from_number(count: f64) -> Result<DateTime<Utc>, InstantError> {
    let size = count.abs();
    let micros = if size >= NANOSECONDS as f64 {
        count / 1e3
    } else if size >= MICROSECONDS as f64 {
        count
    } else if size >= MILLISECONDS as f64 {
        count * 1e3
    } else {
        count * 1e6
    };
    from_micros(micros.round() as i64)
}

/// Reads a count of the present that is a text.
///
/// # Errors
/// When it is anything else.
pub fn from_text(text: &str) -> Result<DateTime<Utc>, InstantError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !LENGTHS.contains(&whole.len()) || !are_digits(whole) || !are_digits(fraction) {
        return Err(InstantError);
    }
    match text.parse() {
        Ok(count) => from_integer(count),
        Err(_) => text.parse().map_err(|_| InstantError).and_then(from_number),
    }
}

#[cfg(test)]
mod tests {
    use super::{from_integer, from_number, from_text};

    #[test]
    fn the_size_tells_the_unit() {
        let instant = "2026-11-29T12:00:00Z".parse().unwrap();
        for count in [1_795_953_600, 1_795_953_600_000, 1_795_953_600_000_000, 1_795_953_600_000_000_999] {
            assert_eq!(from_integer(count), Ok(instant), "{count}");
            assert_eq!(from_text(&count.to_string()), Ok(instant), "{count}");
        }
        assert_eq!(from_number(1_795_953_600.0), Ok(instant));
        let before = |count: i64| from_integer(count).unwrap().to_rfc3339();
        assert_eq!(before(-1), "1969-12-31T23:59:59+00:00");
        assert_eq!(before(-1_795_953_600_000), "1913-02-02T12:00:00+00:00");
        assert_eq!(before(99_999_999_999), "5138-11-16T09:46:39+00:00");
        assert_eq!(before(100_000_000_000), "1973-03-03T09:46:40+00:00");
    }

    #[test]
    fn a_fraction_is_read_to_the_microsecond() {
        for (count, expected) in [
            (1_795_953_600.5, "2026-11-29T12:00:00.500Z"),
            (1_795_953_600.123_456, "2026-11-29T12:00:00.123456Z"),
            (1_795_953_600_123.5, "2026-11-29T12:00:00.123500Z"),
            (1_795_953_600_123_456.2, "2026-11-29T12:00:00.123456Z"),
        ] {
            assert_eq!(from_number(count), Ok(expected.parse().unwrap()), "{count}");
            assert_eq!(from_text(&count.to_string()), Ok(expected.parse().unwrap()), "{count}");
        }
    }

    #[test]
    fn what_no_year_holds_is_no_instant() {
        for count in [f64::MAX, f64::MIN, 1e30, -1e20] {
            assert!(from_number(count).is_err(), "{count}");
        }
        assert!(from_integer(i64::MAX).is_ok());
        for text in
            ["", "0", "2026", "20261129", "20261129120000", "1795953600.", ".5", "-1795953600", "1795953600.5.5"]
        {
            assert!(from_text(text).is_err(), "{text}");
        }
    }
}
