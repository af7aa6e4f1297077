-- After a clock has been set back, runs that end in the future would stand in the way until then. One that still grows
-- is that of a replica whose clock is ahead; it is left alone.
WITH stale AS (
    DELETE FROM ingest_beats
    WHERE
        heard_until > now() + interval '10 seconds'
        AND noted_at NOT BETWEEN now() - interval '5 seconds' AND now() + interval '5 seconds'
    RETURNING replica_id, since
)
INSERT INTO ingest_beats (replica_id, since, heard_until)
SELECT replica_id, since, now() FROM stale WHERE since < now()
