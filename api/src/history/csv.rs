//! Rows as CSV: numbers as in JSON, nothing for what was not sent.

use std::io;

use serde_json::Value;

use super::store::rows::Row;
use crate::aggregation::Metric;
use crate::http::csv_writer::csv_writer;

/// The rows below a line of headings. Where metrics are named, each has a column; otherwise each column of the table has
/// one, and a reading's custom metrics are JSON in theirs.
pub fn write<R: Row>(rows: &[R], metrics: Option<&[Metric]>) -> io::Result<Vec<u8>> {
    let numbers = metrics.map_or_else(|| R::COLUMNS.to_vec(), |metrics| metrics.iter().map(Metric::name).collect());
    let columns: Vec<_> = ["timestamp"].into_iter().chain(numbers).chain(["received_at"]).collect();
    let mut csv = csv_writer();
    csv.write_record(&columns)?;
    for row in rows {
        // By way of JSON, so that every digit is the same.
        let row = serde_json::to_value(row)?;
        let cell = |column: &&str| row.get(column).or_else(|| row.get("metrics")?.get(column));
        csv.write_record(columns.iter().map(|column| cell(column).map_or_else(String::new, text)))?;
    }
    csv.into_inner().map_err(|error| error.into_error())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::store::custom_metrics::CustomMetrics;
    use super::super::store::rows::{HeartbeatRow, ReadingRow, Row};
    use super::write;
    use crate::aggregation::Metric;

    fn csv<R: Row>(row: R, metrics: Option<&[Metric]>) -> String {
        String::from_utf8(write(&[row], metrics).unwrap()).unwrap()
    }

    #[test]
    fn each_column_has_a_cell_and_what_was_not_sent_has_an_empty_one() {
        let (timestamp, received_at) = (DateTime::UNIX_EPOCH, "2026-11-21T12:00:00.25Z".parse().unwrap());
        let heartbeat = HeartbeatRow {
            timestamp,
            cpu_usage: Some(41.0),
            ram_usage: None,
            disk_free: None,
            temperature: Some(-0.5),
            latency: None,
            connectivity: Some(false),
            boot_time: None,
            received_at,
        };
        assert_eq!(
            csv(heartbeat, None),
            "timestamp,cpu_usage,ram_usage,disk_free,temperature,latency,connectivity,boot_time,received_at\r\n\
             1970-01-01T00:00:00Z,41.0,,,-0.5,,0,,2026-11-21T12:00:00.250Z\r\n"
        );
    }

    #[test]
    fn custom_metrics_are_json_in_their_column_or_have_one_each_where_they_are_named() {
        let row = || ReadingRow {
            timestamp: DateTime::UNIX_EPOCH,
            temperature: None,
            humidity: None,
            voltage: Some(0.1 + 0.2),
            current: None,
            metrics: Some(CustomMetrics([("pm2.5".into(), 7.0), ("co2".into(), 400.5)].into())),
            received_at: DateTime::UNIX_EPOCH,
        };
        assert_eq!(
            csv(row(), None),
            "timestamp,temperature,humidity,voltage,current,metrics,received_at\r\n\
             1970-01-01T00:00:00Z,,,0.30000000000000004,,\"{\"\"co2\"\":400.5,\"\"pm2.5\"\":7.0}\",1970-01-01T00:00:00Z\r\n"
        );
        let named = [Metric::Custom("pm2.5".into()), Metric::Column("voltage"), Metric::Custom("absent".into())];
        assert_eq!(
            csv(row(), Some(&named)),
            "timestamp,pm2.5,voltage,absent,received_at\r\n\
             1970-01-01T00:00:00Z,7.0,0.30000000000000004,,1970-01-01T00:00:00Z\r\n"
        );
    }
}
