//! The queries at the API, one after the other.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use pulso_simulator::screen::Screen;
use pulso_testkit::{Client, Failure};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::config::ReadConfig;
use super::dataset::{DAYS, Dataset};
use super::deployment::sign_in;

/// Requests before the measurement: connections, plans and the database's cache are then warm.
const WARM_UP: u32 = 10;
/// A slower response is a failure.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The two owners, signed in.
pub struct Readers {
    owner: Client,
    fleet: Client,
}

/// Which queries are sent, by what the API's response cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePattern {
    /// Responses that are never cached.
    Uncached,
    /// The same chart again and again: a cache hit.
    Repeated,
    /// Another day each time, and more days than the cache holds: a cache miss.
    Distinct,
}

/// A query, and how fast the response has to be.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its name in the report.
    pub name: &'static str,
    /// The target of the median, ms.
    pub target_ms: f64,
    /// Whether it is for the owner of the large fleet.
    by_fleet: bool,
    /// Requested in turn.
    paths: Vec<String>,
    pattern: CachePattern,
    /// How many elements the response must have for the target to apply: a small data set has fewer.
    elements: usize,
}

/// How fast a query was answered.
#[derive(Debug, Clone, Serialize)]
pub struct QueryResult {
    /// The query's name.
    pub name: &'static str,
    /// The target of the median, ms.
    pub target_ms: f64,
    /// The median, ms.
    pub median_ms: f64,
    /// The 99th percentile, ms.
    pub p99_ms: f64,
    /// The response's elements, where it is an array.
    pub elements: usize,
    /// How many it must have.
    pub wanted_elements: usize,
    /// The response's size.
    pub bytes: usize,
    /// Why nothing was measured, where that is so.
    pub failure: Option<String>,
}

impl Readers {
    /// Signs both in.
    pub async fn sign_in(url: &str) -> Result<Self, Failure> {
        // Uncompressed: compression is a client's choice, and costs more than most of these responses.
        let http = reqwest::Client::builder().timeout(TIMEOUT).tcp_nodelay(true).no_gzip().build()?;
        let client = Client::over(format!("{url}/api/v1"), http);
        let (owner, fleet) = (sign_in(url, "owner").await?, sign_in(url, "fleet").await?);
        Ok(Self { owner: client.with_token(owner.token()), fleet: client.with_token(fleet.token()) })
    }

    /// Sends a query once; the response's status and body.
    pub async fn send(&self, query: &Query, turn: usize) -> Result<(StatusCode, Vec<u8>), Failure> {
        let client = if query.by_fleet { &self.fleet } else { &self.owner };
        let path = query.paths.get(turn % query.paths.len().max(1)).ok_or("a query without a path")?;
        // Not parsed, as the client's short forms do: that would be part of the time that is measured.
        let response = client.request(Method::GET, path).send().await?;
        Ok((response.status(), response.bytes().await?.to_vec()))
    }
}

/// The queries with such a cache pattern, and the uncached ones.
pub fn with_pattern(queries: &[Query], pattern: CachePattern) -> Vec<Query> {
    queries.iter().filter(|query| [pattern, CachePattern::Uncached].contains(&query.pattern)).cloned().collect()
}

impl Query {
    /// A query of the owner with the history.
    fn owner(name: &'static str, target_ms: f64, elements: usize, path: String) -> Self {
        Self { name, target_ms, by_fleet: false, paths: vec![path], pattern: CachePattern::Uncached, elements }
    }

    /// A query of the owner with the large fleet.
    fn fleet(name: &'static str, target_ms: f64, elements: usize, path: &str) -> Self {
        Self { by_fleet: true, ..Self::owner(name, target_ms, elements, path.to_owned()) }
    }
}

/// All queries.
pub fn queries(data: &Dataset) -> Result<Vec<Query>, Failure> {
    let first = data.last_day.checked_sub_days(Days::new(DAYS - 1)).ok_or("no first day")?;
    let mut queries = charts(data, first);
    queries.extend([
        Query::fleet("/health/all of 10,000 devices", 30.0, 10_000, "/health/all"),
        Query::fleet("/devices, a page of 100 with latest", 5.0, 100, "/devices?limit=100"),
        Query::fleet("/devices?q=, one of 10,000", 5.0, 1, "/devices?q=device%209876"),
        Query::fleet("/devices?q=, a page of 100 of 10,000", 5.0, 100, "/devices?limit=100&q=DEVICE%2098"),
    ]);
    Ok(queries)
}

