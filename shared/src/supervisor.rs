//! Owns a process's long-lived tasks: each has a name, and none can end unnoticed.
//!
//! ```text
//!  spawn             works until the shutdown, then finishes what it has in flight: waited for, up to a deadline
//!  spawn_background  runs as long as the process: goes on while the others finish, and is dropped after them
//!  spawn_once        may end when it is done; dropped at the end like a background task
//!
//!  a panic, or an end before the shutdown ─▶ logged with the task's name ─▶ shutdown of all ─▶ `run` returns an error
//! ```

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use crate::shutdown::{Shutdown, ShutdownTrigger};

/// The tasks of one process.
#[derive(Debug)]
pub struct Supervisor {
    trigger: ShutdownTrigger,
    shutdown: Shutdown,
    running: JoinSet<()>,
    tasks: HashMap<Id, Task>,
}

#[derive(Debug, Clone, Copy)]
struct Task {
    name: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Service,
    Background,
    Once,
}

/// Why the process has to end with a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupervisorError {
    /// A task panicked.
    #[error("the task \"{0}\" panicked")]
    Panicked(&'static str),
    /// A task ended although no shutdown was requested.
    #[error("the task \"{0}\" ended unexpectedly")]
    Ended(&'static str),
    /// Some tasks did not finish before the deadline.
    #[error("these tasks did not finish in time: {}", .0.join(", "))]
    Unfinished(Vec<&'static str>),
}

impl Supervisor {
    /// A supervisor that shuts down at SIGTERM or SIGINT.
    pub fn on_signal() -> std::io::Result<Self> {
        let supervisor = Self::new();
        supervisor.trigger.request_on_signal()?;
        Ok(supervisor)
    }

    /// A supervisor that shuts down when its trigger is used, or a task fails.
    pub fn new() -> Self {
        let (trigger, shutdown) = Shutdown::new();
        Self { trigger, shutdown, running: JoinSet::new(), tasks: HashMap::new() }
    }

    /// For tasks that have something to finish.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// For whoever else may end the process.
    pub fn trigger(&self) -> ShutdownTrigger {
        self.trigger.clone()
    }

    /// Starts a task that works until the [`Shutdown`], then finishes what it has in flight and ends.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(Task { name, kind: Kind::Service }, task);
    }

    /// Starts a task that runs as long as the process. While the services finish it goes on; then it is dropped.
    pub fn spawn_background(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(Task { name, kind: Kind::Background }, task);
    }

    /// Starts a task that may end by itself.
    pub fn spawn_once(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(Task { name, kind: Kind::Once }, task);
    }

    /// Runs until the shutdown is requested, or a task fails and thereby requests it. The services then have `deadline`
    /// to finish. The first failure is returned.
    pub async fn run(mut self, deadline: Duration) -> Result<(), SupervisorError> {
        let failed = self.watch().await;
        self.trigger.request();
        let finished = tokio::time::timeout(deadline, self.finish()).await;
        let finished = finished.unwrap_or_else(|_| {
            let unfinished = SupervisorError::Unfinished(self.services());
            tracing::error!(error = %unfinished, "stopped at the deadline");
            Err(unfinished)
        });
        self.running.shutdown().await;
        failed.and(finished)
    }

    fn start(&mut self, task: Task, future: impl Future<Output = ()> + Send + 'static) {
        let handle = self.running.spawn(future);
        self.tasks.insert(handle.id(), task);
    }

    /// Returns at the request to stop, or with the first failure.
    async fn watch(&mut self) -> Result<(), SupervisorError> {
        loop {
            tokio::select! {
                () = self.shutdown.requested() => return Ok(()),
                Some(ended) = self.running.join_next_with_id() => self.judge(ended)?,
            }
        }
    }

    /// Waits for the services; a failure among them does not keep the others from finishing.
    async fn finish(&mut self) -> Result<(), SupervisorError> {
        let mut outcome = Ok(());
        while !self.services().is_empty() {
            let Some(ended) = self.running.join_next_with_id().await else { break };
            outcome = outcome.and(self.judge(ended));
        }
        outcome
    }

    fn judge(&mut self, ended: Result<(Id, ()), JoinError>) -> Result<(), SupervisorError> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(Task { name, kind }) = self.tasks.remove(&id) else { return Ok(()) };
        if let Err(error) = ended {
            tracing::error!(task = name, %error, "task panicked; stopping");
            return Err(SupervisorError::Panicked(name));
        }
        if kind == Kind::Once || self.shutdown.is_requested() {
            return Ok(());
        }
        tracing::error!(task = name, "task ended unexpectedly; stopping");
        Err(SupervisorError::Ended(name))
    }

    fn services(&self) -> Vec<&'static str> {
        self.tasks.values().filter(|task| task.kind == Kind::Service).map(|task| task.name).collect()
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}
