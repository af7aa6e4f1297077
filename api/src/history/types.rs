//! Which stretch of a history is asked for.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::stretch::{EARLIEST, LATEST, Order, Stretch};
use crate::error::FieldError;

/// Which rows are wanted, and in which order.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Oldest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T00:00:00Z")]
    start: Option<String>,
    /// Newest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T23:59:59Z")]
    end: Option<String>,
    /// `desc`: the newest first. `asc`: the oldest first.
    #[param(value_type = Option<Order>, inline)]
    order: Option<String>,
}

impl HistoryQuery {
    /// Checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(&self) -> Result<Stretch, Vec<FieldError>> {
        let mut faults = Vec::new();
        let mut checked = |name, text: &Option<String>| match text.as_deref().map(parse_instant) {
            Some(None) => {
                faults.push(FieldError::new(name, "invalid", "must be an RFC 3339 date and time"));
                None
            }
            given => given.flatten(),
        };
        let (start, end) = (checked("start", &self.start), checked("end", &self.end));
        if start.zip(end).is_some_and(|(start, end)| start > end) {
            faults.push(FieldError::new("start", "after_end", "Start time cannot be after end time"));
        }
        let order = self.order.as_deref().map_or(Some(Order::default()), Order::named);
        if order.is_none() {
            faults.push(FieldError::new("order", "invalid", "must be asc or desc"));
        }
        match order {
            Some(order) if faults.is_empty() => {
                Ok(Stretch { from: start.unwrap_or(EARLIEST), to: end.unwrap_or(LATEST), order })
            }
            _ => Err(faults),
        }
    }
}

/// RFC 3339 with any offset; without one it is UTC. Cut to the microsecond that is stored.
#[must_use]
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&plus_restored(text)))
        .map(|instant| instant.to_utc())
        .or_else(|_| parse_without_offset(text))
        .ok()?;
    Some(instant.trunc_subsecs(6)).filter(|instant| (EARLIEST..=LATEST).contains(instant))
}

/// In a query a `+` that was not escaped arrives as a space: `12:00:00+02:00` as `12:00:00 02:00`.
fn plus_restored(text: &str) -> String {
    text.rsplit_once(' ').map_or_else(String::new, |(instant, offset)| format!("{instant}+{offset}"))
}

fn parse_without_offset(text: &str) -> chrono::ParseResult<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .map(|instant| instant.and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{EARLIEST, HistoryQuery, LATEST, Order, Stretch, parse_instant};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn query(start: &str, end: &str, order: &str) -> HistoryQuery {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        HistoryQuery { start: given(start), end: given(end), order: given(order) }
    }

    #[test]
    fn an_instant_is_read_with_any_offset_and_as_utc_without_one() {
        let noon = at("2026-11-21T12:00:00Z");
        for text in [
            "2026-11-21T12:00:00Z",
            "2026-11-21T12:00:00",
            "2026-11-21 12:00:00",
            "2026-11-21T09:00:00-03:00",
            "2026-11-21T14:00:00+02:00",
            "2026-11-21T14:00:00 02:00",
            "2026-11-21 14:00:00 02:00",
            "2026-11-21T12:00:00.0000009Z",
        ] {
            assert_eq!(parse_instant(text), Some(noon), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in ["", " ", "noon", "2026-11-21", "2026-13-01T00:00:00Z", "+262000-01-01T00:00:00", "1763726400"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_asked_for_is_everything_newest_first() {
        let everything = Stretch { from: EARLIEST, to: LATEST, order: Order::Desc };
        assert_eq!(query("", "", "").parse().unwrap(), everything);
    }

    #[test]
    fn a_range_may_be_one_instant_but_not_run_backwards() {
        let instant = "2026-11-21T12:00:00Z";
        assert!(query(instant, instant, "asc").parse().is_ok());
        let faults = query("2026-11-21T12:00:01Z", instant, "").parse().unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].detail, "Start time cannot be after end time");
    }

    #[test]
    fn every_fault_is_named() {
        let faults = query("yesterday", "tomorrow", "newest").parse().unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/start", "/end", "/order"]);
    }
}
