//! The processes under test, and what they say of themselves.

use reqwest::Client;

use crate::Failure;
use crate::database::Counter;
use crate::http::Scrape;
use crate::service::Service;

/// What runs once the site has been started.
pub struct Running {
    pub(crate) api: Service,
    pub(crate) worker: Service,
    pub(crate) bare: Service,
    pub(crate) api_url: String,
    pub(crate) worker_url: String,
    pub(crate) bare_url: String,
    pub(crate) client: Client,
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
    pub bare: u32,
}

impl Running {
    /// Waits until a heartbeat could be accepted and would be stored.
    pub async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        self.worker.ready(&format!("{}/readyz", self.worker_url)).await?;
        self.api.ready(&format!("{}/readyz", self.api_url)).await
    }

    /// Fails when something we started has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.api.check()?;
        self.worker.check()?;
        self.bare.check()
    }

    /// Stops all of it.
    pub async fn stop(self) {
        tokio::join!(self.api.stop(), self.worker.stop(), self.bare.stop());
    }

    /// The API's address.
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The bare route's address.
    pub fn bare_url(&self) -> &str {
        &self.bare_url
    }

    /// The processes.
    pub fn pids(&self) -> Pids {
        Pids { api: self.api.pid(), worker: self.worker.pid(), bare: self.bare.pid() }
    }

    /// What the API counts.
    pub async fn api_metrics(&self) -> Result<Scrape, Failure> {
        Scrape::of(&self.client, &format!("{}/metrics", self.api_url)).await
    }

    /// What the worker counts.
    pub async fn worker_metrics(&self) -> Result<Scrape, Failure> {
        Scrape::of(&self.client, &format!("{}/metrics", self.worker_url)).await
    }
}
