//! What the database can tell about the storing.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Timestamptz};
use diesel::{QueryResult, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// How storing is getting on.
#[derive(Debug, QueryableByName)]
pub struct StoredRow {
    /// Rows inserted since the statistics began. PostgreSQL's sessions report them about once a second.
    #[diesel(sql_type = BigInt)]
    pub inserted: i64,
    /// When the newest of what is stored was heard of.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub newest: Option<DateTime<Utc>>,
}

/// Looks; reads one row a device.
pub async fn stored(connection: &mut AsyncPgConnection) -> QueryResult<StoredRow> {
    let sql = r"SELECT
        (SELECT coalesce(sum(n_tup_ins), 0)::bigint FROM pg_stat_user_tables
         WHERE schemaname = current_schema AND relname ~ '^(heartbeats|readings)_') AS inserted,
        (SELECT max(last_seen_at) FROM device_state) AS newest";
    sql_query(sql).get_result(connection).await
}
