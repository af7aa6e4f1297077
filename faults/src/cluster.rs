//! Three RabbitMQ nodes in one cluster, by `scripts/cluster`.

use std::path::Path;

use pulso_testkit::Failure;
use rustix::process::Signal;

use crate::script::Script;
use crate::server_process::end_process;

/// The nodes' numbers.
pub const NODES: [usize; 3] = [1, 2, 3];

/// A cluster of one case.
pub struct Cluster {
    script: Script,
    /// The nodes' URLs, in the order of their numbers.
    pub amqp_urls: Vec<String>,
}

impl Cluster {
    /// Starts it, without any data.
    pub async fn start(scripts: &Path, home: &Path, logs: &Path) -> Result<Self, Failure> {
        let script = Script::new(scripts, "cluster", home.join("cluster"), logs);
        script.run(&["forget"]).await?;
        script.run(&["up"]).await?;
        let variables = script.variables().await?;
        let urls: Option<Vec<_>> =
            NODES.iter().map(|node| variables.get(&format!("AMQP_URL_{node}")).cloned()).collect();
        Ok(Self { script, amqp_urls: urls.ok_or("scripts/cluster: no AMQP_URL_…")? })
    }

    /// Kills a node.
    pub async fn kill(&self, node: usize) -> Result<(), Failure> {
        end_process(self.script.pid(&format!("RABBITMQ_PID_{node}")).await?, Signal::KILL).await
    }

    /// Starts the nodes that do not run, and waits until they have joined the cluster.
    pub async fn up(&self) -> Result<(), Failure> {
        self.script.run(&["up"]).await.map(drop)
    }

    /// Stops it and removes its data.
    pub async fn remove(&self) -> Result<(), Failure> {
        self.script.run(&["forget"]).await.map(drop)
    }
}
