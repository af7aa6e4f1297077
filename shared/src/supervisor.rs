//! Owns a process's long-lived tasks: each has a name, and none can end unnoticed.
//!
//! ```text
//!  spawn             works until the shutdown, then finishes what it has in hand: waited for, up to a deadline
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

    /// Starts a task that works until the [`Shutdown`], then finishes what it has in hand and ends.
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing::subscriber::DefaultGuard;

    use super::{Supervisor, SupervisorError};

    const DEADLINE: Duration = Duration::from_secs(20);

    /// What is logged on this thread.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn capture() -> (Self, DefaultGuard) {
            let log = Self::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
            (log, tracing::subscriber::set_default(subscriber))
        }

        fn errors(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().filter(|line| line.contains("ERROR")).map(ToOwned::to_owned).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_logged_by_name_and_ends_all_in_order() {
        let (log, _guard) = Log::capture();
        let mut supervisor = Supervisor::new();
        let (mut shutdown, finished) = (supervisor.shutdown(), Arc::new(AtomicBool::new(false)));
        let done = Arc::clone(&finished);
        supervisor.spawn("consumer", async move {
            shutdown.requested().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            done.store(true, Ordering::Relaxed);
        });
        supervisor.spawn_background("rollups", async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            panic!("no such bucket");
        });
        assert_eq!(supervisor.run(DEADLINE).await, Err(SupervisorError::Panicked("rollups")));
        assert!(finished.load(Ordering::Relaxed), "the others finish what they have in hand");
        let errors = log.errors();
        assert!(errors[0].contains("task=\"rollups\"") && errors[0].contains("no such bucket"), "{errors:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_before_the_shutdown_is_a_failure() {
        let (log, _guard) = Log::capture();
        let mut supervisor = Supervisor::new();
        supervisor.spawn_background("throughput", async {});
        assert_eq!(supervisor.run(DEADLINE).await, Err(SupervisorError::Ended("throughput")));
        assert!(log.errors()[0].contains("task=\"throughput\""), "{:?}", log.errors());
    }

    #[tokio::test(start_paused = true)]
    async fn a_requested_shutdown_waits_for_services_while_background_tasks_go_on_and_is_no_failure() {
        let (log, _guard) = Log::capture();
        let mut supervisor = Supervisor::new();
        let (mut shutdown, trigger) = (supervisor.shutdown(), supervisor.trigger());
        let (request, mut answer) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Sender<()>>(1);
        supervisor.spawn_once("setup", async {});
        supervisor.spawn_background("connection", async move {
            while let Some(asked) = answer.recv().await {
                let _ = asked.send(());
            }
            std::future::pending().await
        });
        supervisor.spawn("consumer", async move {
            shutdown.requested().await;
            let (ask, answered) = tokio::sync::oneshot::channel();
            request.send(ask).await.unwrap();
            answered.await.unwrap();
        });
        let stop = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            trigger.request();
        };
        assert_eq!(tokio::join!(supervisor.run(DEADLINE), stop).0, Ok(()));
        assert_eq!(log.errors(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_what_does_not_finish_and_names_it() {
        let (log, _guard) = Log::capture();
        let mut supervisor = Supervisor::new();
        supervisor.spawn("consumer", std::future::pending());
        supervisor.trigger().request();
        let started = tokio::time::Instant::now();
        assert_eq!(supervisor.run(DEADLINE).await, Err(SupervisorError::Unfinished(vec!["consumer"])));
        assert_eq!(started.elapsed(), DEADLINE);
        assert_eq!(log.errors().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_while_the_process_stops_is_still_a_failure() {
        let (_log, _guard) = Log::capture();
        let mut supervisor = Supervisor::new();
        let mut shutdown = supervisor.shutdown();
        supervisor.spawn("consumer", async move {
            shutdown.requested().await;
            panic!("lost the last batch");
        });
        supervisor.trigger().request();
        assert_eq!(supervisor.run(DEADLINE).await, Err(SupervisorError::Panicked("consumer")));
    }
}
