//! Three RabbitMQ nodes that are one cluster, by `scripts/cluster`.

use std::path::Path;

use rustix::process::{Pid, Signal};

use crate::Failure;
use crate::services::{Script, end_process};

/// The nodes' numbers.
pub const NODES: [usize; 3] = [1, 2, 3];

/// A cluster of this case's own.
pub struct Cluster {
    script: Script,
    /// The nodes' URLs, in the order of their numbers.
    pub amqp_urls: Vec<String>,
}

impl Cluster {
    /// Starts it, from nothing.
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
        let variables = self.script.variables().await?;
        let pid = variables.get(&format!("RABBITMQ_PID_{node}")).and_then(|pid| pid.parse().ok());
        end_process(pid.and_then(Pid::from_raw).ok_or("the node does not run")?, Signal::KILL).await
    }

    /// Starts whichever node does not run, and waits until it is part of the cluster again.
    pub async fn up(&self) -> Result<(), Failure> {
        self.script.run(&["up"]).await.map(drop)
    }

    /// Stops it and removes its data.
    pub async fn remove(&self) -> Result<(), Failure> {
        self.script.run(&["forget"]).await.map(drop)
    }
}
