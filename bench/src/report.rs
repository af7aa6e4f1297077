//! The whole report, and its targets.

use serde::Serialize;

use crate::config::BenchConfig;
use crate::floors::Floors;
use crate::results::{BareResult, LoadResult, Round, median};

/// All that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Cores of this machine.
    pub cores: usize,
    /// Those of the API and the bare route, which they share with the broker; `None`: all programs ran on all.
    pub api_cpus: Option<String>,
    /// Whether the runs were shortened.
    pub quick: bool,
    /// The bare route at 256 connections: before, between and after the rounds.
    pub bare: Vec<BareResult>,
    /// The whole path at 256 connections.
    pub rounds: Vec<Round>,
    /// At 64 connections.
    pub few: Option<LoadResult>,
    /// At 1,000 connections.
    pub many: Option<LoadResult>,
    /// At half of the sustained rate.
    pub half: Option<LoadResult>,
    /// Arrays of 100.
    pub arrays: Option<LoadResult>,
    /// The parts on their own.
    pub floors: Option<Floors>,
}

/// A number with its target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetCheck {
    /// Its name.
    pub name: &'static str,
    /// What was measured.
    pub measured: f64,
    /// Its target.
    pub bound: Bound,
    /// Whether the target is met.
    pub met: bool,
}

/// A target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// At least the first, ideally the second.
    AtLeast(f64, f64),
    /// At most the first, ideally the second.
    AtMost(f64, f64),
}

impl Bound {
    fn is_met(self, measured: f64) -> bool {
        match self {
            Self::AtLeast(least, _) => measured >= least,
            Self::AtMost(most, _) => measured <= most,
        }
    }
}

impl TargetCheck {
    fn new(name: &'static str, measured: Option<f64>, bound: Bound) -> Option<Self> {
        let measured = measured?;
        Some(Self { name, measured, bound, met: bound.is_met(measured) })
    }
}

impl Report {
    /// Without results yet.
    pub fn new(config: &BenchConfig) -> Self {
        Self {
            cores: config.cores(),
            api_cpus: config.api_cpus.as_ref().map(|cpus| cpus.as_str().to_owned()),
            quick: config.quick,
            bare: Vec::new(),
            rounds: Vec::new(),
            few: None,
            many: None,
            half: None,
            arrays: None,
            floors: None,
        }
    }

    /// Every load on the whole path.
    pub fn loads(&self) -> impl Iterator<Item = &LoadResult> {
        let others = [&self.few, &self.many, &self.half, &self.arrays].into_iter().flatten();
        self.rounds.iter().map(|round| &round.path).chain(others)
    }

    /// Whether exactly what was accepted is stored, in every load.
    pub fn is_consistent(&self) -> bool {
        self.loads().all(LoadResult::is_consistent)
    }

    /// The median of a number over the rounds.
    pub fn over_rounds(&self, number: impl Fn(&Round) -> f64) -> Option<f64> {
        median(self.rounds.iter().map(number).collect())
    }

    /// CPU-seconds per million heartbeats of all parts on their own; the broker's with a consumer.
    pub fn floor_cpu(&self) -> Option<f64> {
        let floors = self.floors.as_ref()?;
        let http = median(self.bare.iter().map(|bare| bare.cpu_per_million).collect())?;
        let broker = &floors.publish_and_consume;
        let parts = [&floors.insert, broker];
        Some(http + parts.iter().map(|part| part.client_cpu_per_million + part.server_cpu_per_million).sum::<f64>())
    }

    /// The numbers that have targets.
    pub fn target_checks(&self) -> Vec<TargetCheck> {
        let stored = self.over_rounds(|round| round.path.stored_per_s);
        let cpu = self.over_rounds(|round| round.path.cpu_per_million.system());
        let arrays = self.arrays.as_ref().zip(stored).map(|(arrays, stored)| arrays.stored_per_s / stored);
        let worker = self.loads().map(|load| load.worker_memory.peak_mb).reduce(f64::max);
        let many = self.many.as_ref();
        [
            TargetCheck::new(
                "stored/s ÷ bare route's answers/s",
                self.over_rounds(Round::ratio),
                Bound::AtLeast(0.60, 0.80),
            ),
            TargetCheck::new("CPU-s per million, whole path", cpu, Bound::AtMost(55.0, 45.0)),
            TargetCheck::new(
                "p99 at half of the rate, ms",
                self.half.as_ref().map(|half| half.p99_ms),
                Bound::AtMost(10.0, 5.0),
            ),
            TargetCheck::new("arrays' stored/s ÷ single stored/s", arrays, Bound::AtLeast(5.0, 6.0)),
            TargetCheck::new(
                "api at 1,000 connections, MB",
                many.map(|many| many.api_memory.peak_mb),
                Bound::AtMost(60.0, 60.0),
            ),
            TargetCheck::new("worker, MB", worker, Bound::AtMost(100.0, 100.0)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, TargetCheck};

    #[test]
    fn a_target_check_needs_a_number_and_compares_it_with_its_bound() {
        assert_eq!(TargetCheck::new("x", None, Bound::AtLeast(1.0, 2.0)), None);
        assert!(TargetCheck::new("x", Some(1.0), Bound::AtLeast(1.0, 2.0)).unwrap().met);
        assert!(!TargetCheck::new("x", Some(0.9), Bound::AtLeast(1.0, 2.0)).unwrap().met);
        assert!(!TargetCheck::new("x", Some(1.1), Bound::AtMost(1.0, 0.5)).unwrap().met);
    }
}
