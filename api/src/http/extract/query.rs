//! Query parameters. Each is parsed on its own and adds its fault to a list, so that one response names all of them.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};

use crate::http::error::FieldError;
use crate::http::text::{self, text_type};
use crate::http::time_range::TimeRange;
use crate::http::timestamp;

text_type! {
    /// A piece of text to search for.
    SearchText, text::line, 200
}

/// A parameter, trimmed; a blank one, which is what forms send for an empty field, counts as absent.
pub fn given(parameter: &Option<String>) -> Option<&str> {
    parameter.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// Adds the fault that the parameter `name` breaks `rule`, unless `is_valid`.
pub fn fault_unless(faults: &mut Vec<FieldError>, is_valid: bool, name: &str, rule: &str) {
    if !is_valid {
        faults.push(FieldError::new(name, "invalid", rule));
    }
}

/// The parameter `name` as `parse` reads it. `None` where it is absent, and where it breaks `rule`, which is a fault.
pub fn parse_with<T>(
    faults: &mut Vec<FieldError>,
    name: &str,
    text: Option<&str>,
    rule: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let parsed = parse(text?);
    fault_unless(faults, parsed.is_some(), name, rule);
    parsed
}

/// As [`parse_with`], by the type's `FromStr`.
pub fn parse<T: FromStr>(faults: &mut Vec<FieldError>, name: &str, text: Option<&str>, rule: &str) -> Option<T> {
    parse_with(faults, name, text, rule, |text| text.parse().ok())
}

/// As [`parse_with`], for an enum: the variant that serde calls so.
pub fn parse_variant<T: DeserializeOwned>(
    faults: &mut Vec<FieldError>,
    name: &str,
    text: Option<&str>,
    rule: &str,
) -> Option<T> {
    parse_with(faults, name, text, rule, |text| T::deserialize(StrDeserializer::<Error>::new(text)).ok())
}

/// The text to search for in the parameter `name`.
pub fn parse_search_text(faults: &mut Vec<FieldError>, name: &str, parameter: &Option<String>) -> Option<SearchText> {
    let text = SearchText::try_from(given(parameter)?.to_owned());
    text.map_err(|error| faults.push(FieldError::new(name, "invalid", error))).ok()
}

/// The two ends of a time range, each a parameter with its name.
pub fn parse_range(
    faults: &mut Vec<FieldError>,
    (start_name, start): (&str, Option<&str>),
    (end_name, end): (&str, Option<&str>),
) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let rule = "must be an RFC 3339 date and time";
    let start = parse_with(faults, start_name, start, rule, parse_instant);
    let end = parse_with(faults, end_name, end, rule, parse_instant);
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        faults.push(FieldError::new(start_name, "after_end", "Start time cannot be after end time"));
    }
    (start, end)
}

/// An instant in a query, if it can be stored.
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = timestamp::parse(text).or_else(|_| timestamp::parse(&restore_plus(text))).ok()?;
    Some(instant).filter(|instant| TimeRange::ALL.contains(*instant))
}

/// An unescaped `+` in a query arrives as a space: `12:00:00+02:00` as `12:00:00 02:00`.
fn restore_plus(text: &str) -> String {
    text.rsplit_once(' ').map_or_else(String::new, |(instant, offset)| format!("{instant}+{offset}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{given, parse, parse_instant, parse_range, parse_search_text, parse_variant};

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Direction {
        UpHill,
        Down,
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn an_instant_is_read_with_any_offset_and_as_utc_without_one() {
        let noon = "2026-11-21T12:00:00Z".parse().unwrap();
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
    fn what_is_no_instant_is_rejected() {
        for text in ["", " ", "noon", "2026-11-21", "2026-13-01T00:00:00Z", "+262000-01-01T00:00:00", "1763726400"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_may_be_one_instant_or_open_but_not_run_backwards() {
        let range = |start, end| {
            let mut faults = Vec::new();
            let range = parse_range(&mut faults, ("start", start), ("end", end));
            (range, faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>())
        };
        let (noon, later) = ("2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z");
        assert_eq!(range(None, None), ((None, None), vec![]));
        assert_eq!(range(Some(noon), Some(noon)).1, []);
        assert_eq!(range(Some(later), Some(noon)).1, [("/start".to_owned(), "after_end")]);
        let both = [("/start".to_owned(), "invalid"), ("/end".to_owned(), "invalid")];
        assert_eq!(range(Some("yesterday"), Some("tomorrow")), ((None, None), both.to_vec()));
    }

    #[test]
    fn a_variant_has_the_name_that_serde_gives_it() {
        let mut faults = Vec::new();
        assert_eq!(
            parse_variant(&mut faults, "way", Some("up_hill"), "must be up_hill or down"),
            Some(Direction::UpHill)
        );
        assert_eq!(parse_variant(&mut faults, "way", Some("down"), "must be up_hill or down"), Some(Direction::Down));
        assert_eq!(faults, []);
        for text in ["Down", "", "sideways"] {
            let parsed: Option<Direction> = parse_variant(&mut faults, "way", Some(text), "must be up_hill or down");
            assert_eq!((parsed, faults.pop().unwrap().detail), (None, "must be up_hill or down".to_owned()), "{text}");
        }
    }

    #[test]
    fn an_absent_parameter_is_no_fault_and_a_blank_one_is_absent() {
        let mut faults = Vec::new();
        assert_eq!(parse::<u32>(&mut faults, "page", None, "must be a number"), None);
        assert_eq!(parse::<u32>(&mut faults, "page", given(&text(" ")), "must be a number"), None);
        assert_eq!(parse_search_text(&mut faults, "q", &text("  ")), None);
        assert_eq!(faults, []);
        assert_eq!(parse::<u32>(&mut faults, "page", given(&text(" 7 ")), "must be a number"), Some(7));
        assert_eq!(parse_search_text(&mut faults, "q", &text(" roof ")).unwrap().as_str(), "roof");
        assert_eq!(parse_search_text(&mut faults, "q", &text(&"x".repeat(201))), None);
        assert_eq!(faults.pop().unwrap().detail, "must be at most 200 characters");
    }
}
