//! What devices send: a [`Heartbeat`] about the device, a [`Reading`] of its sensors.
//!
//! Every number is a quantity with a range ([`quantity`]), so every instance of these types is valid. Rules that need
//! the clock or the caller (how old, how far ahead, whose device) are the API's: a message that waited long in the
//! queue must not fail them in the worker.

mod heartbeat;
mod one_row;
pub mod quantity;
mod reading;

pub use heartbeat::Heartbeat;
pub use one_row::{MAX_ROW_METRICS, OneRow, Outcome};
pub use quantity::{Amperes, Celsius, Milliseconds, Percent, QuantityError, Scalar, Volts};
pub use reading::{MAX_METRICS, MetricName, MetricNameError, Reading};
