//! Points, one a bucket, as JSON or CSV.

use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::statistic::{Measures, Statistic};
use super::types::PartialAggregate;
use crate::http::csv_writer::csv_writer;
use crate::http::json_array::JsonArrayWriter;

/// The points as a JSON array.
pub fn to_json(measures: &Measures, partials: &[PartialAggregate]) -> io::Result<Vec<u8>> {
    let mut array = JsonArrayWriter::new();
    PointWriter::new(measures)?.write(&mut array, partials)?;
    array.close();
    Ok(array.take_chunk().into())
}

/// The points as CSV, with a line of headings.
pub fn to_csv(measures: &Measures, partials: &[PartialAggregate]) -> io::Result<Vec<u8>> {
    let mut csv = csv_writer();
    csv.write_record(["timestamp"].into_iter().chain(measures.metrics.iter().map(super::Metric::name)))?;
    let mut cell = Vec::new();
    for partial in partials {
        let Some(values) = values(measures, partial) else { continue };
        csv.write_field(timestamp(partial.at)?)?;
        for value in values {
            cell.clear();
            if let Some(value) = value {
                write_number(&mut cell, measures.statistic, value)?;
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
    pub fn write(&mut self, array: &mut JsonArrayWriter, partials: &[PartialAggregate]) -> io::Result<()> {
        for partial in partials {
            if let Some(values) = values(self.measures, partial) {
                array.push_with(|bytes| self.write_point(bytes, partial, values))?;
            }
        }
        Ok(())
    }

    fn write_point(
        &mut self,
        bytes: &mut Vec<u8>,
        partial: &PartialAggregate,
        values: Vec<Option<f64>>,
    ) -> io::Result<()> {
        bytes.extend_from_slice(b"{\"timestamp\":\"");
        let timestamp = match self.last_timestamp.take() {
            Some((at, text)) if at == partial.at => text,
            _ => timestamp(partial.at)?,
        };
        bytes.extend_from_slice(timestamp.as_bytes());
        self.last_timestamp = Some((partial.at, timestamp));
        bytes.push(b'"');
        if let Some(device) = partial.device_id {
            bytes.extend_from_slice(b",\"server_ulid\":");
            serde_json::to_writer(&mut *bytes, &device)?;
        }
        for (key, value) in self.keys.iter().zip(values) {
            if let Some(value) = value {
                bytes.push(b',');
                bytes.extend_from_slice(key.as_bytes());
                bytes.push(b':');
                write_number(bytes, self.measures.statistic, value)?;
            }
        }
        bytes.push(b'}');
        Ok(())
    }
}

/// One value a metric, unless all are missing.
fn values(measures: &Measures, partial: &PartialAggregate) -> Option<Vec<Option<f64>>> {
    Some(measures.finish(&partial.parts)).filter(|values| values.iter().any(Option::is_some))
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
    use super::super::types::PartialAggregate;
    use super::{to_csv, to_json};

    fn partial(second: i64, parts: &[Option<f64>]) -> PartialAggregate {
        PartialAggregate { at: DateTime::from_timestamp(second, 0).unwrap(), device_id: None, parts: parts.to_vec() }
    }

    fn measures(statistic: Statistic) -> Measures {
        let metrics = vec![Metric::Column("voltage"), Metric::Custom("pm2.5".into())];
        Measures { source: Source::Readings, metrics, statistic }
    }

    fn json(statistic: Statistic, partials: &[PartialAggregate]) -> String {
        String::from_utf8(to_json(&measures(statistic), partials).unwrap()).unwrap()
    }

    #[test]
    fn what_has_no_value_is_left_out_and_a_point_without_any_too() {
        let partials =
            [partial(0, &[Some(0.0), Some(0.1)]), partial(60, &[None, None]), partial(120, &[Some(2.0), None])];
        insta::assert_snapshot!(
            json(Statistic::Max, &partials),
            @r#"[{"timestamp":"1970-01-01T00:00:00Z","voltage":0.0,"pm2.5":0.1},{"timestamp":"1970-01-01T00:02:00Z","voltage":2.0}]"#
        );
        assert_eq!(
            to_csv(&measures(Statistic::Max), &partials).unwrap(),
            b"timestamp,voltage,pm2.5\r\n1970-01-01T00:00:00Z,0.0,0.1\r\n1970-01-01T00:02:00Z,2.0,\r\n"
        );
        assert_eq!(json(Statistic::Max, &[]), "[]");
        assert_eq!(to_csv(&measures(Statistic::Max), &[]).unwrap(), b"timestamp,voltage,pm2.5\r\n");
    }

    #[test]
    fn a_count_is_a_whole_number() {
        let partials = [partial(0, &[Some(3.0), Some(0.0)])];
        assert_eq!(json(Statistic::Count, &partials), r#"[{"timestamp":"1970-01-01T00:00:00Z","voltage":3}]"#);
        let csv = to_csv(&measures(Statistic::Count), &partials).unwrap();
        assert_eq!(csv, b"timestamp,voltage,pm2.5\r\n1970-01-01T00:00:00Z,3,\r\n");
    }

    #[test]
    fn a_point_of_a_device_says_whose_it_is() {
        let device = DeviceId::generate();
        let partial = PartialAggregate { device_id: Some(device), ..partial(0, &[Some(1.5), None]) };
        let json = json(Statistic::Max, &[partial]);
        let expected = format!(r#"[{{"timestamp":"1970-01-01T00:00:00Z","server_ulid":"{device}","voltage":1.5}}]"#);
        assert_eq!(json, expected);
    }
}
