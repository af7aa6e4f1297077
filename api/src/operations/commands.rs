//! Dead letters put back or deleted, and who did it: nothing is done while no audit event can be written.

use diesel_async::{AsyncConnection, AsyncPgConnection, TransactionManager};
use pulso_shared::amqp::dead_letters::{Choice, Replayed};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeadLetterId;
use serde_json::json;

use crate::audit::{self, AuditEvent};
use crate::broker::BrokerAdmin;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::{SubjectId, UserId};

type Transaction = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// Puts dead letters back into the store queue: an event for each that was named, one about the caller for all.
pub async fn replay(
    db: &DbPool,
    clock: &Clock,
    broker: &BrokerAdmin,
    actor: UserId,
    choice: &Choice,
) -> Result<Replayed, ApiError> {
    let act = async {
        let replayed = broker.replay_dead_letters(choice).await?;
        let event = |subject, after| AuditEvent { actor, action: "dead_letter.replayed", subject, before: None, after };
        let events = match choice {
            Choice::All => {
                let after = json!({"all": true, "replayed": replayed.replayed});
                vec![event(SubjectId::from(actor.as_uuid()), Some(after))]
            }
            Choice::Only(ids) => {
                let found = ids.iter().filter(|id| !replayed.missing.contains(id));
                found.map(|id| event(SubjectId::from(id.as_uuid()), None)).collect()
            }
        };
        Ok((replayed, events))
    };
    audited(db, clock, act).await
}

/// Deletes a dead letter, for good.
pub async fn delete(
    db: &DbPool,
    clock: &Clock,
    broker: &BrokerAdmin,
    actor: UserId,
    id: DeadLetterId,
) -> Result<(), ApiError> {
    let act = async {
        broker.delete_dead_letter(id).await?;
        let subject = SubjectId::from(id.as_uuid());
        Ok(((), vec![AuditEvent { actor, action: "dead_letter.deleted", subject, before: None, after: None }]))
    };
    audited(db, clock, act).await
}

/// Does what the broker is asked for within a transaction that has begun, so that the database is there for the events.
async fn audited<T>(
    db: &DbPool,
    clock: &Clock,
    act: impl Future<Output = Result<(T, Vec<AuditEvent>), ApiError>>,
) -> Result<T, ApiError> {
    let mut connection = db.get().await?;
    Transaction::begin_transaction(&mut *connection).await?;
    let done = match act.await {
        Ok((done, events)) => {
            for event in events {
                audit::record(&mut connection, clock.now(), event).await?;
            }
            Ok(done)
        }
        Err(error) => Err(error),
    };
    Transaction::commit_transaction(&mut *connection).await?;
    done
}
