//! The request to stop: SIGTERM or Ctrl-C, or a task that failed. Everybody who holds a [`Shutdown`] sees it.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells whether the process is to stop; clones all see the same answer.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Requests the shutdown of everybody who holds the [`Shutdown`] it was made with.
#[derive(Debug, Clone)]
pub struct ShutdownTrigger(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// A shutdown that its trigger requests.
    pub fn new() -> (ShutdownTrigger, Self) {
        let (trigger, shutdown) = watch::channel(false);
        (ShutdownTrigger(Arc::new(trigger)), Self(shutdown))
    }

    /// A shutdown that SIGTERM and SIGINT request.
    pub fn on_signal() -> std::io::Result<Self> {
        let (trigger, shutdown) = Self::new();
        trigger.request_on_signal()?;
        Ok(shutdown)
    }

    /// Whether it was requested.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is requested.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone: nobody could request it any more, so it counts as requested.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

impl ShutdownTrigger {
    /// Requests the shutdown.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Requests it at the first SIGTERM or SIGINT. From now on these signals do not kill the process any more.
    pub fn request_on_signal(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let trigger = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
                _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            }
            trigger.request();
            // The trigger stays alive: whoever looks later still sees a request, not a closed channel.
            std::future::pending::<()>().await;
        });
        Ok(())
    }
}
