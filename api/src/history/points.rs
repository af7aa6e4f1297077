//! An aggregated answer, from the question to its bytes.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::HeaderName;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel_async::AsyncPgConnection;
use pulso_shared::ids::DeviceId;

use super::access::Reader;
use super::grid::{Aggregation, Grid};
use super::measure::Measure;
use super::partials::{self, Ask, Partial, Scope};
use super::stretch::{Order, Stretch};
use crate::http::error::ApiError;
use crate::http::extract::accept::Format;
use crate::http::extract::etag::Tagged;
use crate::state::AppState;

/// Says which step an answer has.
const AGGREGATION: HeaderName = HeaderName::from_static("x-aggregation");

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PointsQuery {
    /// Of which rows.
    pub stretch: Stretch,
    /// What of them.
    pub measure: Measure,
    /// In which intervals.
    pub aggregation: Aggregation,
    /// How many of them `auto` takes at most.
    pub max_points: u32,
    /// Where they begin.
    pub zone: Tz,
}

/// Answers with one point an interval.
///
/// # Errors
/// 404; 422 where there would be too many points; 503.
pub async fn answer(
    state: &AppState,
    (reader, device): (Reader, DeviceId),
    query: &PointsQuery,
    format: Format,
    request: &HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut connection = state.db.get().await?;
    let mut transaction = connection.build_transaction().repeatable_read().read_only();
    let (step, partials) = transaction.run(async |connection| load(connection, reader, device, query).await).await?;
    drop(connection);
    let bytes = write(format, &query.measure, query.stretch.order, partials)?;
    let mut response = Tagged::new(bytes).respond(request, format.media_type());
    if let Some(Ok(step)) = step.map(|step| step.parse()) {
        response.headers_mut().insert(AGGREGATION, step);
    }
    Ok(response)
}

async fn load(
    connection: &mut AsyncPgConnection,
    reader: Reader,
    device: DeviceId,
    query: &PointsQuery,
) -> Result<(Option<String>, Vec<Partial>), ApiError> {
    partials::prepare(connection, query.measure.source).await?;
    let device = reader.find(connection, device).await?;
    let scope = Scope::Device(device.id);
    let wanted = (query.stretch.from, query.stretch.to);
    let bounds = partials::load_bounds(connection, query.measure.source, scope, wanted).await?;
    let Some((from, to)) = bounds.cut(wanted) else {
        return Ok((None, Vec::new()));
    };
    let step = query.aggregation.step(from, to, query.max_points);
    let grid = Grid::new(step, query.zone, from, to)
        .map_err(|error| ApiError::field("aggregation", "too_many_points", error))?;
    let to = to + TimeDelta::microseconds(1);
    let ask = Ask { scope, measure: &query.measure, grid: &grid, per_device: false, from, to };
    Ok((Some(step.to_string()), partials::load(connection, &ask, &bounds).await?))
}

fn write(format: Format, measure: &Measure, order: Order, mut partials: Vec<Partial>) -> Result<Vec<u8>, ApiError> {
    if order == Order::Desc {
        partials.reverse();
    }
    let mut writer = PointWriter::new(measure);
    let written = match format {
        Format::Json => writer.json_array(&partials),
        Format::Csv => writer.csv(&partials),
    };
    written.map_err(|error| ApiError::Internal(Box::new(error)))?;
    Ok(writer.take())
}

/// Writes points straight into bytes.
pub struct PointWriter<'a> {
    measure: &'a Measure,
    bytes: Vec<u8>,
    /// Points written so far.
    points: usize,
    /// The instant written last, and how: devices share them.
    last: Option<(DateTime<Utc>, String)>,
}

impl<'a> PointWriter<'a> {
    /// A writer of what `measure` measures.
    #[must_use]
    pub fn new(measure: &'a Measure) -> Self {
        Self { measure, bytes: Vec::new(), points: 0, last: None }
    }

    /// One that goes on behind so many points.
    #[must_use]
    pub fn begun(measure: &'a Measure, points: usize) -> Self {
        Self { points, ..Self::new(measure) }
    }

    /// Points written so far.
    #[must_use]
    pub fn points(&self) -> usize {
        self.points
    }

