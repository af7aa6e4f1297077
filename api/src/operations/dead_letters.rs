//! The dead-letter queue, opened for one request on a connection of its own.

use pulso_shared::amqp::dead_letters::{BrowseError, DeadLetterBrowser};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::config::BrokerConfig;

use crate::http::error::ApiError;

/// Opens it; the caller closes it.
pub async fn open(config: &BrokerConfig) -> Result<DeadLetterBrowser, BrowseError> {
    DeadLetterBrowser::open(&config.amqp_url, Topology::new(config)).await
}

impl From<BrowseError> for ApiError {
    fn from(error: BrowseError) -> Self {
        unavailable(error)
    }
}

/// For a broker that refuses, or does not answer.
pub fn unavailable(cause: impl ToString) -> ApiError {
    ApiError::Unavailable { what: "The message broker", cause: cause.to_string() }
}
