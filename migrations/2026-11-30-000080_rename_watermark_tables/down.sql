DROP VIEW ingest_tallies, rollup_marks, rollup_frontiers, deaf_spans, storage_marks, ingest_beats;
DROP FUNCTION hearing();
DROP FUNCTION ingest_availability();
DROP VIEW outage_windows;

ALTER TABLE throughput_counts RENAME TO ingest_tallies;
ALTER TABLE ingest_tallies RENAME CONSTRAINT throughput_counts_owner_id_fkey TO ingest_tallies_owner_id_fkey;
ALTER INDEX throughput_counts_pkey RENAME TO ingest_tallies_pkey;

ALTER TABLE dirty_buckets RENAME TO rollup_marks;
ALTER INDEX dirty_buckets_idx RENAME TO rollup_marks_idx;

ALTER TABLE rollup_watermarks RENAME TO rollup_frontiers;
ALTER TABLE rollup_frontiers RENAME COLUMN closed_until TO marking_until;
ALTER TABLE rollup_frontiers RENAME CONSTRAINT rollup_watermarks_order TO rollup_frontiers_order;
ALTER TABLE rollup_frontiers RENAME CONSTRAINT rollup_watermarks_source_check TO rollup_frontiers_source_check;
ALTER INDEX rollup_watermarks_pkey RENAME TO rollup_frontiers_pkey;

ALTER TABLE worker_watermarks RENAME TO storage_marks;
ALTER TABLE storage_marks RENAME COLUMN stored_through TO clear_until;
ALTER TABLE storage_marks RENAME COLUMN recorded_at TO marked_at;
ALTER INDEX worker_watermarks_pkey RENAME TO storage_marks_pkey;

ALTER TABLE availability_runs RENAME TO ingest_beats;
ALTER TABLE ingest_beats RENAME COLUMN available_since TO since;
ALTER TABLE ingest_beats RENAME COLUMN available_until TO heard_until;
ALTER TABLE ingest_beats RENAME COLUMN recorded_at TO noted_at;
ALTER INDEX availability_runs_pkey RENAME TO ingest_beats_pkey;

CREATE VIEW deaf_spans AS
SELECT heard_before AS deaf_from, since AS deaf_until
FROM (
    SELECT
        since,
        max(heard_until) OVER (ORDER BY since, heard_until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS heard_before
    FROM ingest_beats
) AS runs
WHERE since > heard_before;

CREATE FUNCTION hearing(
    OUT heard_through timestamptz, OUT deaf_from timestamptz [], OUT deaf_until timestamptz []
) LANGUAGE sql STABLE AS $$
    SELECT
        least((SELECT max(heard_until) FROM ingest_beats), (SELECT min(clear_until) FROM storage_marks)),
        coalesce(array_agg(span.deaf_from ORDER BY span.deaf_from), '{}'),
        coalesce(array_agg(span.deaf_until ORDER BY span.deaf_from), '{}')
    FROM (SELECT * FROM deaf_spans ORDER BY deaf_from DESC LIMIT 1000) AS span
$$;
