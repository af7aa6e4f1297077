//! The offline detector, measured from outside: devices that fall silent by a plan that only they know, and then what
//! Pulso has recorded of them. A command, and a library for the fault suite.
//!
//! ```text
//!  each device ─▶ heartbeats ─▶ SendLog: what was accepted    ┐
//!  GET /devices/{id}/timeline ─▶ what Pulso says of it        ┴▶ verdict: missed, false, and how late
//!
//!  FlappingRun: Pulso works, devices flap      OutageRun: Pulso is unavailable, most devices go on, some fail
//! ```

mod command;
mod flapping;
mod flapping_device;
mod flapping_verdict;
mod outage;
mod outage_verdict;
mod population;
mod retrying_device;
mod send_log;
mod sender;
mod timeline;

pub use command::{PresenceArgs, run};
pub use flapping::FlappingRun;
pub use flapping_verdict::FlappingVerdict;
pub use outage::OutageRun;
pub use outage_verdict::OutageVerdict;
pub use population::{Population, PopulationSpec};
pub use send_log::SendLog;
