//! The results of the reading benchmark, with their targets.

use serde::Serialize;

use super::config::ReadConfig;
use super::dataset::{DAYS, DEVICES, Dataset, FLEET};
use super::ingest::Comparison;
use super::queries::QueryResult;
use super::stream::{MOST_MB, StreamResult};
use crate::results::median;

/// Target of the rate into the large table, as a share of that into an empty one.
const LEAST_SHARE: f64 = 0.90;
/// Target of what ingest may lose while queries run.
const MOST_LOSS: f64 = 0.15;

/// All that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    cores: usize,
    heartbeats: u64,
    readings: u64,
    repeat: u32,
    queries: Vec<QueryResult>,
    /// All readings in one response.
    streamed: Vec<StreamResult>,
    /// Ingest into the large table against an empty one.
    pub rates: Comparison,
    /// Ingest while the same charts are requested again and again, against ingest without queries.
    pub loss: Comparison,
    /// The same, where each chart of all devices is of another day.
    pub loss_anew: Comparison,
}

impl Report {
    /// With the queries; the comparisons are added later.
    pub fn new(config: &ReadConfig, data: &Dataset, queries: Vec<QueryResult>, streamed: Vec<StreamResult>) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            heartbeats: data.heartbeats,
            readings: data.readings,
            repeat: config.repeat,
            queries,
            streamed,
            rates: Comparison::default(),
            loss: Comparison::default(),
            loss_anew: Comparison::default(),
        }
    }

    /// Whether everything that was accepted is stored, and the streamed response was complete.
    pub fn is_consistent(&self) -> bool {
        self.are_all_stored() && self.streamed.iter().all(|streamed| streamed.is_whole != Some(false))
    }

    fn are_all_stored(&self) -> bool {
        [&self.rates, &self.loss, &self.loss_anew].iter().all(|comparison| comparison.stored >= comparison.accepted)
    }

    /// The table.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            String::new(),
            format!(
                "Reading, on this machine's {} cores: {} heartbeats and {} sensor readings of {DEVICES} devices over {DAYS} \
                 days; another owner has {FLEET} devices",
                self.cores, self.heartbeats, self.readings
            ),
            String::new(),
            format!(
                "{:<44}{:>12}{:>10}{:>10}{:>10}  {:<16}verdict",
                format!("at the API, {} times each", self.repeat),
                "median",
                "p99",
                "elements",
                "kB",
                "target"
            ),
        ];
        lines.extend(self.queries.iter().map(query_line));
        lines.push(String::new());
        lines.extend(self.streamed.iter().map(streamed_line));
        lines.extend(self.comparison_lines());
        lines
    }

    fn comparison_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((base, large, share)) = ratio(&self.rates) {
            lines.push(String::new());
            lines.push(rates_line("ingest into an empty table", base));
            lines.push(rates_line("ingest into the large table", large));
            let name = "rate into the large table, of the other";
            lines.push(verdict_line(name, share, &format!("≥ {:.0} %", 100.0 * LEAST_SHARE), share >= LEAST_SHARE));
        }
        if let Some((base, read, share)) = ratio(&self.loss) {
            lines.push(rates_line("ingest into the large table, no queries", base));
            lines.push(rates_line("50 queries a second, charts refreshed", read));
            let name = "lost while those queries run";
            let target = format!("< {:.0} %", 100.0 * MOST_LOSS);
            lines.push(verdict_line(name, 1.0 - share, &target, 1.0 - share < MOST_LOSS));
            lines.push(queries_line(&self.loss));
        }
        if let Some((base, read, share)) = ratio(&self.loss_anew) {
            lines.push(rates_line("ingest into the large table, no queries", base));
            lines.push(rates_line("50 a second, each chart of another day", read));
            lines.push(format!("{:<44}{:>10.1} %", "lost while every chart is computed anew", 100.0 * (1.0 - share)));
            lines.push(queries_line(&self.loss_anew));
        }
        if !lines.is_empty() {
            let truth = if self.are_all_stored() { "yes" } else { "NO" };
            lines.push(format!("{:<44}{truth:>12}", "accepted = stored"));
        }
        lines
    }
}

