CREATE OR REPLACE FUNCTION ingest_availability(
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

DROP VIEW partial_outages;
ALTER TABLE availability_runs DROP COLUMN has_left;
