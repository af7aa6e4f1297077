//! What all connections of a load share.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::plan::LoadPlan;

/// When requests may begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

/// A load under way, as its connections see it.
pub(super) struct RunState {
    pub(super) plan: LoadPlan,
    pub(super) pace: Pace,
    pub(super) stop: CancellationToken,
    /// The window opens when every connection has been opened, or has failed to.
    opened: Barrier,
    window: OnceLock<Window>,
}

impl RunState {
    pub(super) fn new(plan: LoadPlan) -> Self {
        let opened = Barrier::new(plan.connections.get());
        Self { pace: Pace::new(plan.rate), stop: CancellationToken::new(), opened, window: OnceLock::new(), plan }
    }

    /// Waits until all connections are open.
    pub(super) async fn window(&self) -> Window {
        self.opened.wait().await;
        *self.window.get_or_init(|| {
            let start = Instant::now();
            Window { start, end: start + self.plan.duration }
        })
    }

    /// When the sending began; `None` before.
    pub(super) fn started_at(&self) -> Option<Instant> {
        self.window.get().map(|window| window.start)
    }

    /// Whether a retry after such a delay would come too late.
    pub(super) fn is_over_after(&self, window: Window, delay: Duration) -> bool {
        self.stop.is_cancelled() || Instant::now() + delay >= window.end + self.plan.retry_timeout
    }
}
