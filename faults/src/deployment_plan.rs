//! How a case's deployment differs from the default.

use crate::replica::Variables;

/// Replicas and variables of a deployment.
pub struct DeploymentPlan {
    /// Variables of the API.
    pub api: Variables,
    /// Further variables of the first API alone.
    pub first_api: Variables,
    /// Variables of the worker.
    pub worker: Variables,
    /// Number of APIs.
    pub replicas: usize,
    /// Number of workers at the start.
    pub workers: usize,
    /// The broker that the suite itself talks to.
    pub amqp_url: Option<String>,
}

impl Default for DeploymentPlan {
    fn default() -> Self {
        let (api, first_api, worker) = (Variables::new(), Variables::new(), Variables::new());
        Self { api, first_api, worker, replicas: 1, workers: 1, amqp_url: None }
    }
}

impl DeploymentPlan {
    /// The variables of the API in that place.
    pub fn api_variables(&self, place: usize) -> Variables {
        let own = if place == 0 { self.first_api.as_slice() } else { &[] };
        [self.api.as_slice(), own].concat()
    }

    /// Sets a variable of both.
    pub fn both(mut self, name: &'static str, value: &str) -> Self {
        self.api.push((name, value.to_owned()));
        self.worker.push((name, value.to_owned()));
        self
    }
}
