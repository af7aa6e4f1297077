//! Points, one a bucket, as JSON or CSV.

use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::statistic::{Measures, Statistic};
use super::types::Point;
use crate::http::csv_writer::csv_writer;
use crate::http::json_array::JsonArrayWriter;

/// The points as a JSON array.
pub fn to_json(measures: &Measures, points: &[Point]) -> io::Result<Vec<u8>> {
    let mut array = JsonArrayWriter::new();
    PointWriter::new(measures)?.write(&mut array, points)?;
    array.close();
    Ok(array.take_chunk().into())
}

/// The points as CSV, with a line of headings.
pub fn to_csv(measures: &Measures, points: &[Point]) -> io::Result<Vec<u8>> {
    let mut csv = csv_writer();
    csv.write_record(["timestamp"].into_iter().chain(measures.metrics.iter().map(super::Metric::name)))?;
    let mut cell = Vec::new();
    for point in points {
        let Some(values) = values(point) else { continue };
        csv.write_field(timestamp(point.at)?)?;
        for value in values {
            cell.clear();
            if let Some(value) = value {
                write_number(&mut cell, measures.statistic, *value)?;
            }
            csv.write_field(&cell)?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.into_inner().map_err(|error| error.into_error())
}

/// Writes points into JSON arrays. Written out by hand: a response has up to 100,000 of them, names of metrics and the
/// timestamps that devices share are the same ever again.
pub struct PointWriter<'a> {
    measures: &'a Measures,
    /// The metrics' names as JSON.
    keys: Vec<String>,
    last_timestamp: Option<(DateTime<Utc>, String)>,
}

impl<'a> PointWriter<'a> {
    pub fn new(measures: &'a Measures) -> io::Result<Self> {
        let keys = measures.metrics.iter().map(|metric| serde_json::to_string(metric.name()));
        Ok(Self { measures, keys: keys.collect::<serde_json::Result<_>>()?, last_timestamp: None })
    }

    /// Adds the points to `array`. A bucket without any value has none.
    pub fn write(&mut self, array: &mut JsonArrayWriter, points: &[Point]) -> io::Result<()> {
        for point in points {
            if let Some(values) = values(point) {
                array.push_with(|bytes| self.write_point(bytes, point, values))?;
            }
        }
        Ok(())
    }

    fn write_point(&mut self, bytes: &mut Vec<u8>, point: &Point, values: &[Option<f64>]) -> io::Result<()> {
        bytes.extend_from_slice(b"{\"timestamp\":\"");
        let timestamp = match self.last_timestamp.take() {
            Some((at, text)) if at == point.at => text,
            _ => timestamp(point.at)?,
        };
        bytes.extend_from_slice(timestamp.as_bytes());
        self.last_timestamp = Some((point.at, timestamp));
        bytes.push(b'"');
        if let Some(device) = point.device_id {
            bytes.extend_from_slice(b",\"server_ulid\":");
            serde_json::to_writer(&mut *bytes, &device)?;
        }
        for (key, value) in self.keys.iter().zip(values) {
            if let Some(value) = value {
                bytes.push(b',');
                bytes.extend_from_slice(key.as_bytes());
                bytes.push(b':');
                write_number(bytes, self.measures.statistic, *value)?;
            }
        }
        bytes.push(b'}');
        Ok(())
    }
}

/// One value a metric, unless all are missing.
fn values(point: &Point) -> Option<&[Option<f64>]> {
    Some(&*point.values).filter(|values| values.iter().any(Option::is_some))
}

/// A count is written as the whole number that it is.
fn write_number(bytes: &mut Vec<u8>, statistic: Statistic, value: f64) -> io::Result<()> {
    if statistic == Statistic::Count {
        return write!(bytes, "{value}");
    }
    Ok(serde_json::to_writer(bytes, &value)?)
}

/// An instant as in JSON, without the quotes.
fn timestamp(at: DateTime<Utc>) -> serde_json::Result<String> {
    serde_json::to_string(&at).map(|quoted| quoted.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use pulso_shared::ids::DeviceId;
    use pulso_shared::rollup::Source;

    use super::super::statistic::{Measures, Metric, Statistic};
    use super::super::types::Point;
    use super::{to_csv, to_json};

    fn point(second: i64, values: &[Option<f64>]) -> Point {
        Point { at: DateTime::from_timestamp(second, 0).unwrap(), device_id: None, values: values.to_vec() }
    }

    fn measures(statistic: Statistic) -> Measures {
        let metrics = vec![Metric::Column("voltage"), Metric::Custom("pm2.5".into())];
        Measures { source: Source::Readings, metrics, statistic }
    }

    fn json(statistic: Statistic, points: &[Point]) -> String {
        String::from_utf8(to_json(&measures(statistic), points).unwrap()).unwrap()
    }

    #[test]
    fn what_has_no_value_is_left_out_and_a_point_without_any_too() {
        let points = [point(0, &[Some(0.0), Some(0.1)]), point(60, &[None, None]), point(120, &[Some(2.0), None])];
        insta::assert_snapshot!(
            json(Statistic::Max, &points),
            @r#"[{"timestamp":"1970-01-01T00:00:00Z","voltage":0.0,"pm2.5":0.1},{"timestamp":"1970-01-01T00:02:00Z","voltage":2.0}]"#
        );
        assert_eq!(
            to_csv(&measures(Statistic::Max), &points).unwrap(),
            b"timestamp,voltage,pm2.5\r\n1970-01-01T00:00:00Z,0.0,0.1\r\n1970-01-01T00:02:00Z,2.0,\r\n"
        );
        assert_eq!(json(Statistic::Max, &[]), "[]");
        assert_eq!(to_csv(&measures(Statistic::Max), &[]).unwrap(), b"timestamp,voltage,pm2.5\r\n");
    }

    #[test]
    fn a_count_is_a_whole_number() {
        let points = [point(0, &[Some(3.0), None])];
        assert_eq!(json(Statistic::Count, &points), r#"[{"timestamp":"1970-01-01T00:00:00Z","voltage":3}]"#);
        let csv = to_csv(&measures(Statistic::Count), &points).unwrap();
        assert_eq!(csv, b"timestamp,voltage,pm2.5\r\n1970-01-01T00:00:00Z,3,\r\n");
    }

    #[test]
    fn a_point_of_a_device_says_whose_it_is() {
        let device = DeviceId::generate();
        let point = Point { device_id: Some(device), ..point(0, &[Some(1.5), None]) };
        let json = json(Statistic::Max, &[point]);
        let expected = format!(r#"[{{"timestamp":"1970-01-01T00:00:00Z","server_ulid":"{device}","voltage":1.5}}]"#);
        assert_eq!(json, expected);
    }
}
