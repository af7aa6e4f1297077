-- Overlapping runs of the past become one: what counts is when any replica could take data in.
WITH old AS (
    DELETE FROM availability_runs WHERE available_until < now() - interval '1 hour'
    RETURNING available_since, available_until
),
begun AS (
    SELECT
        available_since, available_until,
        available_since > coalesce(
            max(available_until)
                OVER (ORDER BY available_since, available_until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
            '-infinity'
        ) AS is_first
    FROM old
),
numbered AS (
    SELECT
        available_since, available_until,
        count(*) FILTER (WHERE is_first) OVER (ORDER BY available_since, available_until) AS run
    FROM begun
)
INSERT INTO availability_runs (replica_id, available_since, available_until)
SELECT '00000000-0000-0000-0000-000000000000', min(available_since), max(available_until) FROM numbered GROUP BY run
