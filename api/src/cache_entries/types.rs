//! What a key, a value and a life may be.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::extract::fields::{Fields, Names, body, or_default, required};

/// For a key that holds nothing, and for what cannot be a key.
pub const NO_ENTRY: ApiError = ApiError::NotFound("cache entry");

/// Entries one user may have at a time.
pub const MAX_KEYS: u32 = 1_000;
/// Longest key, bytes.
const MAX_KEY_BYTES: usize = 256;
/// Longest value, bytes of its JSON.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Longest life of an entry, and that of one whose writer does not say, s: a day.
const MAX_TTL_S: u32 = 86_400;

/// A text that is no key; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_BYTES} bytes, and neither . nor ..")]
pub struct CacheKeyError;

/// What an entry is found by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CacheKey(String);

impl CacheKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CacheKey {
    type Error = CacheKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // Whoever reads URLs takes these two for folders, however they are escaped: nobody could ask for them.
        let is_folder = matches!(text.as_str(), "." | "..");
        let is_one = (1..=MAX_KEY_BYTES).contains(&text.len()) && !is_folder;
        if is_one { Ok(Self(text)) } else { Err(CacheKeyError) }
    }
}

/// A number of seconds that no entry can live; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and {MAX_TTL_S}")]
pub struct TtlError;

/// How long an entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Ttl(u32);

impl Ttl {
    pub fn as_secs(self) -> u32 {
        self.0
    }
}

impl Default for Ttl {
    fn default() -> Self {
        Self(MAX_TTL_S)
    }
}

impl TryFrom<i64> for Ttl {
    type Error = TtlError;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        u32::try_from(seconds).ok().filter(|seconds| (1..=MAX_TTL_S).contains(seconds)).map(Self).ok_or(TtlError)
    }
}

body! {
    /// A value to be kept.
    #[derive(Debug)]
    #[schema(example = json!({"key": "weather/lisbon", "value": {"celsius": 21.5}, "ttl_s": 600}))]
    pub struct CacheSetBody {
        /// Key, 1 to 256 bytes.
        #[schema(value_type = String, min_length = 1, max_length = 256)]
        pub key: CacheKey = required,
        /// Any JSON, of at most 65,536 bytes.
        #[schema(value_type = serde_json::Value)]
        pub value: String = json_text,
        /// Time to live, s.
        #[schema(value_type = Option<u32>, minimum = 1, maximum = 86400, default = 86400)]
        pub ttl_s: Ttl = or_default,
    }
}

/// `null` is a value as well.
fn json_text(fields: &mut Fields, names: Names) -> Option<String> {
    let Some(value) = fields.take(names) else {
        fields.fault(fields.given_name(names), "required", "is required");
        return None;
    };
    let text = value.to_string();
    if text.len() > MAX_VALUE_BYTES {
        let detail = format!("must be at most {MAX_VALUE_BYTES} bytes of JSON");
        fields.fault(fields.given_name(names), "too_large", detail);
        return None;
    }
    Some(text)
}

/// A cache entry.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"key": "weather/lisbon", "value": {"celsius": 21.5}, "ttl_s": 593}))]
pub struct CacheEntryResponse {
    /// Key, 1 to 256 bytes.
    key: String,
    /// The value, as it was set.
    #[schema(value_type = serde_json::Value)]
    value: Box<RawValue>,
    /// Remaining time to live, s, rounded up.
    ttl_s: u64,
}

impl CacheEntryResponse {
    /// An entry whose value is the JSON text `value`.
    pub fn new(key: CacheKey, value: String, ttl_s: u64) -> Result<Self, ApiError> {
        let value = RawValue::from_string(value).map_err(|error| ApiError::Internal(Box::new(error)))?;
        Ok(Self { key: key.as_str().to_owned(), value, ttl_s })
    }
}

#[cfg(test)]
mod tests {
    use super::{CacheKey, CacheSetBody, Ttl};
    use crate::http::error::ApiError;
    use crate::http::extract::json::parse;

    fn codes(body: &str) -> Vec<(String, &'static str)> {
        let Err(ApiError::Validation(faults)) = parse::<CacheSetBody>(body.as_bytes()) else { panic!("{body}") };
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn a_key_is_counted_in_bytes() {
        assert!(CacheKey::try_from("é".repeat(128)).is_ok());
        assert!(CacheKey::try_from("é".repeat(129)).is_err());
        assert!(CacheKey::try_from(String::new()).is_err());
    }

    #[test]
    fn an_entry_lives_a_second_to_a_day() {
        assert_eq!([0, -1, 86_401, i64::MAX].map(|seconds| Ttl::try_from(seconds).is_ok()), [false; 4]);
        assert_eq!([1, 86_400].map(|seconds| Ttl::try_from(seconds).is_ok()), [true; 2]);
    }

    #[test]
    fn null_is_a_value_and_none_is_a_fault() {
        let kept = parse::<CacheSetBody>(br#"{"key": "k", "value": null}"#).unwrap();
        assert_eq!((kept.value.as_str(), kept.ttl_s.as_secs()), ("null", 86_400));
        let faults = codes(r#"{"key": 5, "ttl_s": 0}"#);
        let expected = [("/key", "wrong_type"), ("/value", "required"), ("/ttl_s", "invalid")];
        assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    }

    #[test]
    fn a_value_is_counted_as_json() {
        let body = |len: usize| format!(r#"{{"key": "k", "value": "{}"}}"#, "x".repeat(len));
        assert!(parse::<CacheSetBody>(body(65_534).as_bytes()).is_ok());
        assert_eq!(codes(&body(65_535)), [("/value".to_owned(), "too_large")]);
    }
}
