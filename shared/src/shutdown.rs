//! The order to stop: SIGTERM or Ctrl-C, told once to everyone who waits.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A cheap handle on "are we stopping?"; clones all see the same answer.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Starts listening for SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the operating system refuses the signal handlers.
    pub fn on_signal() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (ordered, handle) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
                _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            }
            ordered.send_replace(true);
            // Kept alive so that `ordered` is never dropped before everyone has seen the order.
            std::future::pending::<()>().await;
        });
        Ok(Self(handle))
    }

    /// Whether the order has been given.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the order is given.
    pub async fn ordered(&mut self) {
        // An error means the sender is gone, which only happens when the runtime is going down: that is an order too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
