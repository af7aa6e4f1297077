//! Dead letters that the broker has not confirmed yet.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeadLetterId;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::error::StoreError;

const INSERT: &str = "INSERT INTO dead_letter_outbox (id, reason, detail, message_type, body, died_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[])";
const LIST: &str = "SELECT position, id, reason, detail, message_type, body, died_at
    FROM dead_letter_outbox ORDER BY position LIMIT $1";
const DELETE: &str = "DELETE FROM dead_letter_outbox WHERE position = ANY ($1)";
const COUNT: &str = "SELECT count(*) FROM dead_letter_outbox";

/// A message for the dead-letter exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The dead-letter browser shows it under the same id.
    pub id: DeadLetterId,
    /// The reason's code, which is the routing key.
    pub reason: String,
    /// The reason in full.
    pub detail: String,
    /// The AMQP type, which a replay keeps.
    pub message_type: Option<String>,
    pub body: Vec<u8>,
    pub died_at: DateTime<Utc>,
}

/// A letter and its place in the order of all.
#[derive(Debug)]
pub struct WaitingLetter {
    pub position: i64,
    pub letter: Letter,
}

/// Appends letters, all or none.
pub async fn insert(client: &Client, letters: &[Letter]) -> Result<(), StoreError> {
    let id: Vec<_> = letters.iter().map(|letter| letter.id.as_uuid()).collect();
    let reason: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    let detail: Vec<_> = letters.iter().map(|letter| storable(&letter.detail)).collect();
    let message_type: Vec<_> = letters.iter().map(|letter| letter.message_type.as_deref().map(storable)).collect();
    let body: Vec<_> = letters.iter().map(|letter| letter.body.as_slice()).collect();
    let died_at: Vec<_> = letters.iter().map(|letter| letter.died_at).collect();
    let parameters: [&(dyn ToSql + Sync); 6] = [&id, &reason, &detail, &message_type, &body, &died_at];
    client.execute(INSERT, &parameters).await?;
    Ok(())
}

/// The oldest letters.
pub async fn list(client: &Client, limit: i64) -> Result<Vec<WaitingLetter>, StoreError> {
    let rows = client.query(LIST, &[&limit]).await?;
    let waiting = |row: &tokio_postgres::Row| {
        let letter = Letter {
            id: row.try_get::<_, Uuid>(1)?.into(),
            reason: row.try_get(2)?,
            detail: row.try_get(3)?,
            message_type: row.try_get(4)?,
            body: row.try_get(5)?,
            died_at: row.try_get(6)?,
        };
        Ok(WaitingLetter { position: row.try_get(0)?, letter })
    };
    rows.iter().map(waiting).collect()
}

/// Deletes letters that the broker has confirmed.
pub async fn delete(client: &Client, positions: &[i64]) -> Result<(), StoreError> {
    client.execute(DELETE, &[&positions]).await?;
    Ok(())
}

/// How many letters wait.
pub async fn count(client: &Client) -> Result<i64, StoreError> {
    Ok(client.query_one(COUNT, &[]).await?.try_get(0)?)
}

/// PostgreSQL refuses U+0000 in text, and a letter that cannot be written would be tried without end. The replacement is as
/// short, because an AMQP type has at most 255 bytes.
fn storable(text: &str) -> String {
    text.replace('\0', "?")
}

#[cfg(test)]
mod tests {
    use super::storable;

    #[test]
    fn a_text_that_postgresql_would_refuse_is_written_with_a_replacement() {
        assert_eq!(storable("a\0b"), "a?b");
        assert_eq!(storable("plain ü"), "plain ü");
    }
}