/// The medians of both sides, and the second's share of the first.
fn ratio(comparison: &Comparison) -> Option<(f64, f64, f64)> {
    let (base, other) = (median(comparison.base.clone())?, median(comparison.other.clone())?);
    Some((base, other, other / base))
}

fn query_line(result: &QueryResult) -> String {
    let QueryResult { name, target_ms, median_ms, p99_ms, elements, wanted_elements, bytes, failure } = result;
    if let Some(failure) = failure {
        return format!("{name:<44}{:>42}  {:<16}NOT MEASURED: {failure}", "", format!("≤ {target_ms:.0} ms"));
    }
    let kilobytes = bytes / 1_000;
    let target = format!("≤ {target_ms:.0} ms");
    let word = match (median_ms <= target_ms, elements == wanted_elements) {
        (true, true) => "met".to_owned(),
        (false, true) => "NOT MET".to_owned(),
        (_, false) => format!("NOT MEASURED: {wanted_elements} elements are meant"),
    };
    format!("{name:<44}{median_ms:>9.2} ms{p99_ms:>10.2}{elements:>10}{kilobytes:>10}  {target:<16}{word}")
}

fn streamed_line(streamed: &StreamResult) -> String {
    let StreamResult { name, rows, bytes, seconds, before_mb, peak_mb, is_whole } = streamed;
    let word = match is_whole {
        Some(false) => "NOT WHOLE",
        _ if *peak_mb < MOST_MB => "met",
        _ => "NOT MET",
    };
    let megabytes = bytes / 1_000_000;
    let sent = format!("{rows} rows, {megabytes} MB in {seconds:.1} s");
    let target = format!("api < {MOST_MB:.0} MB");
    format!("{name:<38}{sent:>38}, api {before_mb:.0} → {peak_mb:.0} MB  {target:<16}{word}")
}

fn rates_line(name: &str, per_s: f64) -> String {
    format!("{name:<44}{per_s:>10.0}/s")
}

fn queries_line(comparison: &Comparison) -> String {
    let Comparison { queries, failed_queries, .. } = comparison;
    format!("{:<44}{queries:>12} answered, {failed_queries} not", "queries meanwhile")
}

fn verdict_line(name: &str, share: f64, target: &str, is_met: bool) -> String {
    let word = if is_met { "met" } else { "NOT MET" };
    format!("{name:<44}{:>10.1} %{:>30}  {target:<16}{word}", 100.0 * share, "")
}

#[cfg(test)]
mod tests {
    use super::{Comparison, LEAST_SHARE, QueryResult, query_line, ratio, verdict_line};

    #[test]
    fn a_query_is_only_judged_when_it_returned_what_was_meant() {
        let result = QueryResult {
            name: "a query",
            target_ms: 5.0,
            median_ms: 4.9,
            p99_ms: 9.0,
            elements: 100,
            wanted_elements: 100,
            bytes: 1,
            failure: None,
        };
        assert!(query_line(&result).ends_with(" met"));
        assert!(query_line(&QueryResult { median_ms: 5.1, ..result.clone() }).ends_with("NOT MET"));
        assert!(query_line(&QueryResult { elements: 99, ..result.clone() }).contains("NOT MEASURED"));
        assert!(query_line(&QueryResult { failure: Some("answered 500".into()), ..result }).contains("answered 500"));
    }

    #[test]
    fn rates_are_compared_by_their_medians() {
        let comparison =
            Comparison { base: vec![100.0, 50.0, 200.0], other: vec![10.0, 90.0, 95.0], ..Comparison::default() };
        assert_eq!(ratio(&comparison), Some((100.0, 90.0, 0.9)));
        assert_eq!(ratio(&Comparison::default()), None);
        assert!(verdict_line("x", 0.9, "≥ 90 %", 0.9 >= LEAST_SHARE).ends_with(" met"));
    }
}
