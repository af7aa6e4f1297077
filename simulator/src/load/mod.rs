//! The load generator: many connections, each sending heartbeats in a closed loop or all together at a fixed rate.
//!
//! ```text
//!  LoadPlan ─▶ LoadRun ─▶ thread ×T ─▶ Caller ×C/T: Pace ─▶ Composer ─▶ Link ─▶ Tally
//! ```
//!
//! It runs on the same cores as what it measures, so what it costs is seen as slowness of the other: no allocation
//! a request where it can be helped, and only as many threads as are asked for.

mod body;
mod caller;
mod composer;
mod link;
mod pace;
mod run;
mod tally;
mod target;

pub use composer::SentReading;
pub use run::{LoadError, LoadRun};
pub use tally::Tally;
pub use target::{Target, TargetError};

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use run::{Run, Window};

/// Where accepted readings are written down.
pub trait Journal: Send + Sync {
    /// These readings of device `device` (its place in [`LoadPlan::tokens`]) got a 2xx.
    fn accepted(&self, device: usize, readings: &[SentReading]);
    /// These were sent, and nobody knows whether they were taken.
    fn unanswered(&self, device: usize, readings: &[SentReading]);
}

/// What to send where, how fast and how long.
#[derive(Clone)]
pub struct LoadPlan {
    /// Where to.
    pub target: Target,
    /// The devices' access tokens.
    pub tokens: Vec<String>,
    /// Connections, open all the time.
    pub connections: NonZeroUsize,
    /// Threads that drive them.
    pub threads: NonZeroUsize,
    /// How long to send.
    pub duration: Duration,
    /// Requests a second, or as many as the answers allow.
    pub rate: Option<f64>,
    /// Heartbeats in a request's array, or one heartbeat on its own.
    pub array: Option<NonZeroU32>,
    /// Share of accepted requests that are sent a second time on purpose.
    pub resend_share: f64,
    /// How long after the end a request that has no final answer may go on trying.
    pub patience: Duration,
    /// Who writes down what was accepted.
    pub journal: Option<Arc<dyn Journal>>,
}