    /// What was written.
    #[must_use]
    pub fn take(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes one byte.
    pub fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes a whole JSON array.
    fn json_array(&mut self, partials: &[Partial]) -> std::io::Result<()> {
        self.push(b'[');
        self.json(partials)?;
        self.push(b']');
        Ok(())
    }

    /// Writes points as the elements of a JSON array. A point without any value is none.
    ///
    /// # Errors
    /// Never, as long as numbers and instants can be written.
    pub fn json(&mut self, partials: &[Partial]) -> std::io::Result<()> {
        let keys = self.measure.metrics.iter().map(|metric| serde_json::to_string(metric.name()));
        let keys = keys.collect::<serde_json::Result<Vec<_>>>()?;
        for partial in partials {
            let values = self.measure.finish(&partial.parts);
            if values.iter().all(Option::is_none) {
                continue;
            }
            self.bytes.extend_from_slice(if self.points == 0 { b"{\"timestamp\":\"" } else { b",{\"timestamp\":\"" });
            self.points = self.points.saturating_add(1);
            self.instant(partial.at)?;
            self.bytes.push(b'"');
            if let Some(device) = partial.device_id {
                self.bytes.extend_from_slice(b",\"server_ulid\":");
                serde_json::to_writer(&mut self.bytes, &device)?;
            }
            for (key, value) in keys.iter().zip(values) {
                if let Some(value) = value {
                    self.bytes.push(b',');
                    self.bytes.extend_from_slice(key.as_bytes());
                    self.bytes.push(b':');
                    self.number(value)?;
                }
            }
            self.bytes.push(b'}');
        }
        Ok(())
    }

    fn csv(&mut self, partials: &[Partial]) -> std::io::Result<()> {
        self.bytes.extend_from_slice(b"timestamp");
        for metric in &self.measure.metrics {
            self.bytes.push(b',');
            self.bytes.extend_from_slice(metric.name().as_bytes());
        }
        self.bytes.extend_from_slice(b"\r\n");
        for partial in partials {
            let values = self.measure.finish(&partial.parts);
            if values.iter().all(Option::is_none) {
                continue;
            }
            self.instant(partial.at)?;
            for value in values {
                self.bytes.push(b',');
                if let Some(value) = value {
                    self.number(value)?;
                }
            }
            self.bytes.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn instant(&mut self, at: DateTime<Utc>) -> std::io::Result<()> {
        let text = match self.last.take() {
            Some((last, text)) if last == at => text,
            _ => instant(at)?,
        };
        self.bytes.extend_from_slice(text.as_bytes());
        self.last = Some((at, text));
        Ok(())
    }

    /// A count is written as the whole number that it is.
    fn number(&mut self, value: f64) -> std::io::Result<()> {
        if self.measure.stat == super::measure::Stat::Count {
            return std::io::Write::write_fmt(&mut self.bytes, format_args!("{value}"));
        }
        Ok(serde_json::to_writer(&mut self.bytes, &value)?)
    }
}

/// An instant as JSON has it, without the quotes.
pub fn instant(at: DateTime<Utc>) -> serde_json::Result<String> {
    serde_json::to_string(&at).map(|quoted| quoted.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use pulso_shared::rollup::Source;

    use super::super::measure::{Measure, Metric, Stat};
    use super::super::partials::Partial;
    use super::super::stretch::Order;
    use super::write;
    use crate::http::extract::accept::Format;

    fn partial(second: i64, parts: &[Option<f64>]) -> Partial {
        let at = chrono::DateTime::from_timestamp(second, 0).unwrap();
        Partial { at, device_id: None, parts: parts.to_vec() }
    }

    #[test]
    fn what_has_no_value_is_left_out_and_a_point_without_any_too() {
        let metrics = vec![Metric::Column("voltage"), Metric::Further("pm2.5".into())];
        let measure = Measure { source: Source::Readings, metrics, stat: Stat::Max };
        let partials =
            || vec![partial(0, &[Some(0.0), Some(0.1)]), partial(60, &[None, None]), partial(120, &[Some(2.0), None])];
        let written = |format, order| String::from_utf8(write(format, &measure, order, partials()).unwrap()).unwrap();
        insta::assert_snapshot!(
            written(Format::Json, Order::Desc),
            @r#"[{"timestamp":"1970-01-01T00:02:00Z","voltage":2.0},{"timestamp":"1970-01-01T00:00:00Z","voltage":0.0,"pm2.5":0.1}]"#
        );
        assert_eq!(
            written(Format::Csv, Order::Asc),
            "timestamp,voltage,pm2.5\r\n1970-01-01T00:00:00Z,0.0,0.1\r\n1970-01-01T00:02:00Z,2.0,\r\n"
        );
        let counts = Measure { stat: Stat::Count, ..measure };
        let written = write(Format::Json, &counts, Order::Asc, vec![partial(0, &[Some(3.0), Some(0.0)])]).unwrap();
        assert_eq!(written, br#"[{"timestamp":"1970-01-01T00:00:00Z","voltage":3}]"#);
    }
}
