-- After a clock was set back, runs that end in the future would hold everything up until then. A run that still grows
-- is that of a replica whose clock is ahead, and is left alone.
WITH stale AS (
    DELETE FROM availability_runs
    WHERE
        available_until > now() + interval '10 seconds'
        AND recorded_at NOT BETWEEN now() - interval '5 seconds' AND now() + interval '5 seconds'
    RETURNING replica_id, available_since
)
INSERT INTO availability_runs (replica_id, available_since, available_until)
SELECT replica_id, available_since, now() FROM stale WHERE available_since < now()
