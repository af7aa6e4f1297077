//! CPU time and counters of the parts of the system, between two samples.

use std::time::Duration;

use pulso_testkit::Failure;
use serde::Serialize;

use crate::config::BenchConfig;
use crate::metrics_page::MetricsPage;
use crate::processes::{Processes, my_cpu, own_cpu};
use crate::system::SystemUnderTest;

/// CPU time by part, s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CpuTime {
    /// The API's process.
    pub api: f64,
    /// RabbitMQ's processes.
    pub broker: f64,
    /// The worker's process.
    pub worker: f64,
    /// All of PostgreSQL's processes, except the one that counts rows for us.
    pub database: f64,
    /// The load generator, which is this process.
    pub load: f64,
    /// The bare route's process.
    pub bare: f64,
}

/// CPU time and metrics at one time.
pub struct Sample {
    cpu: CpuTime,
    api: MetricsPage,
    worker: MetricsPage,
}

/// The difference of two samples.
pub struct Interval {
    /// CPU time used.
    pub cpu: CpuTime,
    /// Heartbeats in a message, on average.
    pub readings_per_message: f64,
    /// Rows in a batch, on average.
    pub rows_per_batch: f64,
}

impl Sample {
    /// Takes a sample.
    pub async fn now(config: &BenchConfig, system: &SystemUnderTest) -> Result<Self, Failure> {
        // CPU time first: the metrics cost the API and the worker some.
        let cpu = CpuTime::now(config, system);
        Ok(Self { cpu, api: system.api_metrics().await?, worker: system.worker_metrics().await? })
    }

    /// From this sample to a later one.
    pub fn until(&self, later: &Self) -> Interval {
        Interval {
            cpu: later.cpu.since(self.cpu),
            readings_per_message: average(&self.api, &later.api, "pulso_publish_batch_size"),
            rows_per_batch: average(&self.worker, &later.worker, "pulso_store_batch_size"),
        }
    }

    /// Rows that the worker has inserted since its start.
    pub fn stored(&self) -> f64 {
        self.worker.value("pulso_stored_total")
    }
}

fn average(before: &MetricsPage, after: &MetricsPage, histogram: &str) -> f64 {
    let growth = |suffix: &str| {
        let name = format!("{histogram}{suffix}");
        after.value(&name) - before.value(&name)
    };
    growth("_sum") / growth("_count").max(1.0)
}

impl CpuTime {
    /// Used so far.
    pub fn now(config: &BenchConfig, system: &SystemUnderTest) -> Self {
        let processes = Processes::now();
        let tree = |pid: Option<u32>| pid.map_or(0.0, |pid| seconds(processes.tree_cpu(pid)));
        let pids = system.pids();
        Self {
            api: tree(Some(pids.api)),
            broker: tree(config.rabbitmq_pid),
            worker: tree(Some(pids.worker)),
            database: tree(config.pg_pid) - seconds(own_cpu(system.counter.pid)),
            load: seconds(my_cpu()),
            bare: tree(Some(pids.bare_route)),
        }
    }

    /// Used since an earlier time.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            api: self.api - earlier.api,
            broker: self.broker - earlier.broker,
            worker: self.worker - earlier.worker,
            database: self.database - earlier.database,
            load: self.load - earlier.load,
            bare: self.bare - earlier.bare,
        }
    }

    /// For a million, when this was used for `count`.
    pub fn per_million(self, count: u64) -> Self {
        let share = |seconds: f64| if count == 0 { 0.0 } else { seconds / millions(count) };
        Self {
            api: share(self.api),
            broker: share(self.broker),
            worker: share(self.worker),
            database: share(self.database),
            load: share(self.load),
            bare: share(self.bare),
        }
    }

    /// What the system under test used.
    pub fn system(self) -> f64 {
        self.api + self.broker + self.worker + self.database
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// A count in millions; exact far beyond any count here.
fn millions(count: u64) -> f64 {
    Duration::from_micros(count).as_secs_f64()
}
