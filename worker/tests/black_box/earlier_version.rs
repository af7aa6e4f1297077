//! What a worker and an api of the version before do beside a migrated database: they know tables by other names.

use pulso_testkit::{Options, Pulso};

const RUN: &str = "INSERT INTO ingest_beats AS known (replica_id, since, heard_until)
    VALUES ('00000000-0000-0000-0000-000000000001', now() - interval '1 hour', now() - interval '30 minutes')
    ON CONFLICT (replica_id, since) DO UPDATE SET
        heard_until = greatest(known.heard_until, excluded.heard_until), noted_at = clock_timestamp()";

const MARK: &str =
    "INSERT INTO storage_marks (worker_id, clear_until, marked_at, is_leaving, backend_pid, backend_start)
    VALUES ('00000000-0000-0000-0000-000000000002', now() - interval '40 minutes', clock_timestamp(), false, 1, now())
    ON CONFLICT (worker_id) DO UPDATE SET clear_until = excluded.clear_until, marked_at = excluded.marked_at";

const TALLY: &str = "INSERT INTO ingest_tallies AS known (owner_id, slot, source, accepted, stored)
    SELECT id, '2026-11-25T12:00:00Z', '00000000-0000-0000-0000-000000000003', 2, 3 FROM users LIMIT 1
    ON CONFLICT (owner_id, slot, source) DO UPDATE SET
        accepted = known.accepted + excluded.accepted, stored = known.stored + excluded.stored";

async fn pulso() -> Pulso {
    Pulso::start_with(Options { without_worker: true, ..Options::default() }).await
}

#[tokio::test]
async fn its_watermarks_and_outage_windows_are_the_same() {
    let pulso = pulso().await;
    let database = &pulso.database;
    database.execute("DELETE FROM availability_runs; DELETE FROM worker_watermarks").await;
    for _ in 0..2 {
        database.execute(RUN).await;
        database.execute(MARK).await;
    }
    database
        .execute("INSERT INTO ingest_beats (replica_id, since, heard_until) VALUES (gen_random_uuid(), now(), now())")
        .await;
    let same = "SELECT count(*) FROM hearing() AS old CROSS JOIN ingest_availability() AS new
        WHERE old.heard_through = new.stored_through AND old.heard_through < now() - interval '39 minutes'
            AND old.deaf_from = new.outages_from AND old.deaf_until = new.outages_until
            AND cardinality(old.deaf_from) = 1";
    assert_eq!(database.count(same).await, 1);
    let windows =
        "SELECT count(*) FROM deaf_spans JOIN outage_windows ON deaf_from = outage_from AND deaf_until = outage_until";
    assert_eq!(database.count(windows).await, 1);
    database.execute("DELETE FROM storage_marks AS mark WHERE marked_at < clock_timestamp() AND NOT is_leaving").await;
    assert_eq!(database.count("SELECT count(*) FROM worker_watermarks").await, 0);
    pulso.finish().await;
}

#[tokio::test]
async fn its_rollups_are_the_same() {
    let pulso = pulso().await;
    let database = &pulso.database;
    database
        .execute("UPDATE rollup_frontiers SET marking_until = greatest(marking_until, '2026-11-25T12:00:00Z')")
        .await;
    database
        .execute("UPDATE rollup_frontiers SET rolled_until = '2026-11-25T11:00:00Z', revision = revision + 1")
        .await;
    let moved = "SELECT count(*) FROM rollup_watermarks
        WHERE closed_until = '2026-11-25T12:00:00Z' AND rolled_until = '2026-11-25T11:00:00Z' AND revision = 1";
    assert_eq!(database.count(moved).await, 2);
    database
        .execute(
            "INSERT INTO rollup_marks (source, device_id, hour)
             SELECT 'readings', unnest(ARRAY[gen_random_uuid(), gen_random_uuid()]), unnest(ARRAY[now(), now()])",
        )
        .await;
    assert_eq!(database.count("SELECT count(*) FROM dirty_buckets").await, 2);
    let take = "WITH taken AS (DELETE FROM rollup_marks WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM rollup_marks WHERE source = 'readings' AND hour < now() + interval '1 hour' LIMIT 1
        )) RETURNING device_id, hour) SELECT count(*) FROM taken";
    assert_eq!(database.count(take).await, 1);
    assert_eq!(database.count("SELECT count(*) FROM dirty_buckets").await, 1);
    pulso.finish().await;
}

#[tokio::test]
async fn its_throughput_counts_are_added_to_the_same_slots() {
    let pulso = pulso().await;
    let _ = pulso.client.new_user().await;
    pulso.database.execute(TALLY).await;
    pulso.database.execute(TALLY).await;
    let sum =
        "SELECT count(*) FROM throughput_counts WHERE accepted = 4 AND stored = 6 AND slot = '2026-11-25T12:00:00Z'";
    assert_eq!(pulso.database.count(sum).await, 1);
    pulso.finish().await;
}
