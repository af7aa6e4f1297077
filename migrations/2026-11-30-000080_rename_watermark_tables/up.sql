-- Standard names for what presence, rollups and throughput keep: availability, watermark, outage window, dirty bucket.
-- Only names change. At the end stand views with the old ones, because processes of the version before go on working
-- beside a migrated database; a later release drops them.

DROP FUNCTION hearing();
DROP VIEW deaf_spans;

-- When Pulso could take data in. A row is one uninterrupted run of one API replica.
ALTER TABLE ingest_beats RENAME TO availability_runs;
ALTER TABLE availability_runs RENAME COLUMN since TO available_since;
ALTER TABLE availability_runs RENAME COLUMN heard_until TO available_until;
ALTER TABLE availability_runs RENAME COLUMN noted_at TO recorded_at;
ALTER INDEX ingest_beats_pkey RENAME TO availability_runs_pkey;

-- What the API received up to `stored_through`, this worker has stored or never had in hand.
ALTER TABLE storage_marks RENAME TO worker_watermarks;
ALTER TABLE worker_watermarks RENAME COLUMN clear_until TO stored_through;
ALTER TABLE worker_watermarks RENAME COLUMN marked_at TO recorded_at;
ALTER INDEX storage_marks_pkey RENAME TO worker_watermarks_pkey;

-- Between the first run and the newest one, the times in which no replica could take data in. Before the first one
-- nothing is known, and it extends no device's timeout.
CREATE VIEW outage_windows AS
SELECT available_before AS outage_from, available_since AS outage_until
FROM (
    SELECT
        available_since,
        max(available_until)
            OVER (ORDER BY available_since, available_until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS available_before
    FROM availability_runs
) AS runs
WHERE available_since > available_before;

-- All that the presence rule needs, in one statement. `stored_through`: everything the API received up to then is
-- stored (NULL: unknown). The outage windows are in order of time; the newest 1,000 reach far beyond the longest
-- timeout.
CREATE FUNCTION ingest_availability(
    OUT stored_through timestamptz, OUT outages_from timestamptz [], OUT outages_until timestamptz []
) LANGUAGE sql STABLE AS $$
    SELECT
        least(
            (SELECT max(run.available_until) FROM availability_runs AS run),
            (SELECT min(worker.stored_through) FROM worker_watermarks AS worker)
        ),
        coalesce(array_agg(outage.outage_from ORDER BY outage.outage_from), '{}'),
        coalesce(array_agg(outage.outage_until ORDER BY outage.outage_from), '{}')
    FROM (SELECT * FROM outage_windows ORDER BY outage_from DESC LIMIT 1000) AS outage
$$;

-- How far each table of raw rows is rolled up. A row stored for an hour before `closed_until` makes its bucket dirty.
ALTER TABLE rollup_frontiers RENAME TO rollup_watermarks;
ALTER TABLE rollup_watermarks RENAME COLUMN marking_until TO closed_until;
ALTER TABLE rollup_watermarks RENAME CONSTRAINT rollup_frontiers_order TO rollup_watermarks_order;
ALTER TABLE rollup_watermarks RENAME CONSTRAINT rollup_frontiers_source_check TO rollup_watermarks_source_check;
ALTER INDEX rollup_frontiers_pkey RENAME TO rollup_watermarks_pkey;

-- Hours of devices whose rollups have to be computed again.
ALTER TABLE rollup_marks RENAME TO dirty_buckets;
ALTER INDEX rollup_marks_idx RENAME TO dirty_buckets_idx;

-- How many readings were accepted and stored, by owner and ten seconds.
ALTER TABLE ingest_tallies RENAME TO throughput_counts;
ALTER TABLE throughput_counts RENAME CONSTRAINT ingest_tallies_owner_id_fkey TO throughput_counts_owner_id_fkey;
ALTER INDEX ingest_tallies_pkey RENAME TO throughput_counts_pkey;

CREATE VIEW ingest_beats AS
SELECT replica_id, available_since AS since, available_until AS heard_until, recorded_at AS noted_at
FROM availability_runs;
CREATE VIEW storage_marks AS
SELECT worker_id, stored_through AS clear_until, recorded_at AS marked_at, is_leaving, backend_pid, backend_start
FROM worker_watermarks;
CREATE VIEW deaf_spans AS SELECT outage_from AS deaf_from, outage_until AS deaf_until FROM outage_windows;
CREATE FUNCTION hearing(
    OUT heard_through timestamptz, OUT deaf_from timestamptz [], OUT deaf_until timestamptz []
) LANGUAGE sql STABLE AS $$ SELECT stored_through, outages_from, outages_until FROM ingest_availability() $$;
CREATE VIEW rollup_frontiers AS
SELECT source, closed_until AS marking_until, rolled_until, raw_from, revision FROM rollup_watermarks;
-- With `ctid`, by which the version before deletes.
CREATE VIEW rollup_marks AS SELECT source, device_id, hour, ctid FROM dirty_buckets;
CREATE VIEW ingest_tallies AS SELECT owner_id, slot, source, accepted, stored FROM throughput_counts;
