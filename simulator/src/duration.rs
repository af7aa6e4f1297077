//! Durations on the command line: `30`, `30s`, `5m`, `2h`.

use std::time::Duration;

/// Parses one; the error is what the user reads.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits_end = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (number, unit) = text.split_at_checked(digits_end).unwrap_or((text, ""));
    let factor = match unit {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("the unit must be s, m or h".into()),
    };
    let seconds = number.parse::<f64>().ok().filter(|number| *number > 0.0).map(|number| number * factor);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "must be a positive number, such as 30, 30s, 5m or 2h".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn durations_are_read_with_and_without_a_unit() {
        for (text, seconds) in [("30", 30), ("30s", 30), ("5m", 300), ("2h", 7_200)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("0.5"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "0", "-1", "1d", "NaN", "inf", "1e400", "ä"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
