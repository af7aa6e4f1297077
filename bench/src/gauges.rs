//! What the parts of the system have used and counted, between two moments.

use std::time::Duration;

use serde::Serialize;

use crate::Failure;
use crate::config::BenchConfig;
use crate::http::Scrape;
use crate::processes::{Processes, my_cpu, own_cpu};
use crate::running::Running;

/// CPU time by part, s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cpu {
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

/// One moment.
pub struct Moment {
    cpu: Cpu,
    api: Scrape,
    worker: Scrape,
}

/// What happened between two moments.
pub struct Interval {
    /// CPU time used.
    pub cpu: Cpu,
    /// Heartbeats in a message, on average.
    pub readings_per_message: f64,
    /// Rows in a batch, on average.
    pub rows_per_batch: f64,
}

impl Moment {
    /// Now.
    pub async fn now(config: &BenchConfig, running: &Running) -> Result<Self, Failure> {
        // The clocks first: reading the counters costs the API and the worker something.
        let cpu = Cpu::now(config, running);
        Ok(Self { cpu, api: running.api_metrics().await?, worker: running.worker_metrics().await? })
    }

    /// From this moment to a later one.
    pub fn until(&self, later: &Self) -> Interval {
        Interval {
            cpu: later.cpu.since(self.cpu),
            readings_per_message: average(&self.api, &later.api, "pulso_publish_batch_size"),
            rows_per_batch: average(&self.worker, &later.worker, "pulso_store_batch_size"),
        }
    }

    /// What the worker has inserted in its life.
    pub fn stored(&self) -> f64 {
        self.worker.value("pulso_stored_total")
    }
}

fn average(before: &Scrape, after: &Scrape, histogram: &str) -> f64 {
    let grown = |suffix: &str| {
        let name = format!("{histogram}{suffix}");
        after.value(&name) - before.value(&name)
    };
    grown("_sum") / grown("_count").max(1.0)
}

impl Cpu {
    /// Used so far.
    pub fn now(config: &BenchConfig, running: &Running) -> Self {
        let processes = Processes::now();
        let tree = |pid: Option<u32>| pid.map_or(0.0, |pid| seconds(processes.tree_cpu(pid)));
        let pids = running.pids();
        Self {
            api: tree(Some(pids.api)),
            broker: tree(config.rabbitmq_pid),
            worker: tree(Some(pids.worker)),
            database: tree(config.pg_pid) - seconds(own_cpu(running.counter.pid)),
            load: seconds(my_cpu()),
            bare: tree(Some(pids.bare)),
        }
    }

    /// Used since an earlier moment.
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

    /// Of a million, when this was used for `count`.
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
