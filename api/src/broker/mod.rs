//! Everything the API does with RabbitMQ; no other module opens a connection to it.
//!
//! ```text
//!  request ─▶ BatchingPublisher::submit ─▶ open batch ─┐  (one in each HTTP thread: no cross-thread wake-up)
//!  request ─▶ BatchingPublisher::submit ─▶ open batch ─┴▶ one AMQP message ─▶ confirm ─▶ every request is answered
//!
//!  administrator ─▶ BrokerAdmin: queue depths, dead letters, each time on a connection of its own
//! ```
//!
//! Publishing is a group commit: requests that arrive while a message is in flight gather in the next one. No timer
//! makes anything wait: a lone request is published at once, and under load the messages grow by themselves, because
//! more requests arrive in the time of one confirm. A 2xx is given after the broker's confirm and never before.

mod accepted;
mod admin;
mod batch;
mod batching_publisher;
mod connection;
mod metrics;
mod outcome;
mod publisher;
mod unconfirmed;

pub use accepted::AcceptedCounts;
pub use admin::{BrokerAdmin, QueueDepth};
pub use batch::Receipt;
pub use batching_publisher::{BatchingPublisher, BatchingWatch, PublishLimits};
pub use outcome::PublishError;
pub use publisher::Publisher;
