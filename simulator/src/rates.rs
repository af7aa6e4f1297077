//! Rates on the command line, and counts a second.

use std::time::Duration;

/// Reads a frequency; the error is what the user reads.
pub fn parse_hz(text: &str) -> Result<f64, String> {
    let hz = text.parse::<f64>().ok().filter(|hz| (0.001..=1_000.0).contains(hz));
    hz.ok_or_else(|| "must be between 0.001 and 1000".into())
}

/// Reads a share of 1; the error is what the user reads.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be between 0 and 1".into())
}

/// A count a second.
pub fn per_second(count: u64, duration: Duration) -> f64 {
    // As microseconds, because a Duration turns into a float without a lossy cast.
    Duration::from_micros(count).as_secs_f64() * 1e6 / duration.as_secs_f64().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse_hz, parse_share, per_second};

    #[test]
    fn rates_and_shares_have_their_limits() {
        assert_eq!((parse_hz("0.2"), parse_share("0.02")), (Ok(0.2), Ok(0.02)));
        for text in ["0", "-1", "1001", "NaN", "x"] {
            assert!(parse_hz(text).is_err(), "{text}");
        }
        assert!(parse_share("1.1").is_err());
    }

    #[test]
    fn a_count_a_second() {
        assert!((per_second(300_000, Duration::from_secs(10)) - 30_000.0).abs() < 1e-6);
    }
}
