//! The custom metrics of a reading, out of their `jsonb` column.

use std::collections::BTreeMap;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::Jsonb;
use serde::Serialize;
use serde_json::value::RawValue;

/// The only version of `jsonb`'s binary form there is; the text follows.
const JSONB_VERSION: u8 = 1;

/// Numbers by name.
#[derive(Debug, Clone, PartialEq, Serialize, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
pub struct CustomMetrics(pub BTreeMap<String, f64>);

impl CustomMetrics {
    /// Removes every number but those whose name `is_wanted`; returns how many are left.
    pub fn retain(&mut self, is_wanted: impl Fn(&str) -> bool) -> usize {
        self.0.retain(|name, _| is_wanted(name));
        self.0.len()
    }
}

impl FromSql<Jsonb, Pg> for CustomMetrics {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            [JSONB_VERSION, text @ ..] => Ok(Self(parse(text)?)),
            _ => Err("an unknown version of jsonb".into()),
        }
    }
}

/// serde_json's own way from digits to a number is quick, but may miss the nearest one; the standard library's never
/// does. PostgreSQL writes a number's digits out: 1e300 comes as 301 of them.
fn parse(text: &[u8]) -> deserialize::Result<BTreeMap<String, f64>> {
    let digits: BTreeMap<String, &RawValue> = serde_json::from_slice(text)?;
    digits.into_iter().map(|(name, digits)| Ok((name, digits.get().parse()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_number_comes_back_to_the_last_digit() {
        let numbers = [0.0, -0.1, 0.1 + 0.2, 1e300, f64::MIN_POSITIVE, f64::MAX, 1.0 / 3.0, 123_456_789.123_456_79];
        for number in numbers {
            let stored = format!(r#"{{"pm2.5": {number}}}"#);
            assert_eq!(parse(stored.as_bytes()).unwrap().get("pm2.5"), Some(&number), "{stored}");
        }
        assert!(parse(br#"{"x": "text"}"#).is_err());
    }
}
