//! What a load is to be.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use super::composer::SentReading;
use super::target::Target;

/// Where the fate of readings is recorded.
pub trait Journal: Send + Sync {
    /// These readings of device `device` (its place in [`LoadPlan::tokens`]) got a 2xx.
    fn accepted(&self, device: usize, readings: &[SentReading]);
    /// These were sent, and may or may not have been accepted.
    fn unanswered(&self, device: usize, readings: &[SentReading]);
}

/// What to send where, how fast and how long.
#[derive(Clone)]
pub struct LoadPlan {
    /// Server and route.
    pub target: Target,
    /// The devices' access tokens.
    pub tokens: Vec<String>,
    /// Connections, open all the time.
    pub connections: NonZeroUsize,
    /// Threads that drive them.
    pub threads: NonZeroUsize,
    /// How long to send.
    pub duration: Duration,
    /// Requests a second, or as many as the responses allow.
    pub rate: Option<f64>,
    /// Heartbeats in a request's array, or one heartbeat on its own.
    pub array: Option<NonZeroU32>,
    /// Share of accepted requests that are sent a second time on purpose.
    pub resend_share: f64,
    /// How long after the end a request without a final response is retried.
    pub retry_timeout: Duration,
    /// Records what was accepted.
    pub journal: Option<Arc<dyn Journal>>,
}
