//! Replaces what differs between runs by what it is. Equal ids stay equal: `[ulid 1]` is the same id wherever it stands,
//! and `[uuid 1]` is that id in its other form.

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::ids::{Ulid, Uuid};
use serde_json::Value;

/// Fields that are secret, or made at random.
const SECRETS: [&str; 4] = ["access_token", "refresh_token", "csrf_token", "secret"];

/// Numbers that depend on how fast the machine is, or null while they are not known. What they count is tested
/// elsewhere.
const MEASURED: [&str; 13] = [
    "accepted_per_s",
    "consumers",
    "lag_s",
    "measured_s",
    "messages",
    "newest_stored_age_s",
    "offline_s",
    "online_s",
    "percent",
    "queue_depth",
    "stored_per_s",
    "ttl_s",
    "unknown_s",
];

/// A body for an inline snapshot.
pub fn redacted(body: &Value) -> String {
    format!("{:#}", Redaction::default().body(body))
}

/// Ids in the order in which they were first seen.
#[derive(Default)]
pub struct Redaction(Vec<u128>);

impl Redaction {
    /// A body with everything replaced that differs between runs.
    pub fn body(&mut self, body: &Value) -> Value {
        match body {
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.field(name, value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.body(item)).collect(),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn field(&mut self, name: &str, value: &Value) -> Value {
        match value {
            Value::String(_) if SECRETS.contains(&name) => Value::String("[secret]".to_owned()),
            Value::Number(_) | Value::Null if MEASURED.contains(&name) => Value::String("[number]".to_owned()),
            value => self.body(value),
        }
    }

    /// The same for a text, a header or a URL.
    pub fn text(&mut self, text: &str) -> String {
        if is_of_this_run(text) {
            return "[time]".to_owned();
        }
        let mut redacted = String::new();
        let is_of_a_word = |character: char| character.is_ascii_alphanumeric() || character == '-';
        for part in text.split_inclusive(|character| !is_of_a_word(character)) {
            let word = part.trim_end_matches(|character| !is_of_a_word(character));
            let (word, end) = part.split_at(word.len());
            redacted.push_str(&self.id(word).unwrap_or_else(|| word.to_owned()));
            redacted.push_str(end);
        }
        redacted
    }

    fn id(&mut self, word: &str) -> Option<String> {
        if word.len() == 26
            && let Ok(ulid) = word.parse::<Ulid>()
        {
            return Some(format!("[ulid {}]", self.number(ulid.into())));
        }
        if word.len() == 36
            && let Ok(uuid) = word.parse::<Uuid>()
        {
            return Some(format!("[uuid {}]", self.number(uuid.as_u128())));
        }
        None
    }

    fn number(&mut self, id: u128) -> usize {
        let known = self.0.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.0.push(id);
            self.0.len() - 1
        });
        known + 1
    }
}

/// Whether that is an instant near the present one, and not one that the test has chosen.
fn is_of_this_run(text: &str) -> bool {
    let age = |instant: DateTime<Utc>| pulso_shared::clock::Clock::system().now() - instant;
    text.parse::<DateTime<Utc>>().is_ok_and(|instant| age(instant).abs() < TimeDelta::days(90))
}
