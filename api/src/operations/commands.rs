//! Dead letters put back or thrown away.

use std::collections::BTreeSet;
use std::time::Duration;

use pulso_shared::amqp::dead_letters::{Choice, Replayed};
use pulso_shared::config::BrokerConfig;
use pulso_shared::ids::DeadLetterId;
use tokio::time::Instant;

use super::dead_letters;
use crate::http::error::ApiError;

/// How long a replay may go on; whoever asked still waits for the response then.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(20);

/// Puts back what is chosen.
pub async fn replay(broker: &BrokerConfig, choice: &Choice) -> Result<Replayed, ApiError> {
    let browser = dead_letters::open(broker).await?;
    let replayed = browser.replay(choice, Instant::now() + REPLAY_TIMEOUT).await;
    browser.close().await;
    match replayed? {
        Replayed { replayed: 0, stopped: Some(stop), .. } => Err(dead_letters::unavailable(stop)),
        replayed => Ok(replayed),
    }
}

/// Throws one away.
pub async fn delete(broker: &BrokerConfig, id: DeadLetterId) -> Result<(), ApiError> {
    let browser = dead_letters::open(broker).await?;
    let deleted = browser.delete(&Choice::Only(BTreeSet::from([id]))).await;
    browser.close().await;
    let (deleted, _) = deleted?;
    if deleted == 0 { Err(ApiError::NotFound("dead letter")) } else { Ok(()) }
}
