-- One API replica of several cannot take data in, while its devices still hold on to it: they need time to move.

-- The replica was stopped in order, after this run: it leaves no device behind.
ALTER TABLE availability_runs ADD COLUMN has_left boolean NOT NULL DEFAULT false;

-- The times in which one replica could not take data in and another one could. At most 60 s of each: by then its clients
-- have been told to connect anew, and a balancer has noticed. At most 60 s in ten minutes: a replica that is
-- unavailable again and again must not keep everybody from being judged. Only the newest 100 gaps can matter.
CREATE VIEW partial_outages AS
WITH gaps AS (
    SELECT
        run.replica_id, run.available_until AS gap_from, run.has_left,
        lead(run.available_since, 1, newest.available_until)
            OVER (PARTITION BY run.replica_id ORDER BY run.available_since) AS gap_until
    FROM availability_runs AS run, (SELECT max(available_until) AS available_until FROM availability_runs) AS newest
    -- Merged runs are of no replica.
    WHERE run.replica_id <> '00000000-0000-0000-0000-000000000000'
),
newest_gaps AS (
    SELECT * FROM gaps WHERE NOT has_left AND gap_until > gap_from ORDER BY gap_from DESC LIMIT 100
),
-- Not after the last of the replicas that were available when it began: from then on it is an outage of all.
bounded AS (
    SELECT
        gap_from,
        least(gap_until, others.available_until, gap_from + interval '60 seconds') - gap_from AS length
    FROM newest_gaps CROSS JOIN LATERAL (
        SELECT max(other.available_until) AS available_until FROM availability_runs AS other
        WHERE
            other.replica_id <> newest_gaps.replica_id AND other.available_since <= gap_from
            AND other.available_until > gap_from
    ) AS others
    WHERE others.available_until IS NOT NULL
),
spent AS (
    SELECT
        gap_from, length,
        coalesce(sum(length) OVER (
            ORDER BY gap_from RANGE BETWEEN interval '10 minutes' PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW
        ), interval '0') AS before
    FROM bounded
)
SELECT gap_from AS outage_from, gap_from + least(length, interval '60 seconds' - before) AS outage_until
FROM spent WHERE before < interval '60 seconds';

-- As before, with the partial outages: windows that overlap become one.
CREATE OR REPLACE FUNCTION ingest_availability(
    OUT stored_through timestamptz, OUT outages_from timestamptz [], OUT outages_until timestamptz []
) LANGUAGE sql STABLE AS $$
    WITH outages AS (
        (SELECT outage_from, outage_until FROM outage_windows ORDER BY outage_from DESC LIMIT 1000)
        UNION ALL
        SELECT outage_from, outage_until FROM partial_outages
    ),
    begun AS (
        SELECT
            outage_from, outage_until,
            outage_from > coalesce(
                max(outage_until)
                    OVER (ORDER BY outage_from, outage_until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                '-infinity'
            ) AS is_first
        FROM outages
    ),
    numbered AS (
        SELECT
            outage_from, outage_until,
            count(*) FILTER (WHERE is_first) OVER (ORDER BY outage_from, outage_until) AS number
        FROM begun
    ),
    merged AS (
        SELECT min(outage_from) AS outage_from, max(outage_until) AS outage_until FROM numbered GROUP BY number
    )
    SELECT
        least(
            (SELECT max(run.available_until) FROM availability_runs AS run),
            (SELECT min(worker.stored_through) FROM worker_watermarks AS worker)
        ),
        coalesce(array_agg(merged.outage_from ORDER BY merged.outage_from), '{}'),
        coalesce(array_agg(merged.outage_until ORDER BY merged.outage_from), '{}')
    FROM merged
$$;
