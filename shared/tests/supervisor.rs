//! The supervisor, with tasks that fail in real ways.
#![expect(clippy::unwrap_used, reason = "a test says where it stops")]

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pulso_shared::supervisor::{Supervisor, SupervisorError};
use tracing::subscriber::DefaultGuard;

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
    assert!(finished.load(Ordering::Relaxed), "the others finish what they have in flight");
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
