//! Rows as CSV (RFC 4180): the numbers as JSON has them, nothing for what was not sent.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

use super::measure::Metric;
use super::rows::Row;

/// Rows under a line of headings. Where metrics are named, each has a column; else every column there is has one, and
/// a reading's further numbers are JSON in theirs.
pub fn write<R: Row>(rows: &[R], metrics: Option<&[Metric]>) -> String {
    let named = metrics.map(|metrics| metrics.iter().map(Metric::name).collect::<Vec<_>>());
    let columns: Vec<_> =
        ["timestamp"].into_iter().chain(named.unwrap_or_else(|| R::COLUMNS.to_vec())).chain(["received_at"]).collect();
    let mut text = columns.join(",");
    text.push_str("\r\n");
    for row in rows {
        let json = serde_json::to_string(row).unwrap_or_default();
        let cells = cells(&json);
        let line: Vec<_> =
            columns.iter().map(|column| cells.get(*column).map_or_else(String::new, |cell| escape(cell))).collect();
        text.push_str(&line.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A row's fields, and its further numbers beside them, as JSON has them: so every digit is the same.
fn cells(json: &str) -> HashMap<String, Box<RawValue>> {
    let mut cells: HashMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap_or_default();
    let further =
        cells.get("metrics").map(|metrics| serde_json::from_str::<HashMap<String, Box<RawValue>>>(metrics.get()));
    for (name, number) in further.and_then(Result::ok).into_iter().flatten() {
        cells.entry(name).or_insert(number);
    }
    cells
}

/// A text without its quotes; whatever holds a comma in CSV's own.
fn escape(cell: &RawValue) -> String {
    match serde_json::from_str(cell.get()) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(_)) => format!("\"{}\"", cell.get().replace('"', "\"\"")),
        _ => cell.get().to_owned(),
    }
}
