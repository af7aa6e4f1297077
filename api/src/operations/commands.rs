//! Dead letters put back or thrown away. Not in the audit log, which is the database's: the log says who did it.

use pulso_shared::amqp::dead_letters::{Choice, Replayed};
use pulso_shared::ids::DeadLetterId;

use crate::broker::BrokerAdmin;
use crate::http::error::ApiError;
use crate::ids::UserId;

/// Puts the chosen ones back into the store queue.
pub async fn replay(broker: &BrokerAdmin, administrator: UserId, choice: &Choice) -> Result<Replayed, ApiError> {
    let replayed = broker.replay_dead_letters(choice).await?;
    tracing::info!(%administrator, replayed = replayed.replayed, "dead letters replayed");
    Ok(replayed)
}

/// Deletes one for good.
pub async fn delete(broker: &BrokerAdmin, administrator: UserId, id: DeadLetterId) -> Result<(), ApiError> {
    broker.delete_dead_letter(id).await?;
    tracing::info!(%administrator, dead_letter = %id, "dead letter deleted");
    Ok(())
}
