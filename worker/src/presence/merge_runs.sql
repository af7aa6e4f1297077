-- Runs that are long over, put together: what counts is when anybody could hear.
WITH old AS (
    DELETE FROM ingest_beats WHERE heard_until < now() - interval '1 hour' RETURNING since, heard_until
),
begun AS (
    SELECT
        since, heard_until,
        since > coalesce(
            max(heard_until) OVER (ORDER BY since, heard_until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
            '-infinity'
        ) AS is_first
    FROM old
),
numbered AS (SELECT since, heard_until, count(*) FILTER (WHERE is_first) OVER (ORDER BY since, heard_until) AS run FROM begun)
INSERT INTO ingest_beats (replica_id, since, heard_until)
SELECT '00000000-0000-0000-0000-000000000000', min(since), max(heard_until) FROM numbered GROUP BY run
