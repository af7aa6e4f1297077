//! What a device says: a [`Heartbeat`] about itself, a [`Reading`] about the world around it.
//!
//! Every number is a quantity with a range ([`quantity`]); an instance of any of these types is a valid one.
//! Rules that need the clock or the caller (how old, how far ahead, whose device) are the API's, so that a message
//! which waited long in the queue cannot fail them in the worker.

mod heartbeat;
pub mod quantity;
mod reading;

pub use heartbeat::Heartbeat;
pub use quantity::{Amperes, Celsius, Milliseconds, Percent, QuantityError, Scalar, Volts};
pub use reading::{MAX_METRICS, MetricName, MetricNameError, Reading};
