//! Idempotency keys, and what they were answered.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::ids::{OrderId, UserId};
use crate::orders::idempotency::KeyedRequest;
use crate::schema::order_keys;

/// How long a key is valid at least: twice the day that is promised, so that clock skew between replicas does not matter.
const KEPT_FOR: TimeDelta = TimeDelta::hours(48);

/// The response that a key was given.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = order_keys, check_for_backend(Pg))]
pub struct AnsweredRow {
    /// SHA-256 of the body it came with.
    pub body_digest: Vec<u8>,
    pub order_id: OrderId,
    /// The response body, as it was sent.
    pub answer: String,
    /// When it was sent, which is also the order's first version.
    pub created_at: DateTime<Utc>,
}

/// The response that a user's request of this key was given. Expired keys are deleted first. The caller has locked the
/// user's cart, so that of two requests with the same key the second one finds the first one's response.
pub async fn find_answered(
    connection: &mut AsyncPgConnection,
    user: UserId,
    request: &KeyedRequest,
    now: DateTime<Utc>,
) -> QueryResult<Option<AnsweredRow>> {
    let of_user = order_keys::table.filter(order_keys::user_id.eq(user));
    diesel::delete(of_user.filter(order_keys::created_at.lt(now - KEPT_FOR))).execute(connection).await?;
    let query = order_keys::table.find((user, request.key.as_str()));
    query.select(AnsweredRow::as_select()).first(connection).await.optional()
}

/// Stores a response.
pub async fn insert_answered(
    connection: &mut AsyncPgConnection,
    user: UserId,
    request: &KeyedRequest,
    order: OrderId,
    answer: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let row = (
        order_keys::user_id.eq(user),
        order_keys::key.eq(request.key.as_str()),
        order_keys::body_digest.eq(&request.body_digest),
        order_keys::order_id.eq(order),
        order_keys::answer.eq(answer),
        order_keys::created_at.eq(now),
    );
    diesel::insert_into(order_keys::table).values(row).execute(connection).await.map(|_| ())
}