/// Of one device, and of all devices on one day.
fn charts(data: &Dataset, first: NaiveDate) -> Vec<Query> {
    let (device, day) = (data.device, data.last_day);
    let of_device = |from: NaiveDate, aggregation: &str| {
        format!(
            "/devices/{device}/heartbeats?start={from}T00:00:00Z&end={day}T23:59:59.999999Z&aggregation={aggregation}"
        )
    };
    let all_of = |day: NaiveDate| {
        format!("/data?start_time={day}T00:00:00Z&end_time={day}T23:59:59.999999Z&aggregation=hour&group_by=server")
    };
    let days = first.iter_days().take_while(|other| *other <= day).map(all_of).collect();
    let another_day = Query::owner("all devices, another day each, by hour", 60.0, 24_000, String::new());
    let same_day = Query::owner("the same day again", 60.0, 24_000, all_of(day));
    vec![
        Query::owner("one device, one day, by hour", 3.0, 24, of_device(day, "hour")),
        Query::owner("one device, 30 days, auto", 10.0, 720, of_device(first, "auto")),
        Query { paths: days, pattern: CachePattern::Distinct, ..another_day },
        Query { pattern: CachePattern::Repeated, ..same_day },
    ]
}

/// Sends every query many times.
pub async fn measure(
    readers: &Readers,
    data: &Dataset,
    config: &ReadConfig,
    screen: &Screen,
) -> Result<Vec<QueryResult>, Failure> {
    let mut all = Vec::new();
    for query in queries(data)? {
        screen.live(&format!("querying: {}", query.name));
        all.push(measure_one(readers, query, config.repeat).await?);
    }
    Ok(all)
}

async fn measure_one(readers: &Readers, query: Query, repeat: u32) -> Result<QueryResult, Failure> {
    let Query { name, target_ms, elements: wanted_elements, .. } = query;
    let (mut times, mut last) = (Vec::new(), Vec::new());
    for (turn, round) in (0..repeat.saturating_add(WARM_UP)).enumerate() {
        let sent_at = Instant::now();
        let (status, body) = readers.send(&query, turn).await?;
        if status != StatusCode::OK {
            let failure = Some(format!("answered {status}"));
            return Ok(QueryResult {
                name,
                target_ms,
                median_ms: 0.0,
                p99_ms: 0.0,
                elements: 0,
                wanted_elements,
                bytes: 0,
                failure,
            });
        }
        if round >= WARM_UP {
            times.push(sent_at.elapsed().as_secs_f64() * 1_000.0);
        }
        last = body;
    }
    times.sort_by(f64::total_cmp);
    let elements = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&last).map_or(0, |elements| elements.len());
    let (median_ms, p99_ms) = (quantile(&times, 50), quantile(&times, 99));
    Ok(QueryResult { name, target_ms, median_ms, p99_ms, elements, wanted_elements, bytes: last.len(), failure: None })
}

/// The value that `percent` of the sorted ones are below.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let place = sorted.len().saturating_mul(percent) / 100;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{CachePattern, quantile, queries, with_pattern};
    use crate::read::dataset::Dataset;

    #[test]
    fn quantiles_of_few_and_many() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&hundred, 50), quantile(&hundred, 99)), (51.0, 100.0));
        assert_eq!((quantile(&[7.0], 99), quantile(&[], 50)), (7.0, 0.0));
    }

    #[test]
    fn a_month_of_days_is_asked_in_turn_where_no_response_may_be_cached() {
        let device = uuid::Uuid::nil();
        let data = Dataset { heartbeats: 0, readings: 0, last_day: "2026-11-30".parse().unwrap(), device };
        let queries = queries(&data).unwrap();
        let (distinct, repeated) =
            (with_pattern(&queries, CachePattern::Distinct), with_pattern(&queries, CachePattern::Repeated));
        let days = |queries: &[super::Query]| queries.iter().map(|query| query.paths.len()).max();
        assert_eq!((queries.len(), distinct.len(), repeated.len()), (8, 7, 7));
        assert_eq!((days(&distinct), days(&repeated)), (Some(30), Some(1)));
    }
}
