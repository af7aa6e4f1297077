//! Signals, as the operating system sends them. Alone in its process, which is the one that gets them.
#![expect(clippy::unwrap_used, reason = "a test says where it stops")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pulso_shared::shutdown::Shutdown;
use pulso_shared::supervisor::Supervisor;

fn signal(name: &str) {
    let sent = Command::new("kill").args(["-s", name, &std::process::id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// One test, because a signal reaches everybody in the process.
#[tokio::test]
async fn a_signal_ends_services_in_order_and_everybody_sees_the_request() {
    let mut supervisor = Supervisor::on_signal().unwrap();
    let (mut shutdown, mut other) = (supervisor.shutdown(), Shutdown::on_signal().unwrap());
    let drained = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&drained);
    supervisor.spawn("consumer", async move {
        shutdown.requested().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        done.store(true, Ordering::Relaxed);
    });
    supervisor.spawn_background("health server", std::future::pending());
    assert!(!supervisor.shutdown().is_requested());
    signal("TERM");
    assert_eq!(supervisor.run(Duration::from_secs(10)).await, Ok(()));
    assert!(drained.load(Ordering::Relaxed));
    other.requested().await;
    assert!(other.is_requested());

    let mut interrupted = Shutdown::on_signal().unwrap();
    signal("INT");
    interrupted.requested().await;
}
