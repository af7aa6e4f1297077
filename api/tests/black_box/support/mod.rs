//! What the tests of several domains set up.

pub mod accounts;
pub mod bodies;
pub mod outages;
pub mod rate_limits;
pub mod readings;
pub mod redaction;
pub mod shop;
pub mod time;

use pulso_testkit::{Options, Pulso};

/// An API without a worker, with further variables of its own.
pub async fn start_api(api: Vec<(&'static str, String)>) -> Pulso {
    Pulso::start_with(Options { api, without_worker: true, ..Options::default() }).await
}
