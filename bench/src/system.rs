//! The processes under test, and their own metrics.

use pulso_testkit::{Client, Failure, RunningProgram};

use crate::database::Counter;
use crate::metrics_page::MetricsPage;

/// What runs once the testbed has been started.
pub struct SystemUnderTest {
    pub(crate) api: RunningProgram,
    pub(crate) worker: RunningProgram,
    pub(crate) bare_route: RunningProgram,
    pub(crate) api_client: Client,
    pub(crate) worker_client: Client,
    pub(crate) bare_url: String,
    /// Counts rows.
    pub counter: Counter,
    /// The devices' access tokens.
    pub tokens: Vec<String>,
}

/// The processes' ids.
#[derive(Debug, Clone, Copy)]
pub struct Pids {
    /// The API.
    pub api: u32,
    /// The worker.
    pub worker: u32,
    /// The bare route.
    pub bare_route: u32,
}

impl SystemUnderTest {
    /// Waits until a heartbeat could be accepted and would be stored.
    pub async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        self.worker.ready(&format!("{}/readyz", self.worker_client.base())).await?;
        self.api.ready(&format!("{}/readyz", self.api_client.base())).await
    }

    /// Fails when a program has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.api.check()?;
        self.worker.check()?;
        self.bare_route.check()
    }

    /// Stops all programs.
    pub async fn stop(self) {
        tokio::join!(self.api.stop(), self.worker.stop(), self.bare_route.stop());
    }

    /// The API's address.
    pub fn api_url(&self) -> &str {
        self.api_client.base()
    }

    /// The bare route's address.
    pub fn bare_url(&self) -> &str {
        &self.bare_url
    }

    /// The process ids.
    pub fn pids(&self) -> Pids {
        Pids { api: self.api.pid(), worker: self.worker.pid(), bare_route: self.bare_route.pid() }
    }

    /// The API's metrics.
    pub async fn api_metrics(&self) -> Result<MetricsPage, Failure> {
        MetricsPage::of(&self.api_client).await
    }

    /// The worker's metrics.
    pub async fn worker_metrics(&self) -> Result<MetricsPage, Failure> {
        MetricsPage::of(&self.worker_client).await
    }
}
